"""What is wrong with what a path lets through."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.net.mtu.model import Advice, BlackHole, Connection, Mtu, Place
from sretool.net.mtu.sizes import USUAL_LEAST
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Unknown, check
from sretool.report.units import count_text
from sretool.sockets.model import endpoint

_WINDOW = "one measurement: a size that is called lost was sent at least three times, at two moments"
_ICMP = "ICMP errors, from IP_RECVERR"
_SHOWN = 5


def _judged(mtu: Mtu) -> None:
    if mtu.end_reason in ("interrupted", "deadline") and mtu.path_mtu_bytes is None:
        raise Unknown("the measurement was cut short")


def _target(mtu: Mtu) -> Subject:
    return Subject(kind="host", id=mtu.address, name=mtu.target)


def place(hop: Place) -> str:
    """`hop 4 (10.0.4.1)`."""
    if hop.ttl == 0:
        return "this host"
    who = hop.address or "silent"
    return f"hop {hop.ttl} ({who})" if hop.ttl is not None else who


def between(mtu: Mtu, hole: BlackHole) -> str:
    """`between hop 4 (10.0.4.1) and hop 5 (10.0.5.1)`."""
    if hole.before is None:
        return f"behind {place(hole.after)}"
    behind = place(hole.before)
    if hole.before.address == mtu.address:
        behind = f"the target ({mtu.address})"
    return f"between {place(hole.after)} and {behind}"


def _family(mtu: Mtu) -> int:
    return 6 if ":" in mtu.address else 4


@check(
    id="mtu.black-hole",
    title="large packets are lost on the way",
    reads="which sizes get to which hop (DF set), and what routers say of those that do not",
    window=_WINDOW,
    remedy="let ICMP fragmentation-needed (type 3 code 4) and ICMPv6 packet-too-big (type 2) through at "
    "the hop before, and mend the MTU of the link there; until then clamp the MSS to what passes, lower the "
    "mtu of the route here, or set net.ipv4.tcp_mtu_probing=1",
    refs=("rfc:1191", "rfc:2923#section-2.1", "rfc:4821", "rfc:8201", "man:tracepath(8)"),
)
def black_hole(mtu: Mtu, rule: Rule[Mtu]) -> Iterator[Finding]:
    """Packets above some size get to one hop and not to the next, and nobody tells the sender what
    would fit: handshakes and small answers work, transfers hang. What a router says of the size does not
    count when it helps nobody (an MTU of 0, or one that does not pass either).

    Critical; a warning where the target is silent and one hop alone shows it, which may be sparing itself:
    some routers answer fewer large packets than small ones. Live TCP connections to the target whose full
    segments are larger than what passes hang, or will with the first full segment; they are named.
    """
    holes = [mtu.black_hole, *mtu.further_black_holes]
    if mtu.black_hole is None:
        _judged(mtu)
        if mtu.end_reason == "silent":
            raise Unknown("the target is silent: what gets to it is not known")
        if mtu.end_reason == "unsettled":
            raise Unknown("the answers contradict each other, or too many are missing")
        if mtu.end_reason in ("unreachable", "prohibited"):
            raise Unknown("the target is not reached at all")
        return
    hanging = [row for row in mtu.connections if row.hangs]
    for number, hole in enumerate(hole for hole in holes if hole is not None):
        yield _hole(mtu, hole, hanging if number == 0 else [], rule)


def _hole(mtu: Mtu, hole: BlackHole, hanging: list[Connection], rule: Rule[Mtu]) -> Finding:
    where = between(mtu, hole)
    limit = f"{hole.passes_bytes} bytes pass, {hole.fails_bytes} do not"
    if not hole.exact:
        limit = f"{hole.passes_bytes} bytes pass, {hole.fails_bytes} do not, and between them is not known"
    if hole.direction == "unknown":
        where += ", or on the way back (only echoes were answered, and those come back as large)"
    summary = f"packets larger than {hole.passes_bytes} bytes are lost {where}: {limit}"
    if hole.advertised_mtu_bytes is not None:
        summary += f"; {place(hole.after)} says they are too big, but advertises {hole.advertised_mtu_bytes}"
    evidence = [
        Evidence("largest packet that passes", hole.passes_bytes, "octets", None, "probes with DF set"),
        Evidence("smallest packet that is lost", hole.fails_bytes, "octets", None, "probes with DF set"),
        Evidence("MTU of our own link", mtu.link_mtu_bytes, "octets", None, "EMSGSIZE of the kernel"),
    ]
    if hanging:
        summary += f"; {_hang(hanging)}"
        evidence += [
            Evidence(
                f"full segment of {_name(row, mtu)}",
                row.packet_bytes,
                "octets",
                hole.passes_bytes,
                f"tcp_info: snd_mss {row.mss_bytes}, pmtu {row.pmtu_bytes}; {row.retransmits} retransmits",
            )
            for row in hanging[:_SHOWN]
        ]
    if mtu.tcp_mtu_probing is not None:
        evidence.append(
            Evidence("TCP finds the size itself", mtu.tcp_mtu_probing, "", None, "net.ipv4.tcp_mtu_probing")
        )
    behind = [hop for hop in mtu.hops if hop.mtu_bytes is not None and hop.ttl > (hole.after.ttl or 0)]
    alone = not mtu.reached and len(behind) < 2
    if alone:
        summary += (
            "; but the target is silent, and only one hop behind it answers: it may be that hop's own limit"
        )
    after = hole.after.address or mtu.address
    steps = [f"sretool sockets list 'dst {mtu.address.partition('%')[0]}'"] if hanging else []
    remedy = ""
    if hole.advertised_mtu_bytes is not None:
        remedy = (
            f"mend the MTU that {place(hole.after)} advertises; until then clamp the MSS to what passes, "
            "or lower the mtu of the route here"
        )
    return rule.finding(
        "warning" if alone else "critical",
        summary,
        subject=Subject(kind="hop", id=after, name=place(hole.after)),
        evidence=evidence,
        remedy=remedy,
        next=[*steps, f"sretool net route {mtu.address}"],
    )


def _hang(rows: list[Connection]) -> str:
    stuck = sum(row.retransmits > 0 for row in rows)
    names = ", ".join(dict.fromkeys(f"{row.process}[{row.pid}]" for row in rows[:_SHOWN] if row.process))
    whose = f" ({names})" if names else ""
    now = f", {stuck} of them already" if 0 < stuck < len(rows) else ""
    will = "hang now" if stuck == len(rows) else "hang with the first full segment"
    one = len(rows) == 1
    what = "1 live TCP connection to it" if one else f"{count_text(len(rows), 'live TCP connection')} to it"
    if one:
        will = will.replace("hang", "hangs", 1)
    return f"{what}{whose} {will}{now}"


def _name(row: Connection, mtu: Mtu) -> str:
    ends = f"{endpoint(row.local_address, row.local_port)} to {endpoint(mtu.address, row.remote_port)}"
    return f"{ends} of {row.process}[{row.pid}]" if row.process else ends


@check(
    id="mtu.way-back",
    title="large packets do not come back",
    reads="echo requests that get there, by UDP of the same size, and whose replies do not come back",
    window=_WINDOW,
    remedy="measure from the target to this host with sretool net mtu: what is lost is what it sends here",
    refs=("rfc:2923#section-2.1", "rfc:1122#section-3.2.2.6"),
)
def way_back(mtu: Mtu, rule: Rule[Mtu]) -> Iterator[Finding]:
    """Packets of a size get to the target, and echo replies of that size do not come back: large packets
    from the target are lost on their way here, or something there drops large echoes only.

    A warning: only echo requests were seen to suffer.
    """
    if mtu.way_back is None:
        _judged(mtu)
        if len(mtu.methods) < 2:
            raise Unknown("it takes UDP and echo requests, and this user may not send both")
        if mtu.path_mtu_bytes is None:
            raise Unknown("the path MTU is not known")
        return
    back = mtu.way_back
    yield rule.finding(
        "warning",
        f"{mtu.path_mtu_bytes} bytes get to {mtu.address}, but echo replies larger than {back.passes_bytes} "
        "bytes do not come back",
        subject=_target(mtu),
        evidence=[
            Evidence(
                "largest echo reply that comes back", back.passes_bytes, "octets", None, "echo requests"
            ),
            Evidence("smallest that does not", back.fails_bytes, "octets", None, "echo requests"),
            Evidence("largest packet that gets there", mtu.path_mtu_bytes, "octets", None, "UDP with DF set"),
        ],
        next=[f"sretool net trace {mtu.address}"],
    )


@check(
    id="mtu.uneven-ways",
    title="one of several ways loses large packets",
    reads="large and small packets of many flows, sent in turns to the hops where a large one was lost",
    window="one measurement: at least three large packets lost, and no small one",
    remedy="a load balancer or bundle on the way has a leg with a smaller MTU: net trace --ecmp shows them",
    refs=("rfc:2992#section-2", "rfc:8899#section-1.1"),
)
def uneven(mtu: Mtu, rule: Rule[Mtu]) -> Iterator[Finding]:
    """Large packets of some flows get to the target, and those of others are lost on the way, where every
    small one is answered. Connections hang or work by their ports.

    A warning: which leg it is, and what it takes, is not measured.
    """
    _judged(mtu)
    if mtu.path_mtu_bytes is None:
        raise Unknown("the path MTU is not known")
    if mtu.port is None:
        raise Unknown("it takes UDP probes, each a flow of its own")
    if mtu.uneven is None:
        return
    seen = mtu.uneven
    hops = ", ".join(map(str, seen.hops))
    yield rule.finding(
        "warning",
        f"{seen.large_lost} of {seen.large_sent} packets of {seen.size_bytes} bytes to "
        f"{'hop' if len(seen.hops) == 1 else 'hops'} {hops} were lost, each of another flow, and none of "
        f"{seen.small_sent} small ones: one of several ways takes less",
        subject=_target(mtu),
        evidence=[
            Evidence("large packets lost", seen.large_lost, "packets", None, f"{seen.large_sent} sent"),
            Evidence("small packets lost", 0, "packets", None, f"{seen.small_sent} sent"),
        ],
        next=[f"sretool net trace --ecmp {mtu.address}"],
    )


def wrong(advice: Advice, family: int) -> str:
    """What is wrong with an advertised MTU; empty: nothing."""
    if advice.mtu_bytes == 0:
        return "says what is too big, and not what fits (0)"
    if advice.mtu_bytes >= advice.asked_bytes:
        return f"advertises {advice.mtu_bytes} bytes for a packet of {advice.asked_bytes}"
    if advice.passes_bytes is not None and advice.mtu_bytes > advice.passes_bytes:
        return f"advertises {advice.mtu_bytes} bytes, and only {advice.passes_bytes} get past it"
    if advice.mtu_bytes < USUAL_LEAST[family]:
        return f"advertises {advice.mtu_bytes} bytes, less than the {USUAL_LEAST[family]} of any usual link"
    return ""


@check(
    id="mtu.wrong-advice",
    title="a router advertises an MTU that does not help",
    reads="the MTU in ICMP fragmentation-needed and ICMPv6 packet-too-big, beside what passes that router",
    window=_WINDOW,
    remedy="mend the MTU of that router's link, or what rewrites its ICMP; forged ones slow connections down",
    refs=("rfc:1191#section-4", "rfc:8201#section-4", "rfc:8200#section-5", "rfc:5927#section-7"),
)
def wrong_advice(mtu: Mtu, rule: Rule[Mtu]) -> Iterator[Finding]:
    """A router says that a packet is too big, and names an MTU that is 0, no smaller than the packet,
    larger than what then gets past it, or below what every usual link carries (576, IPv6 1280).
    """
    _judged(mtu)
    for advice in mtu.advertised:
        fault = wrong(advice, _family(mtu))
        if not fault:
            continue
        hop = place(Place(advice.ttl, advice.address))
        yield rule.finding(
            "warning",
            f"{hop} {fault}",
            subject=Subject(kind="hop", id=advice.address or "unknown", name=hop),
            evidence=[
                Evidence("advertised MTU", advice.mtu_bytes, "octets", None, _ICMP),
                Evidence("largest packet that gets past it", advice.passes_bytes, "octets", None, "probes"),
            ],
            next=[f"sretool net trace {mtu.address}"],
        )


@check(
    id="mtu.reduced",
    title="the path takes less than our link",
    reads="the path MTU beside the MTU of our own link",
    window=_WINDOW,
    remedy="nothing to do: path MTU discovery works; a tunnel on the way takes its share of each packet",
    refs=("rfc:1191", "rfc:8201"),
)
def reduced(mtu: Mtu, rule: Rule[Mtu]) -> Iterator[Finding]:
    """A link on the way takes less than ours, and its router says so: path MTU discovery works. Said
    for information only.
    """
    _judged(mtu)
    if mtu.path_mtu_bytes is None:
        raise Unknown("the path MTU is not known")
    if mtu.black_hole is not None or mtu.path_mtu_bytes >= mtu.asked_bytes:
        return
    said = [advice for advice in mtu.advertised if advice.mtu_bytes == mtu.path_mtu_bytes]
    who = f", as {place(Place(said[0].ttl, said[0].address))} says" if said else ""
    if mtu.widest_way_bytes is not None:
        who += f"; on another way {mtu.widest_way_bytes} got there, so it depends on a load balancer"
    yield rule.finding(
        "info",
        f"packets to {mtu.address} may have {mtu.path_mtu_bytes} bytes of the {mtu.asked_bytes} asked{who}",
        subject=_target(mtu),
        evidence=[
            Evidence("path MTU", mtu.path_mtu_bytes, "octets", mtu.link_mtu_bytes, "probes with DF set"),
        ],
        next=[],
    )


@check(
    id="mtu.learnt-too-small",
    title="the kernel has learnt a path MTU that is too small",
    reads="the path MTU the kernel had learnt (IP_MTU) beside what gets through",
    window="what the kernel knew before the first probe",
    remedy="it is forgotten after net.ipv4.route.mtu_expires (10 minutes), or by ip route flush cache",
    refs=("man:ip(7)", "rfc:1191#section-6.3", "rfc:5927#section-7"),
)
def learnt(mtu: Mtu, rule: Rule[Mtu]) -> Iterator[Finding]:
    """The kernel sends smaller packets than would get through: the path was narrower a while ago, or
    somebody forged a packet-too-big. For information: it costs throughput only.
    """
    _judged(mtu)
    if mtu.cached_mtu_bytes is None:
        raise NotApplicable("the kernel had learnt no path MTU")
    if mtu.path_mtu_bytes is None:
        raise Unknown("the path MTU is not known")
    if mtu.cached_mtu_bytes >= mtu.path_mtu_bytes:
        return
    yield rule.finding(
        "info",
        f"the kernel sends {mtu.cached_mtu_bytes} bytes at most to {mtu.address}, "
        f"and {mtu.path_mtu_bytes} get there",
        subject=_target(mtu),
        evidence=[
            Evidence("learnt path MTU", mtu.cached_mtu_bytes, "octets", mtu.path_mtu_bytes, "IP_MTU"),
            Evidence("forgotten in", mtu.cached_expires_s, "s", None, "RTM_GETROUTE RTA_CACHEINFO"),
        ],
        next=[f"sretool net route {mtu.address}"],
    )


@check(
    id="mtu.target-unreachable",
    title="target unreachable",
    reads="ICMP destination-unreachable from a router on the way",
    window=_WINDOW,
    remedy="mend the way first: nothing of whatever size gets there",
    refs=("rfc:1812#section-4.3.3.1", "rfc:4443#section-3.1"),
)
def unreachable(mtu: Mtu, rule: Rule[Mtu]) -> Iterator[Finding]:
    """A router on the way says that it cannot or may not deliver, and nothing got to the target."""
    _judged(mtu)
    if mtu.end_reason not in ("unreachable", "prohibited"):
        return
    who = "this host itself" if mtu.end_address == mtu.source_address else mtu.end_address or "a router"
    yield rule.finding(
        "critical",
        f"{who} says that {mtu.address} is {mtu.end_reason}: its path MTU is not known",
        subject=_target(mtu),
        evidence=[Evidence("said by", mtu.end_address, source=_ICMP)],
        next=[f"sretool net trace {mtu.address}"],
    )


CHECKS = (black_hole, uneven, way_back, wrong_advice, reduced, learnt, unreachable)
