"""Linux routers that balance by flow, in network namespaces: us - split - LEG… - join - target.

`split` has one route to the target with a next hop for each leg (net.ipv4.fib_multipath_hash_policy=1:
addresses, ports and protocol); answers come back over the first leg alone. Links are 10.97.n.0/24 and
fd97:0:0:n::/64, the nearer side .1 and the farther one .2. Torn down at the end of the `with` block.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

_labs = itertools.count()
IN, OUT, LEG, JOIN = 1, 2, 10, 100  # numbers of links: to split, to the target, to and from each leg


def _batch(namespace: str, lines: list[str], *options: str) -> None:
    done = subprocess.run(
        ["ip", *options, "-n", namespace, "-batch", "-"],
        input="\n".join(lines) + "\n",
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class EcmpLab:
    """`hop` n of a leg: 1 is split, 2 the leg's router, 3 join, 4 the target."""

    def __init__(self, legs: int, *, rate_limits: bool = False, by_packet: bool = False) -> None:
        mark = f"sretool-e{os.getpid()}-{next(_labs)}"
        self.us, self.split, self.join, self.target_ns = (
            f"{mark}-{name}" for name in ("us", "split", "join", "target")
        )
        self.legs = [f"{mark}-leg{number}" for number in range(legs)]
        self.rate_limits = rate_limits
        self.by_packet = by_packet

    @property
    def _all(self) -> list[str]:
        return [self.us, self.split, *self.legs, self.join, self.target_ns]

    def near(self, link: int, family: int) -> str:
        return f"10.97.{link}.1" if family == 4 else f"fd97:0:0:{link:x}::1"

    def far(self, link: int, family: int) -> str:
        return f"10.97.{link}.2" if family == 4 else f"fd97:0:0:{link:x}::2"

    def target(self, family: int) -> str:
        return self.far(OUT, family)

    def source(self, family: int) -> str:
        return self.near(IN, family)

    def leg(self, number: int, family: int) -> str:
        """The address that the leg's router answers from: it received the probe there."""
        return self.far(LEG + number, family)

    def run(self, namespace: str, *argv: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", namespace, *argv], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def python(self, namespace: str, script: str, *args: str) -> Iterator[subprocess.Popen[str]]:
        """A process that runs `script`, once it has printed `ready`."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-c", script, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def counters(self, namespace: str) -> dict[str, int]:
        """What /proc/net/netstat counts there."""
        lines = self.run(namespace, "cat", "/proc/net/netstat").splitlines()
        pairs = zip(lines[::2], lines[1::2])
        return {
            name: int(value)
            for names, values in pairs
            for name, value in zip(names.split()[1:], values.split()[1:])
        }

    def route_get(self, family: int, protocol: str, sport: int, dport: int) -> str:
        """The kernel's own choice of a leg for one flow, at split, as that leg's address."""
        shown: list[dict[str, Any]] = json.loads(
            self.run(
                self.split, "ip", "-j", f"-{family}", "route", "get", self.target(family),
                "from", self.source(family), "iif", f"l{IN}", "ipproto", protocol,
                "sport", str(sport), "dport", str(dport),
            )
        )  # fmt: skip
        return str(shown[0]["gateway"])

    def __enter__(self) -> EcmpLab:
        try:
            limit = 1000 if self.rate_limits else 0
            for namespace in self._all:
                subprocess.run(["ip", "netns", "add", namespace], check=True)
                self.run(
                    namespace, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
                    "net.ipv6.conf.default.accept_dad=0", "net.ipv4.fib_multipath_hash_policy=1",
                    "net.ipv6.fib_multipath_hash_policy=1", "net.ipv4.conf.all.rp_filter=0",
                    "net.ipv4.conf.default.rp_filter=0", f"net.ipv4.icmp_ratelimit={limit}",
                    f"net.ipv6.icmp.ratelimit={limit}", "net.ipv4.icmp_msgs_per_sec=100000",
                    "net.ipv4.icmp_msgs_burst=10000",
                )  # fmt: skip
            self._link(IN, self.us, self.split)
            self._link(OUT, self.join, self.target_ns)
            for number, leg in enumerate(self.legs):
                self._link(LEG + number, self.split, leg)
                self._link(JOIN + number, leg, self.join)
            for family in (4, 6):
                self._routes(family)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _link(self, link: int, near: str, far: str) -> None:
        mac = {side: f"02:00:00:00:{link:02x}:0{side}" for side in (1, 2)}
        subprocess.run(
            ["ip", "link", "add", f"l{link}", "address", mac[1], "netns", near, "type", "veth",
             "peer", "name", f"l{link}", "address", mac[2], "netns", far],
            check=True,
        )  # fmt: skip
        for namespace, side in ((near, 1), (far, 2)):
            lines = [
                f"addr add 10.97.{link}.{side}/24 dev l{link}",
                f"addr add fd97:0:0:{link:x}::{side}/64 dev l{link} nodad",
                "link set lo up",
                f"link set l{link} up",
                # known neighbours: a solicitation on a link that has just come up may be lost
                *(
                    f"neigh replace {peer} lladdr {mac[3 - side]} dev l{link} nud permanent"
                    for peer in (f"10.97.{link}.{3 - side}", f"fd97:0:0:{link:x}::{3 - side}")
                ),
            ]
            _batch(namespace, lines)

    def _routes(self, family: int) -> None:
        everything = "10.97.0.0/16" if family == 4 else "fd97::/16"
        bits = 32 if family == 4 else 128
        option = f"-{family}"
        _batch(self.us, [f"route add {everything} via {self.far(IN, family)}"], option)
        _batch(self.target_ns, [f"route add {everything} via {self.near(OUT, family)}"], option)
        hops = " ".join(f"nexthop via {self.leg(number, family)}" for number in range(len(self.legs)))
        _batch(self.split, [f"route add {self.target(family)}/{bits} {hops}"], option)
        _batch(self.join, [f"route add {everything} via {self.near(JOIN, family)}"], option)
        for number, leg in enumerate(self.legs):
            lines = [
                f"route add {self.target(family)}/{bits} via {self.far(JOIN + number, family)}",
                f"route add {everything} via {self.near(LEG + number, family)}",
            ]
            _batch(leg, lines, option)

    def __exit__(self, *exc: object) -> None:
        for namespace in self._all:
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
