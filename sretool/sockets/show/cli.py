"""`sretool sockets show`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.errors import Missing
from sretool.report.answer import Answer
from sretool.report.check import judge
from sretool.sockets.show.model import Shown

TARGET = "LOCAL-REMOTE, one end (192.0.2.1:443), :PORT, an inode, or a pid."
PEER = "The other end, where the two are given as two words."


@command(
    "sockets.show",
    view="sretool.sockets.show.view:shown",
    options=("passive", "sampled", "thresholds"),
    how=(
        How("ss -tinmoe", "tcp_info, memory, timer, inode and cookie of the same socket"),
        How("ss -uanme", "UDP: memory and drops"),
        How("ip -4 route show table all", "what its route comes from; `ip route get PEER` is the route"),
        How("cat /proc/sys/net/ipv4/tcp_rmem /proc/sys/net/ipv4/tcp_wmem", "how far its buffers may grow"),
    ),
    examples=(
        ("sretool sockets show 192.0.2.1:443-198.51.100.7:51514", "one connection"),
        ("sretool sockets show :5432", "all that use this port, at either end"),
        ("sudo sretool sockets show 4242", "the sockets of a process, or the socket of that inode"),
        ("sretool sockets show inode:4242 -v", "with the formula and fields behind each sentence"),
        ("sretool --from incident.tar.gz sockets show :5432", "as they were when it was recorded"),
    ),
)
def show(
    run: Run,
    target: Annotated[str, typer.Argument(metavar="TARGET", help=TARGET)],
    peer: Annotated[Optional[str], typer.Argument(metavar="[REMOTE]", help=PEER)] = None,
) -> Answer[Shown]:
    """Show one socket: its queues, path, limits, and what holds it up."""
    from sretool.sockets.show import read
    from sretool.sockets.show import target as targets
    from sretool.sockets.show.checks import CHECKS
    from sretool.sockets.show.notes import notes

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    wanted = targets.parse(target, peer)
    ask = read.Ask(wanted)
    now, before = run.pair(partial(read.sample, ask=ask), first=partial(read.first, ask=ask))
    if not now.total:
        if before is None or not before.total:
            raise targets.nothing(run.source, wanted, now.errors)
        run.errors.append(Missing(wanted.given, "was closed between the readings: this is the first"))
        now, before = before, None
    around = run.one(partial(read.around, now=now))
    data = read.build(now, before, around)
    for one in data.sockets:
        one.notes = notes(one, around.limits)
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    run.errors += [*now.errors, *around.errors]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
