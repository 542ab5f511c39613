"""`sretool net routes` and `sretool net route`."""

from __future__ import annotations

import functools
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.errors import NoRoute, UsageError
from sretool.host.identity import identity
from sretool.net.routes import read
from sretool.net.routes.model import Decision, Routes
from sretool.report.answer import Answer

_REASONS = {
    "none": "no rule leads to a route for it",
    "blackhole": "a blackhole drops what is sent there",
    "unreachable": "declared unreachable here",
    "prohibit": "prohibited here",
}


@command(
    "net.routes",
    view="sretool.net.routes.view:listing",
    options=("passive", "list", "followed", "family"),
    rows="routes",
    default_fields=(
        "type",
        "dst",
        "gateway",
        "dev",
        "table",
        "protocol",
        "scope",
        "prefsrc",
        "metric",
        "flags",
        "metrics",
    ),
    how=(
        How("ip -4 route show table all", "IPv4 routes of all tables"),
        How("ip -6 route show table all", "IPv6 routes of all tables"),
    ),
    examples=(
        ("sretool net routes --table main", "what ip route shows"),
        ("sretool net routes --dev eth0 -6 --json", "for a script"),
        ("sretool net routes --changes", "who changes routes, and when"),
    ),
)
def routes(
    run: Run,
    table: Annotated[
        Optional[str],
        typer.Option("--table", help="Routes of this table, by name or number.", metavar="TABLE"),
    ] = None,
    dev: Annotated[
        Optional[str], typer.Option("--dev", help="Routes out of this interface.", metavar="IFACE")
    ] = None,
) -> Answer[Routes]:
    """List routes."""
    families = {4: ("inet",), 6: ("inet6",), None: ("inet", "inet6")}[run.options.family]
    if run.options.changes:
        from sretool.command.changes import follow
        from sretool.net.routes import follow as changes
        from sretool.net.routes.view import line

        wanted = read.Wanted(table=table, dev=dev)
        told = changes.follow(run.source, families, wanted, run.errors, run.options.deadline)
        return follow(run, told, line)
    now = run.one(functools.partial(read.sample, ask=read.Ask(families)))
    name = now.tables[int(table)] if table is not None and table.isascii() and table.isdigit() else table
    data = read.build(now, read.Wanted(table=name, dev=dev))
    run.errors += now.errors
    return Answer(data=data)


@command(
    "net.route",
    view="sretool.net.routes.view:decision",
    options=("passive",),
    how=(
        How("ip route get {destination}", "what the kernel would do"),
        How("ip route get fibmatch {destination}", "the table's entry behind it"),
        How("ip rule", "which tables are asked, in which order"),
    ),
    examples=(
        ("sretool net route 203.0.113.7", "where packets to it go"),
        ("sretool --from incident.tar.gz net route 203.0.113.7", "where they went then"),
    ),
)
def route(
    run: Run,
    destination: Annotated[str, typer.Argument(metavar="DEST", help="An IPv4 or IPv6 address.")],
    from_address: Annotated[
        Optional[str], typer.Option("--from-addr", help="Sent from this address.", metavar="ADDR")
    ] = None,
    mark: Annotated[
        Optional[int],
        typer.Option("--mark", help="Sent with this firewall mark.", metavar="N", min=0, max=0xFFFFFFFF),
    ] = None,
) -> Answer[Decision]:
    """Show which route a destination takes."""
    uid = identity(run.source).uid
    try:
        flow = read.flow_to(destination, from_address, mark, uid)
    except ValueError as error:
        raise UsageError("DEST", str(error), "give an address; `getent ahosts NAME` finds a name's") from None
    if run.source.live:
        data = read.ask_kernel(run.source, flow)
    else:
        family = "inet" if len(flow.destination) == 4 else "inet6"
        now = run.one(functools.partial(read.sample, ask=read.Ask((family,), rules=True)))
        data = read.build_decision(now, flow)
    if data.type not in _REASONS:
        return Answer(data=data)
    run.errors.append(NoRoute(data.destination, _REASONS[data.type]))
    return Answer(data=data, exit_code=3)
