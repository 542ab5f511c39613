"""What is known of each hop so far: counts and round-trip times, of one burst or of a day's watch."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from sretool.probe.network import Reply
from sretool.probe.stats import Samples

NEWEST = 100  # so many round-trip times of a host are kept one by one


class Who(NamedTuple):
    """Who answered what: hosts of a hop are told apart by it. `said` is the answer in words."""

    address: str | None
    said: str


@dataclass
class HostTally:
    """One host at one hop. `rtts` are (probe id, milliseconds), `last` is its newest answer."""

    last: Reply
    samples: Samples = field(default_factory=Samples)
    rtts: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=NEWEST))


@dataclass
class HopTally:
    """All probes of one TTL; `answered` are those with an answer, `duplicates` answers beyond it."""

    sent: int = 0
    answered: int = 0
    duplicates: int = 0
    samples: Samples = field(default_factory=Samples)
    hosts: dict[Who, HostTally] = field(default_factory=dict)

    def add(self, probe: int, who: Who, reply: Reply, rtt_s: float) -> None:
        """The first answer to a probe."""
        self.answered += 1
        self.samples.add(rtt_s * 1000)
        host = self.hosts.get(who)
        if host is None:
            host = self.hosts[who] = HostTally(reply)
        host.last = reply
        host.samples.add(rtt_s * 1000)
        host.rtts.append((probe, rtt_s * 1000))
