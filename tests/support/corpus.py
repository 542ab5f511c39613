"""How the frames in tests/sockets/corpus were made: `python tests/support/corpus.py`, as root.

Real answers of a kernel about sockets in a namespace of their own, a few messages each; vsock, which few
kernels list, is made up. Nothing in them is of any real host.
"""

from __future__ import annotations

import struct
from pathlib import Path

import frames
from lab_netns import Namespace

from sretool.host import netlink
from sretool.sockets.read import diag, others
from sretool.sockets.states import ALL_STATES

CORPUS = Path(__file__).resolve().parents[1] / "sockets" / "corpus"
MESSAGES = 4

SOCKETS = """
import socket, sys
keep = []
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    for kind, protocol in ((socket.SOCK_STREAM, 6), (socket.SOCK_DGRAM, 17), (socket.SOCK_DGRAM, 136)):
        s = socket.socket(family, kind, protocol); s.bind((address, 7000)); keep.append(s)
        if kind == socket.SOCK_STREAM: s.listen(3)
        c = socket.socket(family, kind, protocol); c.connect((address, 7000)); c.send(b"x"); keep.append(c)
for path in ("/tmp/corpus.sock", "\\0corpus"):
    s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(1); keep.append(s)
    c = socket.socket(socket.AF_UNIX); c.connect(path); keep.extend((c, s.accept()[0]))
p = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); p.bind(("lo", 3)); keep.append(p)
n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); n.bind((0, 1)); keep.append(n)
print("ready", flush=True); sys.stdin.read()
"""


def vsock(state: int, cid: int, port: int, peer: tuple[int, int]) -> bytes:
    """One struct vsock_diag_msg."""
    return frames.message(20, struct.pack("=BBBBIIIII8x", 40, 1, state, 0, cid, port, *peer, 77))


def main() -> None:
    CORPUS.mkdir(exist_ok=True)
    made = {"vsock": vsock(10, 0xFFFFFFFF, 1024, (0, 0)) + vsock(1, 3, 5000, (2, 1024)) + frames.DONE}
    with Namespace() as ns:
        ns.python(SOCKETS)
        requests = {
            f"{protocol}-{family}": diag.request(
                protocol, family, ALL_STATES, info=True, memory=True, details=True
            )
            for protocol in ("tcp", "udp", "udplite")
            for family in diag.FAMILIES
        }
        requests |= {kind: others.request(kind, ALL_STATES) for kind in ("unix", "packet", "netlink")}
        for name, request in requests.items():
            found = b"".join(netlink.dump(request, ns.path).frames)
            kept = [frames.message(*(one[0], one[2], one[1])) for one in netlink.messages(found)]
            made[name] = b"".join([*kept[:MESSAGES], frames.DONE])
    for name, raw in made.items():
        (CORPUS / f"{name}.bin").write_bytes(raw)
    Path("/tmp/corpus.sock").unlink()


if __name__ == "__main__":
    main()
