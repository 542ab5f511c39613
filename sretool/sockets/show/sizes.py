"""How large segments could be on the path a socket has."""

from __future__ import annotations

from sretool.sockets.show.model import Detail

TCP_HEADER, TIMESTAMPS = 20, 12  # tcp_mtu_to_mss, net/ipv4/tcp_output.c: options are padded to words
IP_HEADERS = {"inet": 20, "inet6": 40}


def expected_mss(one: Detail) -> int | None:
    """Bytes of data in a segment that fills the path MTU; None where the kernel gives none."""
    tcp = one.tcp
    if tcp is None or tcp.sizes.pmtu_bytes is None or tcp.negotiated.timestamps is None:
        return None
    address = one.socket.local_address or ""
    mapped = address.startswith("::ffff:") and "." in address
    family = "inet" if mapped else one.socket.family
    options = TIMESTAMPS if tcp.negotiated.timestamps else 0
    return tcp.sizes.pmtu_bytes - IP_HEADERS[family] - TCP_HEADER - options
