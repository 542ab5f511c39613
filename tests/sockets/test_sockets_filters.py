"""The filters of the commands, over a recording that has a listener, its clients and orphans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli import sretool

RECORDING = Path(__file__).resolve().parents[1] / "recordings" / "trixie-starved-listener.tar.gz"


def rows(what: str, *args: object) -> Any:
    data = sretool("--from", RECORDING, "sockets", what, *args, "--json").json["data"]
    return data["sockets" if what == "list" else "listeners"]


@pytest.mark.parametrize(
    ("option", "field", "value"),
    [("--pid", "pid", 575), ("--process", "process", "python3"), ("--unit", "unit", "clients.service")],
)
def test_only_the_sockets_of_the_owner_asked_for(option: str, field: str, value: object) -> None:
    every = rows("list")
    wanted = [row for row in every if row[field] == value]
    assert 0 < len(wanted) < len(every)
    assert rows("list", option, value) == wanted


@pytest.mark.parametrize("option", [("--pid", 491), ("--process", "pyth*"), ("--unit", "app")])
def test_only_the_listeners_of_the_owner_asked_for(option: tuple[str, object]) -> None:
    [row] = rows("listen", *option)
    assert (row["local_port"], row["pid"]) == (8080, 491)


@pytest.mark.parametrize("option", [("--pid", 1), ("--process", "systemd"), ("--unit", "clients")])
def test_no_listener_when_the_owner_has_none(option: tuple[str, object]) -> None:
    assert rows("listen", *option) == []
