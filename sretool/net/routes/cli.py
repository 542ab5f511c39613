"""`sretool net routes` and `sretool net route`."""

from __future__ import annotations

import functools
import ipaddress
import socket
from enum import Enum
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.errors import NoRoute, UsageError
from sretool.host.identity import identity
from sretool.net.routes import read
from sretool.net.routes.checks import CHECKS
from sretool.net.routes.model import Decision, Routes
from sretool.net.routes.read.health import Health
from sretool.net.routes.read.names import PROTOCOLS, TYPES, of
from sretool.net.routes.read.wanted import Wanted
from sretool.report.answer import Answer
from sretool.report.check import judge

_REASONS = {
    "none": "no rule leads to a route for it",
    "blackhole": "a blackhole drops what is sent there",
    "unreachable": "declared unreachable here",
    "prohibit": "prohibited here",
    "not-forwarded": "this host does not forward what comes in there",
    "rp-filter": "the reverse path filter drops what comes in there from that sender",
}


class Proto(str, Enum):
    """What the kernel takes with a route request (net/ipv4/route.c rtm_getroute_parse_ip_proto)."""

    tcp = "tcp"
    udp = "udp"
    icmp = "icmp"


@command(
    "net.routes",
    view="sretool.net.routes.view:listing",
    options=("passive", "list", "comparable", "followed", "family", "thresholds"),
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
        ("sretool net routes --matches 203.0.113.7", "every route that could take packets to it"),
        ("sretool net routes --dst 10.0.0.0/8 --longer --protocol bird", "what a routing daemon made there"),
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
    dst: Annotated[
        Optional[str],
        typer.Option("--dst", help="Routes to this prefix, or default.", metavar="PREFIX"),
    ] = None,
    longer: Annotated[
        bool, typer.Option("--longer", help="With --dst: also to the longer prefixes in it.")
    ] = False,
    matches: Annotated[
        Optional[str],
        typer.Option("--matches", help="Routes whose prefix holds this address.", metavar="ADDR"),
    ] = None,
    gateway: Annotated[
        Optional[str], typer.Option("--gateway", help="Routes by this router.", metavar="ADDR")
    ] = None,
    protocol: Annotated[
        Optional[str],
        typer.Option("--protocol", help="Routes installed by: kernel, static, dhcp, bird, …", metavar="NAME"),
    ] = None,
    type_: Annotated[
        Optional[str], typer.Option("--type", help="unicast, local, blackhole, …", metavar="TYPE")
    ] = None,
) -> Answer[Routes]:
    """List routes."""
    wanted = _wanted(table, dev, dst, longer, matches, gateway, protocol, type_)
    families = wanted.of({4: ("inet",), 6: ("inet6",), None: ("inet", "inet6")}[run.options.family])
    tables = read.tables(run.source)
    if table is not None and table.isascii() and table.isdigit():
        wanted = wanted._replace(table=tables[int(table)])
    elif table is not None and table not in tables.values():
        raise UsageError(
            "--table", f"no table is called {table!r}", "give its number, or a name of rt_tables"
        )
    if run.options.changes:
        from sretool.command.changes import follow
        from sretool.net.routes import follow as changes
        from sretool.net.routes.view import line

        told = changes.follow(run.source, families, wanted, run.errors, run.options.deadline)
        return follow(run, told, line)
    rules = with_thresholds(CHECKS, run.options.set_ or ())
    wanted = wanted._replace(tables=tables)
    compared = run.options.sample > 0
    streams = run.options.jsonl and run.options.sort is None
    ask = read.Ask(families, not streams, wanted, settings=compared, counters=compared)
    now, before = run.pair(
        functools.partial(read.sample, ask=ask), first=functools.partial(read.sample, ask=read.COUNTERS)
    )
    health = Health(now, wanted=wanted)
    data = Routes([], 0)
    if streams:
        from sretool.command.stream import stream

        stream(run, read.stream(run.source, now, families, health))
    else:
        data = read.build(now, wanted, health)
    health.compare(now, before)
    run.errors += now.errors
    verdicts = list(judge(rules, health))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])


def _wanted(
    table: str | None,
    dev: str | None,
    dst: str | None,
    longer: bool,
    matches: str | None,
    gateway: str | None,
    protocol: str | None,
    type_: str | None,
) -> Wanted:
    """The filters that were typed.

    Raises:
        UsageError: what is no prefix, address or type.
    """
    if longer and dst is None:
        raise UsageError("--longer", "needs a prefix", "give --dst")
    if type_ is not None and type_ not in TYPES:
        raise UsageError("--type", f"no type is named {type_!r}", f"the types are {', '.join(TYPES[1:])}")
    try:
        prefix = None if dst is None else read.prefix(dst)
    except ValueError as error:
        raise UsageError("--dst", str(error), "give a prefix, an address, or default") from None
    addresses = []
    for option, text in (("--matches", matches), ("--gateway", gateway)):
        try:
            addresses.append(None if text is None else ipaddress.ip_address(text))
        except ValueError as error:
            raise UsageError(option, str(error), "give an IPv4 or IPv6 address") from None
    covering, router = addresses
    number = int(protocol) if protocol is not None and protocol.isascii() and protocol.isdigit() else None
    return Wanted(
        table=table,
        dev=dev,
        covering=None if covering is None else covering.packed,
        dst=prefix,
        inside=longer,
        gateway=None if router is None else str(router),
        type=type_,
        protocol=protocol if number is None else of(PROTOCOLS, number),
    )


@command(
    "net.route",
    view="sretool.net.routes.view:decision",
    options=("passive", "thresholds"),
    how=(
        How("ip route get {destination}", "what the kernel would do"),
        How("ip route get fibmatch {destination}", "the table's entry behind it"),
        How("ip rule", "which tables are asked, in which order"),
        How("ip neigh", "whether the next hop answers"),
    ),
    examples=(
        ("sretool net route 203.0.113.7", "where packets to it go"),
        ("sretool net route 203.0.113.7 --proto tcp --sport 50000 --dport 443", "which of several next hops"),
        (
            "sretool net route 203.0.113.7 --iif eth1 --from-addr 192.0.2.9",
            "what becomes of a packet that comes in",
        ),
        ("sretool --from incident.tar.gz net route 203.0.113.7", "where they went then"),
    ),
)
def route(
    run: Run,
    destination: Annotated[str, typer.Argument(metavar="DEST", help="An IPv4 or IPv6 address.")],
    from_address: Annotated[
        Optional[str], typer.Option("--from-addr", help="Sent from this address.", metavar="ADDR")
    ] = None,
    iif: Annotated[
        Optional[str],
        typer.Option("--iif", help="Came in on this interface, to be forwarded.", metavar="IFACE"),
    ] = None,
    oif: Annotated[
        Optional[str], typer.Option("--oif", help="Sent by a socket bound to this one.", metavar="IFACE")
    ] = None,
    mark: Annotated[
        Optional[int],
        typer.Option("--mark", help="Sent with this firewall mark.", metavar="N", min=0, max=0xFFFFFFFF),
    ] = None,
    uid: Annotated[
        Optional[int],
        typer.Option("--uid", help="Sent by this user.", metavar="UID", min=0, max=0xFFFFFFFE),
    ] = None,
    proto: Annotated[Optional[Proto], typer.Option("--proto", help="tcp, udp or icmp.")] = None,
    sport: Annotated[
        Optional[int], typer.Option("--sport", help="From this port.", metavar="PORT", min=1, max=65535)
    ] = None,
    dport: Annotated[
        Optional[int], typer.Option("--dport", help="To this port.", metavar="PORT", min=1, max=65535)
    ] = None,
) -> Answer[Decision]:
    """Show which route a destination takes."""
    if iif is not None and from_address is None:
        raise UsageError("--iif", "needs the sender", "give --from-addr")
    who = identity(run.source).uid if uid is None else uid
    flow = read.flow_to(destination, from_address, mark, who)
    protocol = _protocol(proto, len(flow.destination) == 4, sport, dport)
    flow = flow._replace(iif=iif, oif=oif, protocol=protocol, sport=sport or 0, dport=dport or 0)
    rules = with_thresholds(CHECKS, run.options.set_ or ())
    if run.source.live:
        now, data = read.explain(run.source, flow)
    else:
        now = run.one(functools.partial(read.sample, ask=read.ask_for(flow)))
        data = read.build_decision(now, flow)
    run.errors += now.errors
    data.uid = uid
    health = Health(now, "one destination was asked about")
    health.decided(data)
    verdicts = list(judge(rules, health))
    data.checks = [verdict for verdict, _ in verdicts]
    answer = Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
    if data.type in _REASONS:
        run.errors.append(NoRoute(data.destination, _REASONS[data.type]))
        answer.exit_code = 3
    return answer


def _protocol(proto: Proto | None, v4: bool, sport: int | None, dport: int | None) -> int:
    """IPPROTO_*; 0 where it was not asked for. Ports are most often those of TCP."""
    ports = sport is not None or dport is not None
    if proto is None:
        return socket.IPPROTO_TCP if ports else 0
    if proto is Proto.icmp:
        if ports:
            raise UsageError("--proto", "icmp has no ports", "leave --sport and --dport out")
        return socket.IPPROTO_ICMP if v4 else socket.IPPROTO_ICMPV6
    return socket.IPPROTO_TCP if proto is Proto.tcp else socket.IPPROTO_UDP
