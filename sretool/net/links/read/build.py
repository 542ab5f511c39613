"""Rows from samples; nothing is read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host import interfaces
from sretool.host.source import Clock
from sretool.net.links.model import Allowance, LinkRow, LinkRows, Netns, Stats, Value
from sretool.net.links.read import decode, details
from sretool.net.links.read.decode import Raw
from sretool.net.links.read.sample import Driver, Sample, Settings

_NONE = Settings(None, None)
_COUNTERS = Stats.__struct_fields__
ENA = "ena"
AVAILABLE = "conntrack_allowance_available"
# AWS EC2 user guide, "Monitor network performance for ENA settings on your EC2 instance"
ALLOWANCES = {
    "bw_in_allowance_exceeded": "packets queued or dropped: inbound bandwidth beyond the instance's maximum",
    "bw_out_allowance_exceeded": "packets queued or dropped: outbound bandwidth beyond the instance's "
    "maximum",
    "pps_allowance_exceeded": "packets queued or dropped: packets a second, both ways together, beyond the "
    "instance's maximum",
    "conntrack_allowance_exceeded": "packets dropped: the instance tracks all the connections it may, and "
    "makes no new ones",
    "linklocal_allowance_exceeded": "packets dropped: too many a second to DNS, instance metadata or time "
    "(link-local services)",
    AVAILABLE: "connections that the instance may still track",
}


class Wanted(NamedTuple):
    """Which interfaces to show; None: any. `kind` "device" is what has no kind. `up`: carries packets."""

    dev: str | None = None
    kind: str | None = None
    up: bool | None = None

    def keeps(self, row: LinkRow) -> bool:
        """Whether it is shown."""
        return (
            (self.dev is None or self.dev == row.ifname or self.dev in row.altnames)
            and self.kind in (None, row.kind or "device")
            and self.up in (None, row.up)
        )


def build(
    now: Sample, before: Sample | None = None, wanted: Wanted = Wanted(), *, driver_stats: bool = False
) -> LinkRows:
    """The interfaces that are wanted, by index. Damaged messages cost the interface they are of, and
    are noted in `now.errors`. Interfaces of two samples are matched by index.
    """
    window = now.clock.mono - before.clock.mono if before is not None else None
    if window is not None and window <= 0:  # another boot: no rates
        before = window = None
    links = now.links or []
    names = {link.number: link.name for link in links}
    earlier = {link.number: link for link in (before.links or [] if before is not None else ())}
    rows = []
    for link in sorted(links, key=lambda link: link.number):
        try:
            row = _row(link, names, now)
        except ParseError as error:
            now.errors.append(error)
            continue
        previous = earlier.get(link.number)
        if window and previous is not None and previous.name == link.name:
            _compare(row, previous, window)
        _drive(row, now.drivers.get(link.number), before, driver_stats)
        rows.append(row)
    _gather(rows)
    rows = list(filter(wanted.keeps, rows))
    return LinkRows(rows, len(rows), window)


def alone(link: Raw, names: dict[int, str]) -> LinkRow:
    """What one message says, without settings, driver, rates and the names of other namespaces.

    Raises:
        ParseError: the message is damaged.
    """
    return _row(link, names, Sample(Clock(0, 0, 0), None, {}, {}, {}, {}, {}, []))


def _row(link: Raw, names: dict[int, str], now: Sample) -> LinkRow:
    kind, master = link.kind, link.info.get(decode.IFLA_INFO_SLAVE_KIND)
    speed, duplex = now.settings.get(link.number, _NONE)
    found: dict[str, Value] = {}
    port: dict[str, Value] = {}
    if kind is not None:
        found = details.of_kind(kind, link.data, names)
        if isinstance(uid := found.get("owner_uid"), int):
            found["owner"] = now.users.get(uid)
    if master is not None:
        of_master = master.partition(b"\0")[0].decode("utf-8", "backslashreplace")
        port = details.of_port(of_master, link.info.get(decode.IFLA_INFO_SLAVE_DATA, b""), names)
    other, elsewhere = _other(link, names, now)
    up = link.flags & 1
    carrier = link.integer(decode.IFLA_CARRIER)
    return LinkRow(
        ifindex=link.number,
        ifname=link.name,
        altnames=decode.altnames(link),
        alias=link.text(decode.IFLA_IFALIAS),
        kind=kind,
        operstate=link.operstate,
        flags=decode.bits(link.flags, decode.FLAGS),
        carrier=bool(carrier) if up and carrier is not None else None,
        speed_mbit_per_s=speed,
        duplex=duplex,
        mtu=link.integer(decode.IFLA_MTU),
        address=interfaces.hardware(link.values.get(decode.IFLA_ADDRESS)),
        link=other,
        link_netns=elsewhere,
        master=link.other(decode.IFLA_MASTER, names),
        details=found,
        port=port,
        ports={},
        xdp=decode.xdp(link),
        qdisc=link.text(decode.IFLA_QDISC),
        txqlen=link.integer(decode.IFLA_TXQLEN),
        num_tx_queues=link.integer(decode.IFLA_NUM_TX_QUEUES),
        num_rx_queues=link.integer(decode.IFLA_NUM_RX_QUEUES),
        driver=None,
        firmware=None,
        bus=None,
        carrier_up_count=link.integer(decode.IFLA_CARRIER_UP_COUNT),
        carrier_down_count=link.integer(decode.IFLA_CARRIER_DOWN_COUNT),
        carrier_losses=None,
        rx_bytes_per_s=None,
        tx_bytes_per_s=None,
        rx_packets_per_s=None,
        tx_packets_per_s=None,
        errors_per_s=None,
        drops_per_s=None,
        stats=decode.stats(link.values.get(decode.IFLA_STATS64)),
        grew=None,
    )


def _gather(rows: Sequence[LinkRow]) -> None:
    """Each master's ports, whether they are shown themselves or not."""
    masters = {row.ifname: row for row in rows}
    for row in rows:
        master = masters.get(row.master) if row.master is not None else None
        if master is not None:
            states = [str(row.port[name]) for name in ("state", "mii_status") if name in row.port]
            master.ports[row.ifname] = ("/".join(states) or row.operstate) if row.up else "down"


def _other(link: Raw, names: dict[int, str], now: Sample) -> tuple[str | None, Netns | None]:
    other, nsid = link.other(decode.IFLA_LINK, names), link.netnsid
    if other is None or nsid is None:
        return other, None
    index = link.integer(decode.IFLA_LINK) or 0
    return now.names.get((nsid, index), other), now.namespaces.get(nsid, Netns(nsid))


def _compare(row: LinkRow, previous: Raw, window: float) -> None:
    """Rates; a counter that went backwards (the driver was loaded anew) gives none at all."""
    lost, losses = row.carrier_down_count, previous.integer(decode.IFLA_CARRIER_DOWN_COUNT)
    if lost is not None and losses is not None and lost >= losses:
        row.carrier_losses = lost - losses
    before = decode.stats(previous.values.get(decode.IFLA_STATS64))
    if row.stats is None or before is None:
        return
    grown = {name: getattr(row.stats, name) - getattr(before, name) for name in _COUNTERS}
    if any(value < 0 for value in grown.values()):
        return

    def rate(*counters: str) -> float:
        return float(sum(grown[name] for name in counters) / window)

    row.grew = {name: value for name, value in grown.items() if value}
    row.rx_bytes_per_s, row.tx_bytes_per_s = rate("rx_bytes"), rate("tx_bytes")
    row.rx_packets_per_s, row.tx_packets_per_s = rate("rx_packets"), rate("tx_packets")
    row.errors_per_s = rate("rx_errors", "tx_errors")
    row.drops_per_s = rate("rx_dropped", "rx_missed_errors", "tx_dropped")


def _drive(row: LinkRow, driver: Driver | None, before: Sample | None, driver_stats: bool) -> None:
    if driver is None:
        if driver_stats:
            row.driver_stats = row.driver_stats_grew = None
        return
    row.driver, row.firmware, row.bus = map(_said, (driver.driver, driver.firmware, driver.bus))
    earlier = before.drivers.get(row.ifindex) if before is not None else None
    was = _added(earlier.stats) if earlier is not None and earlier.driver == driver.driver else None
    total = _added(driver.stats)
    grew = None if was is None else {name: value - was[name] for name, value in total.items() if name in was}
    if driver_stats:
        row.driver_stats = total
        row.driver_stats_grew = None if grew is None else {name: by for name, by in grew.items() if by > 0}
    if driver.driver == ENA:
        row.allowances = [
            Allowance(name, total[name], _grown(name, grew), meaning)
            for name, meaning in ALLOWANCES.items()
            if name in total
        ]


def _said(text: str | None) -> str | None:
    return None if text in ("", "N/A") else text


def _grown(name: str, grew: Mapping[str, int] | None) -> int | None:
    grown = None if grew is None or name == AVAILABLE else grew.get(name)
    return grown if grown is None or grown >= 0 else None


def _added(stats: Iterable[tuple[str, int]]) -> dict[str, int]:
    """By name; where a driver gives several counters one name (one a queue), their sum."""
    found: dict[str, int] = {}
    for name, value in stats:
        found[name] = found.get(name, 0) + value
    return found
