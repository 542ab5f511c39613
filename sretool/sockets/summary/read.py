"""Everything `sretool sockets summary` reads: sockets, their owners, counters and limits."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import SretoolError
from sretool.host.source import Clock, Source
from sretool.sockets import read as sockets
from sretool.sockets.read import diag
from sretool.sockets.summary import kernel
from sretool.sockets.summary.kernel import Kernel

_CLOSE_WAIT = 8  # include/net/tcp_states.h


class Ask(NamedTuple):
    """What to read of the sockets, None: nothing, a recording has them by `sockets list`."""

    sockets: sockets.Ask | None


EVERYTHING = Ask(None)
COUNTERS = EVERYTHING


def whole(families: tuple[str, ...]) -> Ask:
    """Every socket and its owner."""
    return Ask(sockets.Ask(families=families, memory=True, users=False, counters=True))


def compared(families: tuple[str, ...]) -> Ask:
    """What an earlier reading is for: counters, and the queues and drops of UDP sockets."""
    return Ask(
        sockets.Ask(tcp_states=0, families=families, memory=True, owners=False, users=False, counters=True)
    )


class Sample(NamedTuple):
    """One reading. `waiting` are the sockets in close-wait again, with tcp_info."""

    clock: Clock
    families: tuple[str, ...]
    sockets: sockets.Sample | None
    waiting: list[diag.Table]
    kernel: Kernel
    errors: list[SretoolError]


def sample(source: Source, ask: Ask) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`."""
    clock = source.clock()
    errors: list[SretoolError] = []
    limits = kernel.read(source, errors)
    if ask.sockets is None:
        return Sample(clock, (), None, [], limits, errors)
    found = sockets.sample(source, ask.sockets)
    errors += found.errors
    waiting: list[diag.Table] = []
    if any(
        values[3] == _CLOSE_WAIT
        for table in found.tables
        if table.protocol == "tcp"
        for values, _, _ in table.records
    ):
        # tcp_info of all would be 30 MB of 100,000; what fails here failed there
        again = sockets.Ask(
            tcp_states=1 << _CLOSE_WAIT,
            udp_states=0,
            families=ask.sockets.families,
            info=True,
            owners=False,
            users=False,
        )
        waiting = sockets.sample(source, again).tables
    return Sample(clock, ask.sockets.families, found, waiting, limits, errors)
