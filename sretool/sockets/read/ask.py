"""What the socket commands ask of a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sretool.sockets.filter.tree import Node
from sretool.sockets.states import ALL_STATES, CLOSED, LISTEN


class Ask(NamedTuple):
    """What to read. State masks of 0 leave the protocol out. `others` are the masks of what is neither
    TCP nor UDP: udplite, raw, mptcp, unix, packet, netlink, vsock. `everywhere` adds
    those of all other network namespaces. `filter` narrows what is read, `rows` only what is made of it
    (`Sample.keeps`), where what it leaves out counts too.
    """

    tcp_states: int = ALL_STATES
    udp_states: int = ALL_STATES
    families: tuple[str, ...] = ("inet", "inet6")
    port: int | None = None  # at either end
    info: bool = False
    memory: bool = False
    details: bool = False
    owners: bool = True
    users: bool = True
    counters: bool = False
    pid: int | None = None
    process: str | None = None
    every_process: bool = False
    filter: Node | None = None
    others: Mapping[str, int] = {}
    everywhere: bool = False
    rows: Node | None = None


OTHERS = ("udplite", "raw", "mptcp", "unix", "packet", "netlink", "vsock")
TRIAGE = Ask(tcp_states=1 << LISTEN, udp_states=0, memory=True, users=False, counters=True)
LISTENERS = Ask(tcp_states=1 << LISTEN, udp_states=1 << CLOSED, memory=True, counters=True)
EVERYTHING = Ask(
    info=True,
    memory=True,
    details=True,
    counters=True,
    every_process=True,
    others=dict.fromkeys(OTHERS, ALL_STATES),
    everywhere=True,
)
COUNTERS = EVERYTHING._replace(owners=False, users=False, others={}, everywhere=False)
"""All that is compared with a second reading."""
