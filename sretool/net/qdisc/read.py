"""Queueing disciplines and their classes.

Shapes: include/uapi/linux/rtnetlink.h `struct tcmsg`, gen_stats.h TCA_STATS_*, pkt_sched.h.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Union

from msgspec import UNSET

from sretool.errors import ParseError, SourceError, SretoolError
from sretool.host import interfaces, netlink
from sretool.host.source import Clock, Dump, Source
from sretool.net.qdisc import kinds
from sretool.net.qdisc.model import Qdisc, Qdiscs, TrafficClass

RTM_NEWQDISC, RTM_GETQDISC, RTM_NEWTCLASS, RTM_GETTCLASS = 36, 38, 40, 42
TCMSG = struct.Struct("=BxxxiIII")
TCA_KIND, TCA_OPTIONS, TCA_STATS, TCA_XSTATS, TCA_STATS2, TCA_HW_OFFLOAD = 1, 2, 3, 4, 7, 12
TCA_STATS_BASIC, TCA_STATS_QUEUE, TCA_STATS_APP, TCA_STATS_PKT64 = 1, 3, 4, 8
_BASIC, _QUEUE, _OLD = struct.Struct("=QI"), struct.Struct("=5I"), struct.Struct("=Q7I")
ROOT, INGRESS = 0xFFFFFFFF, 0xFFFFFFF1
CLASSFUL = ("htb", "hfsc", "drr", "qfq", "ets", "cbq")
_RATES = ("bytes", "packets", "drops", "overlimits", "requeues")

QDISCS = Dump(
    "route/qdisc", netlink.NETLINK_ROUTE, RTM_GETQDISC, netlink.NLM_F_DUMP, TCMSG.pack(0, 0, 0, 0, 0)
)
Row = Union[Qdisc, TrafficClass]


def classes_of(ifindex: int) -> Dump:
    """The dump of one interface's classes; the kernel has none of all."""
    payload = TCMSG.pack(0, ifindex, 0, 0, 0)
    key = f"route/tclass/{ifindex}"
    return Dump(key, netlink.NETLINK_ROUTE, RTM_GETTCLASS, netlink.NLM_F_DUMP, payload)


class Ask(NamedTuple):
    """What to read beside the disciplines."""

    classes: bool = True


EVERYTHING = COUNTERS = Ask()


class Sample(NamedTuple):
    """One reading; None where the dump failed, or classes were not asked for."""

    clock: Clock
    qdiscs: list[Qdisc] | None
    classes: list[TrafficClass] | None
    errors: list[SretoolError]


class Wanted(NamedTuple):
    """Which to show; None: any."""

    dev: str | None = None
    kind: str | None = None

    def keeps(self, row: Row) -> bool:
        """Whether it is shown."""
        return self.dev in (None, row.dev) and self.kind in (None, row.kind)


def sample(source: Source, ask: Ask = EVERYTHING) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    qdiscs: list[Qdisc] | None = None
    classes: list[TrafficClass] | None = None
    devices: dict[int, str] = {}
    try:
        devices = interfaces.read(source)
        frames = netlink.noted(source.netlink(QDISCS), QDISCS.key, errors)
        qdiscs = [_qdisc(message, devices) for message in _messages(frames, RTM_NEWQDISC, QDISCS.key)]
    except (SourceError, ParseError) as error:
        errors.append(error)
    if ask.classes:
        classes = []
        for index in dict.fromkeys(row.ifindex for row in qdiscs or () if row.kind in CLASSFUL):
            request = classes_of(index)
            try:
                frames = netlink.noted(source.netlink(request), request.key, errors)
                classes += [
                    _class(message, devices) for message in _messages(frames, RTM_NEWTCLASS, request.key)
                ]
            except (SourceError, ParseError) as error:
                errors.append(error)
    return Sample(clock, qdiscs, classes, errors)


class _Message(NamedTuple):
    ifindex: int
    handle: int
    parent: int
    info: int
    values: dict[int, bytes]
    stats: dict[int, bytes]

    @property
    def kind(self) -> str:
        return netlink.name(self.values.get(TCA_KIND, b""))

    @property
    def own(self) -> bytes:
        """What this kind counts."""
        return self.stats.get(TCA_STATS_APP) or self.values.get(TCA_XSTATS, b"")


def _messages(frames: Iterable[bytes], wanted: int, what: str) -> Iterator[_Message]:
    """Raises ParseError: a message that is cut."""
    for frame in frames:
        for kind, _, payload in netlink.messages(frame, what):
            if kind != wanted:
                continue
            if len(payload) < TCMSG.size:
                raise ParseError(what, f"a traffic control message of {len(payload)} bytes")
            _, index, handle, parent, info = TCMSG.unpack_from(payload)
            values = dict(netlink.attributes(payload, TCMSG.size, what))
            stats = dict(netlink.attributes(values.get(TCA_STATS2, b""), 0, what))
            yield _Message(index, handle, parent, info, values, stats)


def _qdisc(message: _Message, devices: dict[int, str]) -> Qdisc:
    kind, counted = message.kind, _counted(message)
    return Qdisc(
        dev=devices.get(message.ifindex, f"if{message.ifindex}"),
        ifindex=message.ifindex,
        kind=kind,
        handle=handle(message.handle),
        parent=parent(message.parent),
        options=kinds.options(kind, message.values.get(TCA_OPTIONS, b"")),
        offloaded=any(message.values.get(TCA_HW_OFFLOAD, b"")),
        counters=kinds.counters(kind, message.own),
        **counted._asdict(),
    )


def _class(message: _Message, devices: dict[int, str]) -> TrafficClass:
    kind, counted = message.kind, _counted(message)
    return TrafficClass(
        dev=devices.get(message.ifindex, f"if{message.ifindex}"),
        kind=kind,
        classid=handle(message.handle),
        parent=parent(message.parent),
        leaf=handle(message.info) if message.info else None,
        options=kinds.class_options(kind, message.values.get(TCA_OPTIONS, b"")),
        counters=kinds.counters(f"class {kind}", message.own),
        **counted._asdict(),
    )


def handle(number: int) -> str:
    """`8001:`, `1:10`."""
    minor = number & 0xFFFF
    return f"{number >> 16:x}:{minor:x}" if minor else f"{number >> 16:x}:"


def parent(number: int) -> str:
    """root, ingress (of clsact too), or a class."""
    return {ROOT: "root", INGRESS: "ingress"}.get(number) or handle(number)


class _Counted(NamedTuple):
    """None where the kernel gives none."""

    bytes: int | None = None
    packets: int | None = None
    drops: int | None = None
    overlimits: int | None = None
    requeues: int | None = None
    backlog_bytes: int | None = None
    backlog_packets: int | None = None


def _counted(message: _Message) -> _Counted:
    if TCA_STATS2 not in message.values:
        old = message.values.get(TCA_STATS, b"")
        if len(old) < _OLD.size:
            return _Counted()
        size, packets, drops, overlimits, _, _, waiting, backlog = _OLD.unpack_from(old)
        return _Counted(size, packets, drops, overlimits, None, backlog, waiting)
    # a class that keeps no counters has an empty TCA_STATS2, and beside it a TCA_STATS of zeros
    found = _Counted()
    basic, queue = message.stats.get(TCA_STATS_BASIC, b""), message.stats.get(TCA_STATS_QUEUE, b"")
    if len(basic) >= _BASIC.size:
        size, packets = _BASIC.unpack_from(basic)
        wide = message.stats.get(TCA_STATS_PKT64, b"")  # where 32 bits are too few
        packets = int.from_bytes(wide, sys.byteorder) if len(wide) == 8 else packets
        found = found._replace(bytes=size, packets=packets)
    if len(queue) >= _QUEUE.size:
        waiting, backlog, drops, requeues, overlimits = _QUEUE.unpack_from(queue)
        found = found._replace(drops=drops, overlimits=overlimits, requeues=requeues)
        found = found._replace(backlog_bytes=backlog, backlog_packets=waiting)
    return found


def build(now: Sample, before: Sample | None = None, wanted: Wanted = Wanted()) -> Qdiscs:
    """Those that are wanted. Disciplines and classes of the two samples are matched by interface,
    kind, handle and parent.
    """
    window = now.clock.mono - before.clock.mono if before is not None else None
    if window is not None and window <= 0:  # another boot: no rates
        before = window = None
    rows = list(filter(wanted.keeps, now.qdiscs or []))
    classes = None if now.classes is None else list(filter(wanted.keeps, now.classes))
    if before is not None and window:
        _compare(rows, before.qdiscs or [], window)
        _compare(classes or [], before.classes or [], window)
    return Qdiscs(rows, len(rows), window, UNSET if classes is None else classes)


def _key(row: Row) -> tuple[str, str, str, str]:
    return row.dev, row.kind, row.handle if isinstance(row, Qdisc) else row.classid, row.parent


def _compare(rows: Iterable[Row], earlier: Iterable[Row], window: float) -> None:
    """Rates; a counter that went backwards (it was made anew, or 32 bits were full) gives none at all."""
    known = {_key(row): row for row in earlier}
    for row in rows:
        old = known.get(_key(row))
        if old is None:
            continue
        grown = {}
        for name in _RATES:
            was, is_ = getattr(old, name), getattr(row, name)
            grown[name] = None if was is None or is_ is None else is_ - was
        if any(value is not None and value < 0 for value in grown.values()):
            continue
        for name, value in grown.items():
            setattr(row, f"{name}_per_s", None if value is None else value / window)
