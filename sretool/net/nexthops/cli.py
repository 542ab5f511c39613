"""`sretool net nexthops`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.net.nexthops import read
from sretool.net.nexthops.model import Nexthops
from sretool.report.answer import Answer


@command(
    "net.nexthops",
    view="sretool.net.nexthops.view:listing",
    options=("passive", "list"),
    rows="nexthops",
    default_fields=("id", "type", "gateway", "dev", "neighbour", "flags", "trouble"),
    how=(
        How("ip -d nexthop", "the objects, and groups of them"),
        How("ip neigh", "which of their gateways answer"),
        How("ip link", "which of their links have a carrier"),
    ),
    examples=(
        ("sretool net nexthops", "the objects that routes name by nhid, and which of them work"),
        ("sretool net nexthops --dead --json", "groups with dead legs, for a script"),
    ),
)
def nexthops(
    run: Run,
    dev: Annotated[
        Optional[str],
        typer.Option("--dev", help="Out of this interface, or with a leg that is.", metavar="IFACE"),
    ] = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="Only those that do not work, and groups with such a leg.")
    ] = False,
) -> Answer[Nexthops]:
    """List nexthop objects and groups, and which of their legs are dead."""
    now = run.one(read.sample)
    data = read.build(now, dev, dead)
    run.errors += now.errors
    return Answer(data=data)
