"""Options of how packets leave this host, of every command that sends some."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

SourceOption = Annotated[
    Optional[str], typer.Option("--source", help="Send from this address of ours.", metavar="ADDR")
]
MarkOption = Annotated[
    Optional[int],
    typer.Option("--mark", help="Firewall mark of the probes.", metavar="N", min=0, max=0xFFFFFFFF),
]
NetnsOption = Annotated[
    Optional[str],
    typer.Option("--netns", help="Send from there: a name, a pid, or a path.", metavar="NETNS"),
]
