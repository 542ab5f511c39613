"""How an engine sees a network: it sends probes, it receives replies, it asks the time.

An engine knows nothing of sockets. The live networks are opened by `live.py`; in the tests a
simulated one with a virtual clock stands in, so that every rule about waiting runs without waiting.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Protocol

from msgspec import Meta, Struct

from sretool.errors import SretoolError

Kind = Literal["icmp", "datagram", "syn-ack", "rst"]
"""What a reply is: any ICMP message (echo replies too), a UDP datagram of the target's service, or
the target's TCP stack saying that the port is open or closed.
"""


class Probe(NamedTuple):
    """One packet to send. `id` is the engine's own number for it, never reused in one run.

    Probes of one `flow` look alike to a load balancer where the network's flow is fixed (same
    addresses, ports and, of ICMP, checksum); else every probe is its own flow, whatever it says.
    `target` is what `add` of the live network returned; `size_bytes` is the whole IP packet, 0 for
    the network's usual size.
    """

    id: int
    ttl: int
    flow: int = 0
    target: int = 0
    size_bytes: int = 0


class Label(Struct, frozen=True):
    """One entry of an MPLS label stack (RFC 4950, RFC 3032 2.1)."""

    label: Annotated[int, Meta(description="label value, 20 bits")]
    traffic_class: Annotated[int, Meta(description="traffic class (RFC 5462), once EXP")]
    bottom: Annotated[bool, Meta(description="bottom of the stack")]
    ttl: Annotated[int, Meta(description="TTL in the label")]


class Interface(Struct, frozen=True):
    """What a router says of one of its interfaces (RFC 5837); null is what it left out."""

    role: Annotated[
        Literal["incoming", "sub-ip", "outgoing", "next-hop"],
        Meta(description="of the packet that was not passed on"),
    ]
    index: Annotated[int | None, Meta(description="ifIndex, or null")]
    address: Annotated[str | None, Meta(description="its address, or null")]
    name: Annotated[str | None, Meta(description="its name, or null")]
    mtu_bytes: Annotated[int | None, Meta(description="its MTU, or null")]


class Reply(NamedTuple):
    """Something that came back.

    `probe` is the id of the probe it answers, None when the network could not tell: such a reply
    is reported, never assigned; `target` then says to whom the quoted packet went, where that much
    is known. `address` is None when the kernel did not say who answered.

    `ttl` is what the reply arrived with, `mtu` the next-hop MTU a router advertises, `rewritten`
    whether the quoted probe differs from the one that was sent in what only a NAT changes (None:
    this network cannot see it), `tos` the quoted traffic class where it is seen.
    """

    at: float
    probe: int | None
    address: str | None
    kind: Kind
    icmp_type: int | None = None
    icmp_code: int | None = None
    ttl: int | None = None
    mtu: int | None = None
    labels: tuple[Label, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    rewritten: bool | None = None
    tos: int | None = None
    target: int | None = None


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
