"""This host's networks: which method serves a protocol here, and the packets' common options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from sretool.errors import Denied
from sretool.probe.network import Network
from sretool.probe.resolve import Address

Transport = Literal["udp", "icmp", "tcp"]
Method = Literal["udp-recverr", "icmp-datagram", "tcp-connect", "udp-raw", "icmp-raw", "tcp-raw"]
Flow = Literal["fixed", "per-probe"]


class Leaving(NamedTuple):
    """How packets leave this host. `source` is one of its addresses, `tos` the whole TOS or traffic
    class byte, `netns` the path of a namespace whose sockets send them.
    """

    port: int = 33434
    source: str | None = None
    interface: str | None = None
    mark: int | None = None
    tos: int = 0
    netns: str | None = None


def namespace_path(given: str | None) -> str | None:
    """The path of a network namespace that was named by `ip netns`, by a process in it, or by its path."""
    if given is None or "/" in given:
        return given
    return f"/proc/{given}/ns/net" if given.isdecimal() else f"/run/netns/{given}"


class LiveNetwork(Network, Protocol):
    """A network of real packets, one method for all its targets (of either family).

    `cannot_see` says in words what this method is blind to ("MPLS labels", …).
    """

    method: Method
    flow: Flow
    cannot_see: Sequence[str]

    def add(self, target: Address) -> int:
        """Get ready to send to a target; its number, for `Probe.target`.

        Raises:
            NoRoute: this host cannot send there.
            UsageError: there is no such interface or source, or the address is no single host's.
            Denied: what was asked needs a right that this process has not.
        """

    def source(self, target: int) -> str:
        """The address that probes to it leave from."""

    def source_port(self, target: int) -> int | None:
        """The source port of flow 0; None where each probe has its own, or the protocol has none."""

    def close(self) -> None:
        """Close every socket."""


def open_network(
    transport: Transport, method: Literal["auto", "raw", "sockets"], leaving: Leaving
) -> LiveNetwork:
    """The network that serves a protocol here. `auto` is raw where CAP_NET_RAW lets us, else sockets.

    Raises:
        Denied: this process may not use that method; the hint says what it may use.
        UsageError: there is no such interface or namespace.
    """
    if method != "sockets":
        from sretool.probe.raw import RawNetwork

        try:
            return RawNetwork(transport, leaving)
        except Denied:
            if method == "raw":
                raise
    if transport == "udp":
        from sretool.probe.udp import UdpNetwork

        return UdpNetwork(leaving)
    if transport == "tcp":
        from sretool.probe.connect import ConnectNetwork

        return ConnectNetwork(leaving)
    from sretool.probe.ping import PingNetwork

    return PingNetwork(leaving)
