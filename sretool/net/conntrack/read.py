"""The table of tracked connections: how full, of what, and what the kernel counted."""

from __future__ import annotations

import ipaddress
import socket
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import NamedTuple, Optional, TypeVar, Union

from sretool.errors import Denied, Missing, ParseError, SourceError, SretoolError
from sretool.host import netlink
from sretool.host.decimal import integer
from sretool.host.source import Clock, Source
from sretool.net.conntrack import decode
from sretool.net.conntrack.decode import Entry
from sretool.net.conntrack.model import Conntrack, Counts, Cpu, Destination, Peer, State

K = TypeVar("K", bound=Hashable)
Prefix = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
COUNT, MAX, BUCKETS = (f"/proc/sys/net/netfilter/nf_conntrack_{name}" for name in ("count", "max", "buckets"))
STAT = "/proc/net/stat/nf_conntrack"
HINT = "run with sudo: the entries need CAP_NET_ADMIN, the counters do not"
RECORDED_AT_MOST = 100_000
"""A larger table is left out of a recording: 20 MB for these."""


class Ask(NamedTuple):
    """What to read: the entries, if there are no more than `at_most`, of one family or both."""

    entries: bool = True
    family: str | None = None
    at_most: int | None = None


COUNTERS = Ask(entries=False)
EVERYTHING = Ask(at_most=RECORDED_AT_MOST)


class Sample(NamedTuple):
    """One reading; None where it was not asked for or could not be read. `tracking` is False when the
    kernel has no table.
    """

    clock: Clock
    tracking: bool
    used: int | None
    most: int | None
    buckets: int | None
    cpus: list[dict[str, int]] | None
    frames: list[bytes] | None
    errors: list[SretoolError]


class Wanted(NamedTuple):
    """Which entries to count; None: any. Addresses and ports are those of the first packet."""

    family: str | None = None
    source: Prefix | None = None
    destination: Prefix | None = None
    port: int | None = None
    protocols: frozenset[str] | None = None
    states: frozenset[str] | None = None

    def keeps(self, entry: Entry) -> bool:
        """Whether it is one of them."""
        return (
            (self.family is None or (len(entry.source) == 16) == (self.family == "inet6"))
            and (self.port is None or self.port in (entry.source_port, entry.destination_port))
            and _within(entry.source, self.source)
            and _within(entry.destination, self.destination)
            and (self.protocols is None or decode.protocol_name(entry.protocol) in self.protocols)
            and (self.states is None or not self.states.isdisjoint(_states(entry)))
        )


def _states(entry: Entry) -> tuple[str, ...]:
    """Its state, and whether it was answered, which a TCP state does not tell."""
    return (
        decode.state_name(entry.protocol, entry.status, entry.state),
        decode.state_name(0, entry.status, None),
    )


def _within(address: bytes, prefix: Prefix | None) -> bool:
    if prefix is None:
        return True
    if len(address) * 8 != prefix.max_prefixlen:
        return False
    mask = int(prefix.netmask)
    return int.from_bytes(address, "big") & mask == int(prefix.network_address)


def sample(source: Source, ask: Ask = EVERYTHING) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`.

    The table is dumped only where the kernel says that it has one: asking would load the module.
    """
    errors: list[SretoolError] = []
    clock = source.clock()
    count, tracking = None, True
    try:
        count = _number(source, COUNT)
    except Missing:
        tracking = False
    except (SourceError, ParseError) as error:
        errors.append(error)
    if not tracking:
        return Sample(clock, False, None, None, None, None, None, errors)
    numbers: list[int | None] = []
    for path in (MAX, BUCKETS):
        try:
            numbers.append(_number(source, path))
        except (SourceError, ParseError) as error:
            errors.append(error)
            numbers.append(None)
    cpus = frames = None
    try:
        cpus = stat(source)
    except Missing:  # a kernel without CONFIG_NF_CONNTRACK_PROCFS
        pass
    except (SourceError, ParseError) as error:
        errors.append(error)
    if ask.entries and not (ask.at_most is not None and count is not None and count > ask.at_most):
        request = decode.request(ask.family)
        try:
            frames = netlink.noted(source.netlink(request), request.key, errors)
        except SourceError as error:
            if isinstance(error, Denied):
                error.hint = HINT
            errors.append(error)
    return Sample(clock, True, count, numbers[0], numbers[1], cpus, frames, errors)


def _number(source: Source, path: str) -> int:
    try:
        return integer(source.read(path))
    except ValueError:
        raise ParseError(path, "not a number") from None


def stat(source: Source, path: str = STAT) -> list[dict[str, int]]:
    """One line a CPU, hexadecimal, under the names of its first line (net/netfilter/
    nf_conntrack_standalone.c ct_cpu_seq_show).

    Raises:
        SourceError: it cannot be read.
        ParseError: names and values do not pair.
    """
    lines = source.read(path).decode("ascii", "replace").splitlines()
    names = lines[0].split() if lines else []
    cpus = []
    for number, line in enumerate(lines[1:], 2):
        values = line.split()
        if len(values) != len(names) or any(len(value) > 16 for value in values):
            raise ParseError(f"{path} line {number}", "names and values do not pair")
        try:
            cpus.append({name: int(value, 16) for name, value in zip(names, values)})
        except ValueError:
            raise ParseError(f"{path} line {number}", "a value is not a number") from None
    return cpus


def build(now: Sample, before: Sample | None = None, wanted: Wanted = Wanted()) -> Conntrack:
    """How full the table is, and its entries that are `wanted`, counted. Damaged frames cost the entries and
    are noted in `now.errors`.
    """
    window = now.clock.mono - before.clock.mono if before is not None else None
    if window is not None and window <= 0:  # another boot: no rates
        before = window = None
    tally = None
    if now.frames is not None:
        try:
            tally = _tally(now.frames, wanted)
        except ParseError as error:
            now.errors.append(error)
    grown = _grown(now.cpus, before.cpus if before is not None else None)
    matched = tally.states.total() if tally is not None else None
    share = 1 / matched if matched else 0.0
    found = tally or _Tally()
    return Conntrack(
        tracking=now.tracking,
        count=now.used,
        max=now.most,
        fill_ratio=now.used / now.most if now.used is not None and now.most else None,
        buckets=now.buckets,
        window_s=window,
        total_counts=_sum(now.cpus),
        counts=_sum(grown),
        cpus=[Cpu(number, _counts(cpu)) for number, cpu in enumerate(grown or ()) if any(_counted(cpu))],
        matched=matched,
        listed=tally.listed if tally is not None else None,
        states=[
            State(decode.protocol_name(protocol), state, entries, entries * share)
            for (protocol, state), entries in _most(found.states)
        ],
        sources=[
            Peer(_text(source), entries, entries * share, found.unreplied_sources[source])
            for source, entries in _most(found.sources)
        ],
        total=len(found.sources),
        destinations=[
            Destination(
                decode.protocol_name(key[0]),
                _text(key[1]),
                key[2],
                entries,
                entries * share,
                found.unreplied_destinations[key],
            )
            for key, entries in _most(found.destinations)
        ],
        destinations_total=len(found.destinations),
        snat=tally.snat if tally is not None else None,
        dnat=tally.dnat if tally is not None else None,
        offloaded=tally.offloaded if tally is not None else None,
    )


Key = tuple[int, bytes, Optional[int]]


class _Tally:
    """Entries by what they have in common."""

    def __init__(self) -> None:
        self.listed = self.snat = self.dnat = self.offloaded = 0
        self.states: Counter[tuple[int, str]] = Counter()
        self.sources: Counter[bytes] = Counter()
        self.destinations: Counter[Key] = Counter()
        self.unreplied_sources: Counter[bytes] = Counter()
        self.unreplied_destinations: Counter[Key] = Counter()


def _tally(frames: list[bytes], wanted: Wanted) -> _Tally:
    tally = _Tally()
    every = wanted == Wanted()
    flows: Counter[tuple[int, int, int | None]] = Counter()
    sources, destinations = tally.sources, tally.destinations
    for entry in decode.entries(frames):
        tally.listed += 1
        if not every and not wanted.keeps(entry):
            continue
        protocol, source, destination, _, port, status, state = entry
        flows[protocol, status, state] += 1
        key = protocol, destination, port
        sources[source] += 1
        destinations[key] += 1
        if not status & decode.SEEN_REPLY:
            tally.unreplied_sources[source] += 1
            tally.unreplied_destinations[key] += 1
    for (protocol, status, state), number in flows.items():
        tally.states[protocol, decode.state_name(protocol, status, state)] += number
        tally.snat += number * bool(status & decode.SRC_NAT)
        tally.dnat += number * bool(status & decode.DST_NAT)
        tally.offloaded += number * bool(status & (decode.OFFLOAD | decode.HW_OFFLOAD))
    return tally


def _most(counter: Counter[K]) -> list[tuple[K, int]]:
    """Most first; those of equal number in an order of their own, not the dump's."""
    return sorted(counter.items(), key=lambda item: (-item[1], str(item[0])))


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def _grown(
    now: list[dict[str, int]] | None, before: list[dict[str, int]] | None
) -> list[dict[str, int]] | None:
    """By CPU how much each counter grew. They are 32 bits wide and begin again at 0 (struct
    ip_conntrack_stat), and nothing sets them back.
    """
    if now is None or before is None or len(now) != len(before):
        return None
    return [
        {name: (value - old[name]) % (1 << 32) for name, value in cpu.items() if name in old}
        for cpu, old in zip(now, before)
    ]


def _sum(cpus: list[dict[str, int]] | None) -> Counts | None:
    if cpus is None:
        return None
    every: Counter[str] = Counter()
    for cpu in cpus:
        every.update(cpu)
    return _counts(every)


def _counts(cpu: Mapping[str, int]) -> Counts:
    return Counts(**{name: cpu.get(name) for name in Counts.__struct_fields__})


def _counted(cpu: dict[str, int]) -> list[int]:
    return [cpu.get(name, 0) for name in Counts.__struct_fields__]
