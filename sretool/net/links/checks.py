"""What is wrong with this host's interfaces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sretool.net.links.model import LinkRow, LinkRows
from sretool.net.links.read import AVAILABLE
from sretool.net.links.words import meaning
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Threshold, Unknown, check
from sretool.report.units import count_text

_STATS = "RTM_GETLINK IFLA_STATS64"
_TOTALS = ("rx_errors", "tx_errors")
# what is part of rx_errors or tx_errors and says of what kind they are (if_link.h rtnl_link_stats64)
_KINDS = (
    *("rx_length_errors", "rx_crc_errors", "rx_frame_errors", "tx_aborted_errors", "tx_carrier_errors"),
    *("tx_fifo_errors", "tx_heartbeat_errors", "tx_window_errors"),
)
_HOST_TOO_SLOW = ("rx_missed_errors", "rx_fifo_errors", "rx_over_errors")
_IN_RX_ERRORS = ("rx_fifo_errors", "rx_over_errors")
_LOCAL_KINDS = ("tun",)  # no carrier only says that no process has it open


@check(
    id="link.errors",
    title="interface errors",
    reads="rx_errors, tx_errors and what they are made of, of every interface (IFLA_STATS64)",
    window="the sample",
    thresholds={
        "errors": Threshold(0, "packets", "judgement: a device that works has none; each is a packet lost"),
        "software": Threshold(
            10, "packets", "judgement: tunnels and others without hardware cannot send some by design"
        ),
    },
    remedy="by counter: CRC, frame and length errors mean cable, optics, port or the MTU of the other end; "
    "carrier errors of a tunnel mean that its remote has no route; see the other end's counters too",
    refs=("kernel:Documentation/networking/statistics.rst", "man:ip-link(8)"),
)
def errors(model: LinkRows, rule: Rule[LinkRows]) -> Iterator[Finding]:
    """Packets arrive damaged or cannot be sent. Errors since the interface was made are shown and
    never judged: only those that came during the sample are a finding. Of interfaces without hardware
    (tunnels, bridges, …) a few are normal, such as a multicast that has no remote to go to. What the
    host did not take in time is link.drops.
    """
    for row, grew in _growing(model):
        total = sum(grew.get(name, 0) for name in _TOTALS) - sum(grew.get(name, 0) for name in _IN_RX_ERRORS)
        # some software devices count only the kind (tun counts frame errors alone)
        kinds = [name for name in _KINDS if grew.get(name)]
        found = max(total, sum(grew[name] for name in kinds))
        threshold = rule["errors"] if row.kind is None else rule["software"]
        if found > threshold:
            yield _of_counters(
                rule,
                model,
                row,
                [name for name in _TOTALS if grew.get(name)] + kinds,
                f"{row.ifname}: {count_text(found, 'error')} in {_window(model)}",
                threshold,
            )


@check(
    id="link.drops",
    title="interface drops packets",
    reads="rx_missed_errors, rx_dropped, tx_dropped and packets of every interface (IFLA_STATS64)",
    window="the sample",
    thresholds={
        "ratio": Threshold(
            0.02, "ratio", "netdata inbound_packets_dropped_ratio, outbound_packets_dropped_ratio"
        ),
        "packets": Threshold(10, "packets", "judgement: fewer drops than this prove nothing"),
        "missed": Threshold(0, "packets", "if_link.h rx_missed_errors: the host gave no buffers in time"),
    },
    remedy="missed or FIFO: more receive buffers (ethtool -G), interrupts on more CPUs, a host that is not "
    "starved; tx_dropped: the queue or the reader behind it is too slow; rx_dropped without loss elsewhere "
    "is often a protocol or VLAN nobody here speaks (tcpdump shows it)",
    refs=("kernel:Documentation/networking/statistics.rst",),
)
def drops(model: LinkRows, rule: Rule[LinkRows]) -> Iterator[Finding]:
    """Packets that arrived whole, or could have been sent, are dropped for want of room or time.

    What the device missed is found at once: it means that the host is too slow. Other drops are found
    when they are more than the ratio of the packets of that direction, because a few are normal: the
    kernel also counts frames of protocols that nobody here speaks (LLDP, STP, foreign VLANs).
    """
    for row, grew in _growing(model):
        for names, packets in ((("rx_dropped",), "rx_packets"), (("tx_dropped",), "tx_packets")):
            dropped = sum(grew.get(name, 0) for name in names)
            share = dropped / max(grew.get(packets, 0), dropped) if dropped else 0.0
            if dropped >= rule["packets"] and share > rule["ratio"]:
                whole = f"{share * 100:.3g}% of what it {'received' if packets[0] == 'r' else 'had to send'}"
                yield _of_counters(
                    rule,
                    model,
                    row,
                    names,
                    f"{row.ifname} dropped {count_text(dropped, 'packet')} in {_window(model)}, {whole}",
                    rule["packets"],
                )
        missed = [name for name in _HOST_TOO_SLOW if grew.get(name, 0) > rule["missed"]]
        if missed:
            count = sum(grew[name] for name in missed)
            yield _of_counters(
                rule,
                model,
                row,
                missed,
                f"{row.ifname}: the host did not take {count_text(count, 'packet')} in time "
                f"in {_window(model)}",
                rule["missed"],
            )


@check(
    id="link.flaps",
    title="link down or flapping",
    reads="IFLA_CARRIER_UP_COUNT, IFLA_CARRIER_DOWN_COUNT, IFLA_OPERSTATE and IFF_UP of every interface",
    window="the sample for losses of carrier, now for a link that is down",
    thresholds={"losses": Threshold(0, "losses", "judgement: a link that works keeps its carrier")},
    remedy="see cable, optics and the switch port (or the peer of a veth, the parent of a VLAN); "
    "`dmesg -T` says when it went; one that is meant to be down is set down (ip link set IFACE down)",
    refs=("man:ip-link(8)", "kernel:Documentation/networking/operstates.rst"),
)
def flaps(model: LinkRows, rule: Rule[LinkRows]) -> Iterator[Finding]:
    """A link loses its carrier: during the sample, or it is set up, had a carrier once and has none now.

    An interface that never had a carrier (a port without a cable) is no finding; neither is a bridge
    none of whose ports is up (docker0 without containers), nor a tun device that nobody has open.
    """
    for row in model.links:
        if "up" not in row.flags:
            continue
        lost = row.carrier_losses or 0
        down = row.carrier is False or row.operstate in ("down", "lowerlayerdown")
        if lost > rule["losses"]:
            state = "and is down now" if down else "and is up again"
            yield _of_carrier(
                rule, row, f"{row.ifname} lost its carrier {_times(lost, model)}, {state}", lost
            )
        elif down and row.carrier_up_count and not _idle(row):
            yield _of_carrier(
                rule, row, f"{row.ifname} is set up and {_why(row)}; it had a carrier before", 0
            )
    if model.window_s is None:
        raise Unknown("losses of carrier take two readings, and there was one")


def _window(model: LinkRows) -> str:
    return f"{model.window_s or 0:.3g} s"


def _times(lost: int, model: LinkRows) -> str:
    return f"{count_text(lost, 'time')} in {_window(model)}"


def _why(row: LinkRow) -> str:
    if row.operstate != "lowerlayerdown" or row.link is None:
        return "has no carrier"
    return f"its {'other end' if row.kind == 'veth' else 'lower interface'} {row.link} is down"


def _idle(row: LinkRow) -> bool:
    return row.kind in _LOCAL_KINDS or (row.kind == "bridge" and set(row.ports.values()) <= {"down"})


@check(
    id="ena.allowance-exceeded",
    title="instance network allowance exceeded",
    reads="bw_in, bw_out, pps, conntrack and linklocal allowance counters of ENA devices (ethtool -S)",
    window="the sample",
    thresholds={"packets": Threshold(0, "packets", "AWS EC2 user guide, ENA network performance metrics")},
    remedy="spread the load or take a larger instance type: the hypervisor queues or drops what is beyond "
    "the allowance, and nothing on this host changes that; fewer DNS and metadata requests for linklocal, "
    "fewer tracked connections for conntrack",
    refs=("AWS EC2 User Guide, Monitor network performance for ENA settings", "man:ethtool(8)"),
)
def allowance_exceeded(model: LinkRows, rule: Rule[LinkRows]) -> Iterator[Finding]:
    """An AWS instance used more of the network than its type may: the hypervisor queued or dropped
    packets. Nothing else on the host counts these.
    """
    devices = [row for row in model.links if row.allowances]
    if not devices:
        raise NotApplicable("no AWS ENA device that counts allowances")
    for row in devices:
        for one in row.allowances or ():
            if one.name != AVAILABLE and (one.grew or 0) > rule["packets"]:
                yield rule.finding(
                    "warning",
                    f"{row.ifname}: {one.name} by {one.grew} in {_window(model)}: {one.meaning}",
                    subject=Subject("interface", row.ifname),
                    evidence=[
                        Evidence(
                            one.name,
                            one.grew,
                            "packets",
                            rule["packets"],
                            f"ethtool -S {row.ifname}, over the sample",
                        ),
                        Evidence("since the driver was loaded", one.total, "packets", source="ethtool -S"),
                    ],
                    next=[f"sretool net links --dev {row.ifname}"],
                )
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")


def _growing(model: LinkRows) -> Iterator[tuple[LinkRow, dict[str, int]]]:
    if model.window_s is None:
        raise Unknown("it takes two readings, and there was one")
    for row in model.links:
        if row.grew is not None:
            yield row, row.grew


def _of_counters(
    rule: Rule[LinkRows], model: LinkRows, row: LinkRow, names: Sequence[str], summary: str, threshold: float
) -> Finding:
    grew = row.grew or {}
    worst = max(names, key=lambda name: (name not in _TOTALS, grew[name]))
    evidence = [
        Evidence(f"{name} of {row.ifname}", grew[name], "packets", threshold, f"{_STATS}: {meaning(name)}")
        for name in names
    ]
    return rule.finding(
        "warning",
        f"{summary}: {meaning(worst)}",
        subject=Subject("interface", row.ifname),
        evidence=evidence,
        next=[f"sretool net links --dev {row.ifname}"],
    )


def _of_carrier(rule: Rule[LinkRows], row: LinkRow, summary: str, lost: int) -> Finding:
    counter = "RTM_GETLINK IFLA_CARRIER_DOWN_COUNT"
    state = Evidence("state", row.operstate, source="RTM_GETLINK IFLA_OPERSTATE")
    losses = Evidence("carrier lost over the sample", lost, "losses", rule["losses"], counter)
    return rule.finding(
        "warning",
        summary,
        subject=Subject("interface", row.ifname),
        evidence=[
            *([losses, state] if lost else [state]),
            Evidence("carrier lost since it was made", row.carrier_down_count, "losses", source=counter),
        ],
        next=[f"sretool net links --dev {row.ifname}"],
    )


CHECKS = (errors, drops, flaps, allowance_exceeded)
