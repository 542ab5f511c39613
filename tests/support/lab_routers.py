"""A chain of Linux routers in network namespaces: us - r1 - r2 - … - target, IPv4 and IPv6.

Real kernel ICMP, with its real rate limits unless they are switched off. Everything is torn down at
the end of the `with` block.
"""

from __future__ import annotations

import itertools
import os
import subprocess

_labs = itertools.count()


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True, capture_output=True)


def _mac(link: int, side: int) -> str:
    return f"02:00:00:00:{link:02x}:{side:02x}"


class RouterLab:
    """`routers` namespaces that forward between `us` and `target`. Link n joins node n and node n+1
    (node 0 is us, the last is the target) and is 10.98.n.0/24 and fd98:0:0:n+1::/64, .1 on the near
    side and .2 on the far side: hop n is 10.98.n-1.2 and fd98:0:0:n::2.
    """

    def __init__(self, routers: int, *, rate_limits: bool = False) -> None:
        mark = f"sretool-r{os.getpid()}-{next(_labs)}"
        self.nodes = [f"{mark}-{number}" for number in range(routers + 2)]
        self.us, self.target_ns = self.nodes[0], self.nodes[-1]
        self.rate_limits = rate_limits

    def hop(self, ttl: int, family: int) -> str:
        return f"10.98.{ttl - 1}.2" if family == 4 else f"fd98:0:0:{ttl:x}::2"

    def target(self, family: int) -> str:
        return self.hop(len(self.nodes) - 1, family)

    def sysctl(self, node: str, **values: int) -> None:
        pairs = [f"{name.replace('__', '.')}={value}" for name, value in values.items()]
        subprocess.run(
            ["ip", "netns", "exec", node, "sysctl", "-qw", *pairs], check=True, capture_output=True
        )

    def run(self, node: str, *argv: str) -> str:
        return subprocess.run(
            ["ip", "netns", "exec", node, *argv], check=True, capture_output=True, text=True
        ).stdout

    def __enter__(self) -> RouterLab:
        try:
            for node in self.nodes:
                ip("netns", "add", node)
                ip("-n", node, "link", "set", "lo", "up")
                self.sysctl(
                    node,
                    net__ipv4__ip_forward=1,
                    net__ipv6__conf__all__forwarding=1,
                    net__ipv6__conf__default__accept_dad=0,
                    net__ipv4__icmp_ratelimit=1000 if self.rate_limits else 0,
                    net__ipv6__icmp__ratelimit=1000 if self.rate_limits else 0,
                )
            last = len(self.nodes) - 1
            for link in range(last):
                near, far = self.nodes[link], self.nodes[link + 1]
                ip(
                    "link", "add", "right", "address", _mac(link, 1), "netns", near, "type", "veth",
                    "peer", "name", "left", "address", _mac(link, 2), "netns", far,
                )  # fmt: skip
                for node, device, side in ((near, "right", 1), (far, "left", 2)):
                    ip("-n", node, "addr", "add", f"10.98.{link}.{side}/24", "dev", device)
                    ip("-n", node, "addr", "add", f"fd98:0:0:{link + 1:x}::{side}/64", "dev", device, "nodad")
                    ip("-n", node, "link", "set", device, "up")
                    # known neighbours: on a link that has just come up a solicitation may be lost,
                    # and the second one leaves a whole second later
                    for address in (f"10.98.{link}.{3 - side}", f"fd98:0:0:{link + 1:x}::{3 - side}"):
                        neighbour = [address, "lladdr", _mac(link, 3 - side), "dev", device]
                        ip("-n", node, "neigh", "replace", *neighbour, "nud", "permanent")
            for number, node in enumerate(self.nodes):
                for link in range(last):
                    if link in (number - 1, number):
                        continue
                    via = (f"10.98.{number}.2", f"fd98:0:0:{number + 1:x}::2")
                    if link < number:
                        via = (f"10.98.{number - 1}.1", f"fd98:0:0:{number:x}::1")
                    ip("-n", node, "route", "add", f"10.98.{link}.0/24", "via", via[0])
                    ip("-6", "-n", node, "route", "add", f"fd98:0:0:{link + 1:x}::/64", "via", via[1])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for node in self.nodes:
            subprocess.run(["ip", "netns", "del", node], check=False, capture_output=True)
