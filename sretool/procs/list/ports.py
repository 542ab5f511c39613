"""The processes that hold a socket with a local port."""

from __future__ import annotations

import errno

from sretool.errors import Denied, NotRecorded, SretoolError
from sretool.host.owners import PIDS_PER_CALL, SEE_OTHERS
from sretool.host.source import Source, pids
from sretool.report.units import count_text
from sretool.sockets import read as sockets

_LISTENING = ("listen", "unconnected")
_DENIED = (errno.EACCES, errno.EPERM)


def holders(
    source: Source, port: int, errors: list[SretoolError], *, listening: bool = False
) -> frozenset[int]:
    """All of them: a server and each worker that inherited the socket. What may be missing is noted
    in `errors`. `listening`: only of sockets that wait for whoever comes.

    Raises:
        SourceError: /proc cannot be listed.
    """
    found = sockets.sample(source, sockets.Ask(port=port, owners=False, users=False))
    errors += found.errors
    inodes = {
        row.inode
        for row in sockets.build_list(found).sockets
        if row.local_port == port and row.inode and (row.state in _LISTENING or not listening)
    }
    wanted = {f"socket:[{inode}]" for inode in inodes}
    if not wanted:
        return frozenset()
    holding, unseen, seen = set(), 0, set()
    names = pids(source)
    for start in range(0, len(names), PIDS_PER_CALL):
        for pid, targets in source.links("/proc", names[start : start + PIDS_PER_CALL], "fd").items():
            if isinstance(targets, int):
                unseen = targets if targets in (*_DENIED, errno.ENODATA) else unseen
            elif held := wanted.intersection(targets.values()):
                holding.add(int(pid))
                seen |= held
    if unseen == errno.ENODATA and not holding:
        errors.append(NotRecorded("/proc/PID/fd", "not in this recording", errno=errno.ENODATA))
    elif unseen and wanted - seen:
        count = len(wanted - seen)
        message = f"who holds {count_text(count, 'socket')} of port {port} is unknown"
        errors.append(Denied("/proc/PID/fd", message, SEE_OTHERS, errno=unseen))
    return frozenset(holding)
