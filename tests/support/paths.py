"""Paths as data: what each hop does with the probes that pass it or end there. The simulated network
of the unit tests and the TUN simulator of the lab both play them (`path_walk.py` is what happens to one
packet); `path_files.py` reads them from TOML.
"""

from __future__ import annotations

import os
import pathlib
from dataclasses import dataclass, field
from typing import Any, Union

TIME_EXCEEDED = {4: (11, 0), 6: (3, 0)}
PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}
PACKET_TOO_BIG = {4: (3, 4), 6: (2, 0)}


@dataclass
class Service:
    """What a host does with probes that are for itself. `udp`: closed (port unreachable), open (a
    datagram comes back), silent. `icmp`: open (echo reply), silent. `tcp`: closed (RST), open (SYN-ACK),
    silent. Each may be an ICMP error, type and code, instead. `most_bytes`: packets that are bigger
    get no answer.
    """

    udp: str | tuple[int, int] = "closed"
    icmp: str | tuple[int, int] = "open"
    tcp: str | tuple[int, int] = "open"
    most_bytes: int | None = None


@dataclass
class Node:
    """One router, or the target.

    What ends at it: `icmp` is what it answers, None: it is silent; `datagram`: its service answers
    (of a target that is all there is to say, unless it has a `service`). It answers after `rtts_ms`,
    used in turn, and up to `jitter_ms` more; only `burst` ICMP errors at once, and `per_s` more a second;
    none of the `lose`d ones (by number, from 0), and a share `answer_loss` less; each `copies` times.
    `quote` is how much of the probe it sends back: whole, short (8 bytes), corrupt (as short, and the
    rest wrong), foreign (of a packet nobody sent), or a number of bytes after the IP header. `labels` are
    (label, traffic class, bottom, TTL); `interfaces` have role, index, address, name, mtu; `old_style`:
    these extensions stand where they stood before RFC 4884. Its answers arrive with `reply_ttl`, if not
    with 64 less the hops between. `stray`: the simulated network cannot tell what it answers.

    What passes it: a share `drop` is lost on the link to it, whether it ends here or farther on; `refuse`
    is an ICMP error for everything it does not pass on; `blackhole`: nothing gets farther. `nat` names
    what of a packet it rewrites so that later quotes show it: source, port, checksum. Packets of more
    than `mtu` bytes do not get farther; `ptb` is the MTU it then advertises: its own when True,
    another one, or none when False.
    """

    address: str
    rtts_ms: list[float]
    icmp: tuple[int, int] | None
    burst: int | None = None
    lose: list[int] = field(default_factory=list)
    copies: int = 1
    datagram: bool = False
    quote: str | int = "whole"
    stray: bool = False
    service: Service | None = None
    jitter_ms: float = 0.0
    per_s: float = 0.0
    answer_loss: float = 0.0
    labels: list[tuple[int, int, bool, int]] = field(default_factory=list)
    interfaces: list[dict[str, Any]] = field(default_factory=list)
    old_style: bool = False
    reply_ttl: int | None = None
    drop: float = 0.0
    refuse: tuple[int, int] | None = None
    blackhole: bool = False
    nat: list[str] = field(default_factory=list)
    mtu: int | None = None
    ptb: bool | int = True

    def serves(self) -> Service:
        """What it does as a target."""
        if self.service is not None:
            return self.service
        if self.datagram:
            return Service(udp="open")
        if self.icmp is None:
            return Service("silent", "silent", "silent")
        if self.icmp in PORT_UNREACHABLE.values():
            return Service()
        return Service(self.icmp, self.icmp, self.icmp)


@dataclass
class Split:
    """Where the path divides into legs, each a path of its own, and joins again behind them. `by`
    flow (a hash of addresses, ports and protocol, or of an echo request's checksum and identifier),
    packet (at random), destination, or turns (each new flow takes the next leg).
    """

    legs: list[list[Element]]
    by: str = "flow"
    weights: list[int] = field(default_factory=list)


Element = Union[list[Node], Split]
"""One hop: its node, nodes that take turns, or nobody; or legs of any length."""


@dataclass
class Change:
    """From the packet number `after_packets` (from 0) on, or so many seconds after the first packet,
    the path is another.
    """

    hops: list[Element]
    after_packets: int | None = None
    after_s: float | None = None


@dataclass
class Flood:
    """ICMP errors about packets nobody sent, from the first probe on. `of` says of whose packets:
    another `port` of ours to the same target, or another `host`.
    """

    per_s: float
    seconds: float
    address: str
    icmp: tuple[int, int]
    of: str = "port"


@dataclass
class Path:
    """`hops[0]` is where TTL 1 ends; farther probes go round in `loop` if there is one, else end at
    `end`. `link_mtu` is that of our own interface.
    """

    target: str
    hops: list[Element]
    end: Node | None
    loop: list[Node] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    flood: Flood | None = None
    link_mtu: int = 1500
    seed: int = 1

    @property
    def family(self) -> int:
        return 6 if ":" in self.target else 4

    @classmethod
    def load_toml(cls, file: os.PathLike[str] | str, family: int = 4) -> Path:
        """The path of a scenario's file, for one family."""
        import path_files

        return path_files.load(pathlib.Path(file), family)

    def nodes(self, ttl: int) -> list[Node]:
        """Who may answer there, of a path without legs."""
        if ttl <= len(self.hops):
            hop = self.hops[ttl - 1]
            assert isinstance(hop, list)
            return hop
        return [] if self.end is None else [self.end]

    def every_node(self) -> list[Node]:
        """All of them, in no order that matters."""
        found = [*self.loop, *([] if self.end is None else [self.end])]
        elements = [*self.hops, *(element for change in self.changes for element in change.hops)]
        while elements:
            element = elements.pop()
            if isinstance(element, Split):
                elements += [inner for leg in element.legs for inner in leg]
            else:
                found += element
        return found


def address(ttl: int, family: int = 4, leg: int = 0) -> str:
    return f"10.99.{leg}.{ttl}" if family == 4 else f"fd99::{leg + 1:x}:{ttl:x}"


def target(family: int = 4) -> str:
    return "10.99.255.1" if family == 4 else "fd99::ffff"


def router(ttl: int, *rtts_ms: float, family: int = 4, leg: int = 0, **more: Any) -> Node:
    return Node(address(ttl, family, leg), list(rtts_ms), TIME_EXCEEDED[family], **more)


def straight(
    length: int,
    step_ms: float = 10.0,
    *,
    family: int = 4,
    silent: tuple[int, ...] = (),
    target_silent: bool = False,
) -> Path:
    """`length` hops, the last of which is the target, each `step_ms` farther than the one before."""
    hops: list[Element] = [
        [] if ttl in silent else [router(ttl, ttl * step_ms, family=family)] for ttl in range(1, length)
    ]
    end = None if target_silent else Node(target(family), [length * step_ms], PORT_UNREACHABLE[family])
    return Path(target(family), hops, end)
