"""The states of a socket: include/net/tcp_states.h, which all families share."""

from __future__ import annotations

# index = value
TCP_STATES = (
    "unknown-0",
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "closed",
    "close-wait",
    "last-ack",
    "listen",
    "closing",
    "new-syn-recv",
    "bound-inactive",
)
ESTABLISHED, SYN_SENT, SYN_RECV, TIME_WAIT, CLOSED, LISTEN = 1, 2, 3, 6, 7, 10
NEW_SYN_RECV, BOUND_INACTIVE = 12, 13
UDP_STATES = {ESTABLISHED: "established", CLOSED: "unconnected"}
"""What a socket without connections is called: it has a peer, or none."""

EVERY = (1 << (BOUND_INACTIVE + 1)) - 2
ALL_STATES = EVERY & ~(1 << BOUND_INACTIVE)
"""Bound-inactive sockets (since 6.8) come only when asked for by name, as in ss."""

NUMBERS = {name: number for number, name in enumerate(TCP_STATES) if number} | {"unconnected": CLOSED}
_CONNECTED = ALL_STATES & ~(1 << LISTEN | 1 << CLOSED)
_BUCKET = 1 << SYN_RECV | 1 << NEW_SYN_RECV | 1 << TIME_WAIT
MASKS = {
    **{name: 1 << number for name, number in NUMBERS.items()},
    "listening": 1 << LISTEN,
    "close": 1 << CLOSED,
    "syn-rcv": 1 << SYN_RECV,
    "all": ALL_STATES,
    "connected": _CONNECTED,
    "synchronized": _CONNECTED & ~(1 << SYN_SENT),
    "bucket": _BUCKET,
    "big": ALL_STATES & ~_BUCKET,
}
"""The words of ss's state filter."""
