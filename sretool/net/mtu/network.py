"""What the engine needs of a network: probes of exact sizes that no router may fragment."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from sretool.probe.network import Reply

Transport = Literal["udp", "icmp"]


class Sized(NamedTuple):
    """One packet to send; `size_bytes` is all of it, IP header included. `icmp` is an echo request."""

    id: int
    ttl: int
    size_bytes: int
    transport: Transport


class Network(Protocol):
    """Where probes go. All times are seconds on the clock of `now`."""

    def now(self) -> float:
        """The time; it never goes back."""

    def send(self, probe: Sized) -> float:
        """Send a probe with DF, whatever path MTU the kernel has learnt; the time it left.

        Raises:
            SendFailed: nothing was sent; EMSGSIZE: it is larger than our own link's MTU.
        """

    def receive(self, until: float) -> list[Reply]:
        """The replies that are there; when there are none, wait for the first. Empty when it is
        `until` and none came. With `until` in the past it never waits.
        """
