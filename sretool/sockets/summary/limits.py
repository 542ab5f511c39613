"""What can run out, and how near it is."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

from sretool.sockets.model import endpoint
from sretool.sockets.summary import kernel
from sretool.sockets.summary.count import Counts
from sretool.sockets.summary.kernel import Kernel
from sretool.sockets.summary.model import Destination, Limit, Name, Scope, Settings, SynQueue
from sretool.sockets.summary.whose import Attributor, Whose

ALWAYS, LOOPBACK = 1, 2  # net.ipv4.tcp_tw_reuse
_LOOPBACK6 = bytes(15) + b"\1"


def pool(known: Kernel) -> frozenset[int]:
    """The ports that connect() chooses from; none when the range is not known."""
    if known.ports is None:
        return frozenset()
    low, high = known.ports
    return frozenset(range(low, high + 1)) - known.reserved


def reusable(local: bytes, remote: bytes, reuse: int | None) -> bool:
    """Whether connect() takes the port of a connection in time-wait, after a second: tcp_twsk_unique
    of net/ipv4/tcp_ipv4.c, where 2, the default since 4.19, is for addresses of the loopback only.
    """
    if reuse == LOOPBACK:
        return any(at[0] == 127 if len(at) == 4 else at == _LOOPBACK6 for at in (local, remote))
    return reuse == ALWAYS


def limits(
    known: Kernel,
    counts: Counts,
    destinations: Sequence[Destination],
    queues: Sequence[SynQueue],
    whose: Attributor,
) -> list[Limit]:
    """The nearest to its end first, those with an unknown one last."""
    rows = [*_of_kernel(known), *_of_queues(counts, queues, whose)]
    if destinations:
        first = destinations[0]
        rows.append(
            _limit(
                "ephemeral-ports",
                first.ports_used,
                first.ports,
                "ports",
                "destination",
                f"{first.name}{_by(Whose(first.process), first.pid)}",
                f"sock_diag, {kernel.PORT_RANGE} less ip_local_reserved_ports and ports listened on",
            )
        )
    return sorted(rows, key=lambda row: (row.used_ratio is None, -(row.used_ratio or 0), row.name))


def _limit(
    name: Name, used: int | None, limit: int | None, unit: str, scope: Scope, where: str, source: str
) -> Limit:
    ratio = round(used / limit, 4) if used is not None and limit else None
    return Limit(name, used, limit, ratio, unit, scope, where, source)


def _of_kernel(known: Kernel) -> Iterator[Limit]:
    stat, numbers = known.sockstat, known.numbers
    yield _limit(
        "orphans", stat.get("TCP.orphan"), numbers.get(kernel.MAX_ORPHANS), "sockets", "host", "",
        f"{kernel.SOCKSTAT} TCP orphan, {kernel.MAX_ORPHANS}",
    )  # fmt: skip
    yield _limit(
        "time-wait", stat.get("TCP.tw"), numbers.get(kernel.MAX_TIME_WAIT), "sockets", "namespace", "",
        f"{kernel.SOCKSTAT} TCP tw, {kernel.MAX_TIME_WAIT}",
    )  # fmt: skip
    yield _limit(
        "tcp-memory", in_bytes(known, stat.get("TCP.mem")), _high(known, known.tcp_mem), "bytes", "host", "",
        f"{kernel.SOCKSTAT} TCP mem, {kernel.TCP_MEM}",
    )  # fmt: skip
    yield _limit(
        "udp-memory", in_bytes(known, stat.get("UDP.mem")), _high(known, known.udp_mem), "bytes", "host", "",
        f"{kernel.SOCKSTAT} UDP mem, {kernel.UDP_MEM}",
    )  # fmt: skip
    if kernel.CONNTRACK_COUNT in numbers or kernel.CONNTRACK_MAX in numbers:
        yield _limit(
            "conntrack", numbers.get(kernel.CONNTRACK_COUNT), numbers.get(kernel.CONNTRACK_MAX),
            "connections", "namespace", "", f"{kernel.CONNTRACK_COUNT}, {kernel.CONNTRACK_MAX}",
        )  # fmt: skip


def _of_queues(counts: Counts, queues: Sequence[SynQueue], whose: Attributor) -> Iterator[Limit]:
    fullest = max(
        counts.listeners.items(), key=lambda item: item[1][0][13] / (item[1][0][14] or 1), default=None
    )
    if fullest is not None:
        (local, port), (values, _, _) = fullest
        pid = whose.holders.get(values[16])
        address = socket.inet_ntop(socket.AF_INET if len(local) == 4 else socket.AF_INET6, local)
        yield _limit(
            "accept-queue", values[13], values[14], "connections", "listener",
            f"{endpoint(address, socket.ntohs(port))}{_by(whose.of(pid or 0), pid)}",
            "sock_diag idiag_rqueue, idiag_wqueue",
        )  # fmt: skip
    if queues:
        first = queues[0]
        yield _limit(
            "syn-queue", first.waiting, first.limit, "connections", "listener",
            f"{first.name}{_by(Whose(first.process), first.pid)}", "sock_diag syn-recv, idiag_wqueue",
        )  # fmt: skip


def _by(who: Whose, pid: int | None) -> str:
    return f" ({who.process}[{pid}])" if who.process is not None else ""


def in_bytes(known: Kernel, pages: int | None) -> int | None:
    """Of pages."""
    return None if pages is None or known.page_bytes is None else pages * known.page_bytes


def _high(known: Kernel, marks: tuple[int, int, int] | None) -> int | None:
    return None if marks is None else in_bytes(known, marks[2])


def settings(known: Kernel, chosen: frozenset[int]) -> Settings:
    """What the limits follow from."""
    low, high = known.ports or (None, None)
    least, pressure, high_mark = (in_bytes(known, pages) for pages in known.tcp_mem or (None, None, None))
    number = known.numbers.get
    return Settings(
        low,
        high,
        None if low is None or high is None else high - low + 1 - len(chosen),
        number(kernel.TW_REUSE),
        number(kernel.SYNCOOKIES),
        number(kernel.SYN_BACKLOG),
        number(kernel.FIN_TIMEOUT),
        least,
        pressure,
        high_mark,
        next((line.pressure for line in known.protocols if line.name == "TCP"), None),
    )
