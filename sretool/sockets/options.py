"""Options that several socket commands take."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from sretool.command import Run
from sretool.command.options import PATTERN
from sretool.sockets.filter.tree import Node

PidOption = Annotated[
    Optional[int], typer.Option("--pid", help="Sockets this process holds.", metavar="PID", min=1)
]
ProcessOption = Annotated[
    Optional[str],
    typer.Option("--process", help=f"Sockets of processes with this comm. {PATTERN}", metavar="NAME"),
]
UnitOption = Annotated[
    Optional[str], typer.Option("--unit", help=f"Sockets of this systemd unit. {PATTERN}", metavar="UNIT")
]
TcpOption = Annotated[bool, typer.Option("--tcp", help="TCP only.")]
FilterArgument = Annotated[
    Optional[list[str]],
    typer.Argument(
        metavar="[FILTER]",
        help="Only sockets that fit, in the language of ss and by any field. Quote it.",
    ),
]
UdpOption = Annotated[bool, typer.Option("--udp", help="UDP only.")]


def filter_tree(words: list[str] | None) -> Node | None:
    """The filter in FILTER, None without one.

    Raises:
        UsageError: where it is wrong, and what was expected there.
    """
    if not words:
        return None
    from sretool.sockets.filter.parse import parse

    return parse(" ".join(words))


def families(run: Run) -> tuple[str, ...]:
    """The address families that -4 and -6 leave."""
    return {4: ("inet",), 6: ("inet6",), None: ("inet", "inet6")}[run.options.family]
