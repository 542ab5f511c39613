"""Paths as data: what each hop does with the probes that end there. The simulated network of the
unit tests and the TUN simulator of the lab both play them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

TIME_EXCEEDED = {4: (11, 0), 6: (3, 0)}
PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}


@dataclass
class Node:
    """One host. `rtts_ms` are used in turn. It answers only its first `burst` arrivals, none of the
    `lose`d ones (by number, from 0), each `copies` times. `icmp` None: it is silent; `datagram`: its
    service answers. `quote` is how much of the probe it sends back: whole, short (8 bytes) or corrupt.
    `stray`: the simulated network cannot tell what it answers.
    """

    address: str
    rtts_ms: list[float]
    icmp: tuple[int, int] | None
    burst: int | None = None
    lose: list[int] = field(default_factory=list)
    copies: int = 1
    datagram: bool = False
    quote: str = "whole"
    stray: bool = False

    def answers(self, nth: int) -> bool:
        if self.icmp is None and not self.datagram:
            return False
        return nth not in self.lose and (self.burst is None or nth < self.burst)

    def rtt_s(self, nth: int) -> float:
        return self.rtts_ms[nth % len(self.rtts_ms)] / 1000


@dataclass
class Path:
    """`hops[0]` is where TTL 1 ends; several nodes at a hop take turns; farther probes end at `end`."""

    target: str
    hops: list[list[Node]]
    end: Node | None

    @property
    def family(self) -> int:
        return 6 if ":" in self.target else 4

    def nodes(self, ttl: int) -> list[Node]:
        if ttl <= len(self.hops):
            return self.hops[ttl - 1]
        return [] if self.end is None else [self.end]

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Path:
        raw = json.loads(text)
        hops = [[Node(**node) for node in hop] for hop in raw["hops"]]
        return cls(raw["target"], hops, None if raw["end"] is None else Node(**raw["end"]))


def address(ttl: int, family: int = 4, leg: int = 0) -> str:
    return f"10.99.{leg}.{ttl}" if family == 4 else f"fd99::{leg + 1:x}:{ttl:x}"


def router(ttl: int, *rtts_ms: float, family: int = 4, leg: int = 0, **more: object) -> Node:
    return Node(address(ttl, family, leg), list(rtts_ms), TIME_EXCEEDED[family], **more)  # type: ignore[arg-type]


def straight(
    length: int,
    step_ms: float = 10.0,
    *,
    family: int = 4,
    silent: tuple[int, ...] = (),
    target_silent: bool = False,
) -> Path:
    """`length` hops, the last of which is the target, each `step_ms` farther than the one before."""
    hops = [[] if ttl in silent else [router(ttl, ttl * step_ms, family=family)] for ttl in range(1, length)]
    target = "10.99.255.1" if family == 4 else "fd99::ffff"
    end = None if target_silent else Node(target, [length * step_ms], PORT_UNREACHABLE[family])
    return Path(target, hops, end)
