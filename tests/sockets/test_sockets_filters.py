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


def pid_of(unit: str) -> int:
    processes = sretool("--from", RECORDING, "procs", "list", "--unit", unit, "--json").json["data"][
        "processes"
    ]
    [pid] = [row["pid"] for row in processes]
    return int(pid)


@pytest.mark.parametrize(
    ("field", "value"), [("pid", None), ("process", "python3"), ("unit", "clients.service")]
)
def test_only_the_sockets_of_the_owner_asked_for(field: str, value: object) -> None:
    value = value or pid_of("clients.service")
    every = rows("list")
    wanted = [row for row in every if row[field] == value]
    assert 0 < len(wanted) < len(every)
    assert rows("list", f"--{field}", value) == wanted


@pytest.mark.parametrize("option", [("--pid", None), ("--process", "pyth*"), ("--unit", "app")])
def test_only_the_listeners_of_the_owner_asked_for(option: tuple[str, object]) -> None:
    app = pid_of("app.service")
    [row] = rows("listen", option[0], option[1] or app)
    assert (row["local_port"], row["pid"]) == (8080, app)


@pytest.mark.parametrize("option", [("--pid", 1), ("--process", "systemd"), ("--unit", "clients")])
def test_no_listener_when_the_owner_has_none(option: tuple[str, object]) -> None:
    assert rows("listen", *option) == []


def test_a_connection_nobody_accepted_is_of_the_unit_that_should() -> None:
    waiting = rows("list", "--unit", "app", "--state", "close-wait")
    assert len(waiting) == 5
    assert {(row["pid"], row["inode"], row["unit"]) for row in waiting} == {(None, None, "app.service")}
    of_cgroup = rows("list", "cgroup /system.slice/app.service and state close-wait")
    assert [row["remote_port"] for row in of_cgroup] == [row["remote_port"] for row in waiting]


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("sport = :8080 and src 127.0.0.0/8", [8080]),
        ("process = python3 accept_queue > 3", [8080]),
        ("unit = app dev != lo", [8080]),
        ("not process = python3", []),
        ("dport = :80", []),
    ],
)
def test_listeners_that_fit(text: str, ports: list[int]) -> None:
    assert [row["local_port"] for row in rows("listen", text)] == ports


def test_a_wrong_filter_of_listeners() -> None:
    done = sretool("--from", RECORDING, "sockets", "listen", "sport = ")
    assert (done.code, done.out) == (64, "")
    assert done.err.startswith("sretool: FILTER: column 8: expected a port")
