"""A path in a TUN device: a process in a network namespace of its own plays a `Path` with real packets.

    with TunLab(straight(12)) as lab:
        sretool("net", "trace", "--json", lab.path.target, netns=lab.netns)

The kernel routes the target into the device; what comes out of it is answered here, each reply at
its exact moment. Nothing leaves the namespace.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import os
import pickle
import select
import struct
import subprocess
import sys
import time
from collections import deque

import lab_packets
from lab_packets import Seen
from path_walk import Answer, Walk
from paths import Path

OURS = {4: "10.99.0.254", 6: "fd99:0:0:ff::fe"}
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_names = itertools.count()


class TunLab:
    """Builds the namespace, runs the simulator until the end of the block, removes both."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.netns = f"sretool-tun-{os.getpid()}-{next(_names)}"

    def __enter__(self) -> TunLab:
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        try:
            self._simulator = subprocess.Popen(
                ["ip", "netns", "exec", self.netns, sys.executable, os.path.abspath(__file__)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self.play(self.path)
        except BaseException:
            self.__exit__()
            raise
        return self

    def play(self, path: Path) -> None:
        """From now on the path is this one, and all that was on its way is gone, and learnt of it."""
        if any(node.mtu is not None for node in self.path.every_node()):
            for family in ("-4", "-6"):
                subprocess.run(["ip", "-n", self.netns, family, "route", "flush", "cache"], check=True)
        self.path = path
        assert self._simulator.stdin is not None
        self._simulator.stdin.write(pickle.dumps(path).hex().encode() + b"\n")
        self._simulator.stdin.flush()
        assert self._simulator.stdout is not None
        assert self._simulator.stdout.readline() == b"ready\n"

    def __exit__(self, *exc: object) -> None:
        if (simulator := getattr(self, "_simulator", None)) is not None:
            simulator.kill()
            simulator.wait()
            simulator.stdin.close()
            simulator.stdout.close()
        subprocess.run(["ip", "netns", "del", self.netns], check=False)


def open_tun() -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"sim0", IFF_TUN | IFF_NO_PI))
    return device


def set_up() -> None:
    lines = ["link set lo up", "link set sim0 up"]
    for family, prefix, nodad in ((4, 32, ""), (6, 128, " nodad")):
        lines.append(f"-{family} addr add {OURS[family]}/{prefix} dev sim0{nodad}")
        lines.append(f"-{family} route add default dev sim0")
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True)
    # echo requests from datagram sockets, for everybody (icmp(7)); a new namespace lets nobody
    with open("/proc/sys/net/ipv4/ping_group_range", "w") as groups:
        groups.write("0 2147483647")


class Player:
    """Reads probes from the device and answers them, each at its moment."""

    def __init__(self, device: int) -> None:
        self.device = device
        self._orders = b""
        self._order = itertools.count()
        self._link_mtu = 1500

    def play(self) -> None:
        """Until standard input, where paths come from, is closed."""
        while self._load():
            self._play()

    def _load(self) -> bool:
        """The next path; it is played from the moment that `ready` says so."""
        while b"\n" not in self._orders:
            data = os.read(0, 1 << 20)
            if not data:
                return False
            self._orders += data
        line, _, self._orders = self._orders.partition(b"\n")
        self.path: Path = pickle.loads(bytes.fromhex(line.decode()))
        if self.path.link_mtu != self._link_mtu:
            self._link_mtu = self.path.link_mtu
            subprocess.run(["ip", "link", "set", "sim0", "mtu", str(self._link_mtu)], check=True)
        for node in self.path.every_node():
            lab_packets.extensions(node)  # built now: scapy takes a third of a second to load
        with contextlib.suppress(BlockingIOError):
            while os.read(self.device, 65536):  # what a tracer of the path before still sent
                pass
        self._walk = Walk(self.path)
        self._due: list[tuple[float, int, Seen, Answer]] = []
        self._waiting: deque[tuple[float, Seen]] = deque()
        os.write(1, b"ready\n")
        return True

    def _play(self) -> None:
        """Until there is another path to load. What has to leave leaves first, then what came is
        stamped with its time, and only then is one packet's answer thought about.
        """
        while True:
            self._write()
            self._read()
            if self._waiting:
                self._answer(*self._waiting.popleft())
                continue
            # select(2) counts microseconds, epoll would round up to milliseconds
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            if 0 in select.select([self.device, 0], [], [], wait)[0]:
                return

    def _write(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, seen, answer = heapq.heappop(self._due)
            with contextlib.suppress(OSError):
                os.write(self.device, lab_packets.answer_to(seen, answer))

    def _read(self) -> None:
        while True:
            try:
                packet = os.read(self.device, 65536)
            except BlockingIOError:
                return
            now = time.monotonic()
            if packet[0] >> 4 == self.path.family and (seen := lab_packets.probe(packet)) is not None:
                self._waiting.append((now, seen))

    def _answer(self, at: float, seen: Seen) -> None:
        for answer in self._walk.answers(seen.packet, at):
            heapq.heappush(self._due, (at + answer.after_s, next(self._order), seen, answer))


def main() -> None:
    device = open_tun()
    set_up()
    with contextlib.suppress(OSError):  # or it answers late whenever the machine is busy
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    Player(device).play()


if __name__ == "__main__":
    main()
