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
from collections import Counter
from typing import Any

from paths import Node, Path

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
                text=True,
            )
            assert self._simulator.stdin is not None
            self._simulator.stdin.write(pickle.dumps(self.path).hex() + "\n")
            self._simulator.stdin.flush()
            assert self._simulator.stdout is not None
            assert self._simulator.stdout.readline() == "ready\n"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if (simulator := getattr(self, "_simulator", None)) is not None:
            simulator.kill()
            simulator.wait()
            simulator.stdin.close()
            simulator.stdout.close()
        subprocess.run(["ip", "netns", "del", self.netns], check=False)


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(address: str) -> bytes:
    import socket

    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def quoted(packet: bytes, node: Node, header: int) -> bytes:
    """What a router sends back of a probe: RFC 1812 as much as fits, RFC 792 eight bytes."""
    if node.quote == "short":
        return packet[: header + 8]
    if node.quote == "corrupt":
        return packet[: header + 8] + bytes(byte ^ 0xFF for byte in packet[header + 8 :])
    return packet


def reply4(packet: bytes, node: Node) -> bytes:
    source = packet[12:16]
    if node.datagram:
        sport, dport = struct.unpack_from("!HH", packet, 20)
        body = struct.pack("!HHHH", dport, sport, 12, 0) + b"pong"
        protocol = 17
    else:
        assert node.icmp is not None
        body = struct.pack("!BBHI", *node.icmp, 0, 0) + quoted(packet, node, 20)
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        protocol = 1
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 60, protocol, 0, packed(node.address), source
    )
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def reply6(packet: bytes, node: Node) -> bytes:
    source, here = packet[8:24], packed(node.address)
    if node.datagram:
        sport, dport = struct.unpack_from("!HH", packet, 40)
        body, protocol, at = struct.pack("!HHHH", dport, sport, 12, 0) + b"pong", 17, 6
    else:
        assert node.icmp is not None
        body, protocol, at = struct.pack("!BBHI", *node.icmp, 0, 0) + quoted(packet, node, 40), 58, 2
    pseudo = here + source + struct.pack("!IxxxB", len(body), protocol)
    body = body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2 :]
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 60) + here + source + body


def open_tun() -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"sim0", IFF_TUN | IFF_NO_PI))
    return device


def set_up(path: Path) -> None:
    family = f"-{path.family}"
    prefix = "32" if path.family == 4 else "128"
    nodad = [] if path.family == 4 else ["nodad"]
    for command in (
        ["link", "set", "lo", "up"],
        ["link", "set", "sim0", "up"],
        [family, "addr", "add", f"{OURS[path.family]}/{prefix}", "dev", "sim0", *nodad],
        [family, "route", "add", "default", "dev", "sim0"],
    ):
        subprocess.run(["ip", *command], check=True)


def play(device: int, path: Path) -> None:
    """Answer packets for ever."""
    queue: list[tuple[float, int, bytes]] = []
    arrivals: Counter[str] = Counter()
    number = itertools.count()
    flows: dict[bytes, int] = {}
    four = path.family == 4
    while True:
        now = time.monotonic()
        while queue and queue[0][0] <= now:
            with contextlib.suppress(OSError):
                os.write(device, heapq.heappop(queue)[2])
        # select(2) counts microseconds, epoll would round up to milliseconds
        wait = queue[0][0] - time.monotonic() if queue else None
        if wait is not None and wait <= 0:
            continue
        if not select.select([device], [], [], wait)[0]:
            continue
        while True:
            try:
                packet = os.read(device, 65536)
            except BlockingIOError:
                break
            now = time.monotonic()
            if packet[0] >> 4 != path.family or (packet[9] if four else packet[6]) != 17:
                continue
            header = 20 if four else 40
            # per-flow balancing, in turns
            flow = flows.setdefault(packet[header : header + 2], len(flows))
            nodes = path.nodes(packet[8] if four else packet[7])
            if not nodes:
                continue
            node = nodes[flow % len(nodes)]
            nth, arrivals[node.address] = arrivals[node.address], arrivals[node.address] + 1
            if node.answers(nth):
                reply = reply4(packet, node) if four else reply6(packet, node)
                for copy in range(node.copies):
                    heapq.heappush(queue, (now + node.rtt_s(nth) + copy * 1e-4, next(number), reply))


def main() -> Any:
    path: Path = pickle.loads(bytes.fromhex(sys.stdin.readline()))
    device = open_tun()
    set_up(path)
    with contextlib.suppress(OSError):  # or it answers late whenever the machine is busy
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    print("ready", flush=True)
    play(device, path)


if __name__ == "__main__":
    main()
