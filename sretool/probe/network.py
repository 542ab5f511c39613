"""How an engine sees a network: it sends probes, it receives replies, it asks the time.

An engine knows nothing of sockets. The live networks are in `udp.py` and its kin; in the tests a
simulated one with a virtual clock stands in, so that every rule about waiting runs without waiting.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from sretool.errors import SretoolError

Kind = Literal["icmp", "datagram"]


class Probe(NamedTuple):
    """One packet to send. `id` is the engine's own number for it, never reused in one run."""

    id: int
    ttl: int


class Reply(NamedTuple):
    """Something that came back.

    `probe` is the id of the probe it answers, None when the network could not tell: such a reply
    is reported, never assigned. `address` is None when the kernel did not say who answered.
    """

    at: float
    probe: int | None
    address: str | None
    kind: Kind
    icmp_type: int | None = None
    icmp_code: int | None = None


class SendFailed(SretoolError):
    """The kernel did not take a probe; nothing left this host."""

    code = "send-failed"

    def __init__(self, errno: int, what: str, message: str, hint: str = "") -> None:
        super().__init__(what, message, hint)
        self.errno = errno


class Network(Protocol):
    """Where probes go. All times are seconds on the clock of `now`."""

    def now(self) -> float:
        """The time; it never goes back."""

    def send(self, probe: Probe) -> float:
        """Send a probe; the time it left.

        Raises:
            SendFailed: nothing was sent.
        """

    def receive(self, until: float) -> list[Reply]:
        """The replies that are there; when there are none, wait for the first. Empty when it is
        `until` and none came. With `until` in the past it never waits.
        """
