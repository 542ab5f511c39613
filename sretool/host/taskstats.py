"""What a process waited for since it began, from the kernel's delay accounting.

Generic netlink, family TASKSTATS (Documentation/accounting/taskstats.rst), one question a thread
group; its threads, and those that ended, are summed. The kernel answers holders of CAP_NET_ADMIN in
the host's own network namespace.

Waiting for a CPU is always counted. All else is counted while `kernel.task_delayacct` is 1 (off by
default since Linux 5.14; before, on unless the kernel was booted with `nodelayacct`), and then only
of tasks that began after it was set: where it is 0 these are unknown, although the kernel says 0.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable
from typing import NamedTuple

from sretool.errors import Denied, Missing, ParseError, SourceError, SretoolError, Unsupported, from_errno
from sretool.host import netlink
from sretool.host.source import Dump, Source

# include/uapi/linux/genetlink.h
_GENL_HEADER = struct.Struct("=BBH")
_GENL_ID_CTRL, _CTRL_CMD_GETFAMILY = 0x10, 3
_CTRL_ATTR_FAMILY_ID, _CTRL_ATTR_FAMILY_NAME = 1, 2
# include/uapi/linux/taskstats.h
_CMD_GET, _CMD_ATTR_TGID = 1, 2
_TYPE_STATS, _TYPE_AGGR_TGID = 3, 5
_VERSION = struct.Struct("=H")
_TOTAL = struct.Struct("=Q")
# Offsets of cpu, blkio, swapin, freepages, thrashing, compact, wpcopy and irq_delay_total. The struct
# only grows at its end, so one that is too short for a field is of a kernel without it; the exception
# is version 15 (Linux 6.14, 6.15), which put a maximum and a minimum behind each total.
_OFFSETS = (24, 40, 56, 320, 336, 360, 408, 424)
_OFFSETS_15 = tuple(offset + 16 * before for before, offset in enumerate(_OFFSETS))
SWITCH = "/proc/sys/kernel/task_delayacct"


class Delays(NamedTuple):
    """Time all threads of a process waited since they began, ns; None where this kernel does not say.

    cpu: runnable, for a CPU. blkio: for block I/O it asked for itself. swapin: for a page from swap.
    freepages: in direct reclaim. thrashing: for a page that was evicted while in use. compact: in
    memory compaction. wpcopy: for copies of write-protected pages. irq: taken by interrupts.
    """

    cpu_ns: int | None = None
    blkio_ns: int | None = None
    swapin_ns: int | None = None
    freepages_ns: int | None = None
    thrashing_ns: int | None = None
    compact_ns: int | None = None
    wpcopy_ns: int | None = None
    irq_ns: int | None = None


FAMILY = Dump(
    "taskstats family",
    netlink.NETLINK_GENERIC,
    _GENL_ID_CTRL,
    0,
    _GENL_HEADER.pack(_CTRL_CMD_GETFAMILY, 1, 0)
    + netlink.ATTRIBUTE_HEADER.pack(4 + 10, _CTRL_ATTR_FAMILY_NAME)
    + b"TASKSTATS\0\0\0",
)


def delays(source: Source, pids: Iterable[int], errors: list[SretoolError]) -> dict[int, Delays]:
    """The delays of each process; one that ended, or that could not be read, is left out. All
    failures are one error.
    """
    try:
        family = parse_family(b"".join(source.netlink(FAMILY).frames))
        found = source.answers([_question(family, pid) for pid in pids])
    except Missing:
        message = "this kernel has no TASKSTATS family here (a network namespace of its own, or no support)"
        errors.append(Unsupported("taskstats", message, errno=errno.EOPNOTSUPP))
        return {}
    except SretoolError as error:
        errors.append(error)
        return {}
    counted = _counted(source)
    known: dict[int, Delays] = {}
    failed: SretoolError | None = None
    for key, answer in found.items():
        try:
            if not isinstance(answer, int):
                known[int(key.rpartition(" ")[2])] = parse(answer, counted)
            elif answer in (errno.EPERM, errno.EACCES):
                hint = "run with sudo: it takes CAP_NET_ADMIN"
                failed = Denied("taskstats", "what processes waited for may not be read", hint, answer)
            elif answer != errno.ESRCH:
                failed = failed or from_errno(answer, "taskstats")
        except ParseError as error:
            failed = failed or error
    if failed is not None:
        errors.append(failed)
    return known


def _question(family: int, pid: int) -> Dump:
    payload = _GENL_HEADER.pack(_CMD_GET, 1, 0) + struct.pack("=HHI", 8, _CMD_ATTR_TGID, pid)
    return Dump(f"taskstats {pid}", netlink.NETLINK_GENERIC, family, 0, payload)


def _counted(source: Source) -> bool:
    """Whether the kernel counts more than the wait for a CPU."""
    try:
        return source.read(SWITCH).strip() != b"0"
    except Missing:  # before Linux 5.14
        pass
    except SourceError:
        return False
    try:
        return b"nodelayacct" not in source.read("/proc/cmdline").split()
    except SourceError:
        return False


def parse_family(frame: bytes) -> int:
    """The message type that CTRL_CMD_GETFAMILY answered.

    Raises:
        ParseError: there is none in it.
    """
    for _, _, payload in netlink.messages(frame, "taskstats family"):
        for kind, value in netlink.attributes(payload, _GENL_HEADER.size, "taskstats family"):
            if kind == _CTRL_ATTR_FAMILY_ID and len(value) == 2:
                return int(_VERSION.unpack(value)[0])
    raise ParseError("taskstats family", "an answer without an id")


def parse(frame: bytes, counted: bool = True) -> Delays:
    """The delays in one answer; `counted` is whether the kernel counts more than the wait for a CPU.

    Raises:
        ParseError: it holds no struct taskstats of a thread group.
    """
    for _, _, payload in netlink.messages(frame, "taskstats"):
        for kind, value in netlink.attributes(payload, _GENL_HEADER.size, "taskstats"):
            if kind == _TYPE_AGGR_TGID:
                for inner, stats in netlink.attributes(value, 0, "taskstats"):
                    if inner == _TYPE_STATS:
                        return _decode(stats, counted)
    raise ParseError("taskstats", "an answer without statistics")


def _decode(stats: bytes, counted: bool) -> Delays:
    size = len(stats)
    if size < _OFFSETS[0] + 8:
        raise ParseError("taskstats", f"a struct of {size} bytes")
    offsets = _OFFSETS_15 if _VERSION.unpack_from(stats)[0] == 15 else _OFFSETS
    totals = [_TOTAL.unpack_from(stats, at)[0] if at + 8 <= size else None for at in offsets]
    return Delays(*totals) if counted else Delays(totals[0])
