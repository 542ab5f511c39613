"""The file /proc/PID/status (proc_pid_status(5); fs/proc/array.c proc_pid_status, task_mem)."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError
from sretool.host.decimal import integer

_MASK_DIGITS = 32  # sigset_t of 128 signals (mips); capabilities take 16


class Ids(NamedTuple):
    """One of the lines Uid and Gid."""

    real: int
    effective: int
    saved: int
    filesystem: int


class Status(NamedTuple):
    """What the file says. A line that is not there is None: the kernel is older, or (all of memory) it
    is a kernel thread or a zombie, which have none. Sizes are bytes. Masks have bit 0 for signal 1 and
    for capability 0. Times switched are of the main thread alone.
    """

    thread_group: int | None
    umask: int | None
    tracer_pid: int | None
    uids: Ids | None
    gids: Ids | None
    groups: tuple[int, ...] | None
    namespace_pids: tuple[int, ...] | None
    threads: int | None
    virtual_peak_bytes: int | None
    virtual_bytes: int | None
    locked_bytes: int | None
    pinned_bytes: int | None
    rss_peak_bytes: int | None
    rss_bytes: int | None
    rss_anon_bytes: int | None
    rss_file_bytes: int | None
    rss_shmem_bytes: int | None
    data_bytes: int | None
    stack_bytes: int | None
    page_table_bytes: int | None
    swap_bytes: int | None
    hugetlb_bytes: int | None
    core_dumping: bool | None
    signals_queued: int | None
    signals_queue_limit: int | None
    signals_pending: int | None
    signals_pending_shared: int | None
    signals_blocked: int | None
    signals_ignored: int | None
    signals_caught: int | None
    capabilities_inheritable: int | None
    capabilities_permitted: int | None
    capabilities_effective: int | None
    capabilities_bounding: int | None
    capabilities_ambient: int | None
    no_new_privs: bool | None
    seccomp: int | None
    seccomp_filters: int | None
    cpus_allowed: str | None
    mems_allowed: str | None
    voluntary_switches: int | None
    involuntary_switches: int | None

    @property
    def switches(self) -> int | None:
        """Times the main thread was switched out, for whatever reason."""
        if self.voluntary_switches is None or self.involuntary_switches is None:
            return None
        return self.voluntary_switches + self.involuntary_switches


def parse(raw: bytes, pid: str) -> Status:
    """The whole file. Keys that are not known are passed over.

    Raises:
        ParseError: a value that does not have its documented form.
    """
    return Reader(raw, f"/proc/{pid}/status").status()


class Reader:
    """The file's lines by key. The name, which a process chooses, comes first and its newline is
    escaped, so it cannot pass for another line; where a key comes twice, the first counts.
    """

    def __init__(self, raw: bytes, what: str) -> None:
        self._what = what
        self._lines: dict[bytes, bytes] = {}
        for line in raw.split(b"\n"):
            key, colon, value = line.partition(b":")
            if colon:
                self._lines.setdefault(key, value.strip())

    def status(self) -> Status:
        """All of it, typed."""
        queued, queue_limit = self._pair(b"SigQ")
        return Status(
            self._number(b"Tgid"),
            self._number(b"Umask", 8),
            self._number(b"TracerPid"),
            self._ids(b"Uid"),
            self._ids(b"Gid"),
            self._numbers(b"Groups"),
            self._numbers(b"NSpid"),
            self._number(b"Threads"),
            self._kib(b"VmPeak"),
            self._kib(b"VmSize"),
            self._kib(b"VmLck"),
            self._kib(b"VmPin"),
            self._kib(b"VmHWM"),
            self._kib(b"VmRSS"),
            self._kib(b"RssAnon"),
            self._kib(b"RssFile"),
            self._kib(b"RssShmem"),
            self._kib(b"VmData"),
            self._kib(b"VmStk"),
            self._kib(b"VmPTE"),
            self._kib(b"VmSwap"),
            self._kib(b"HugetlbPages"),
            self._flag(b"CoreDumping"),
            queued,
            queue_limit,
            self._mask(b"SigPnd"),
            self._mask(b"ShdPnd"),
            self._mask(b"SigBlk"),
            self._mask(b"SigIgn"),
            self._mask(b"SigCgt"),
            self._mask(b"CapInh"),
            self._mask(b"CapPrm"),
            self._mask(b"CapEff"),
            self._mask(b"CapBnd"),
            self._mask(b"CapAmb"),
            self._flag(b"NoNewPrivs"),
            self._number(b"Seccomp"),
            self._number(b"Seccomp_filters"),
            self._text(b"Cpus_allowed_list"),
            self._text(b"Mems_allowed_list"),
            self._number(b"voluntary_ctxt_switches"),
            self._number(b"nonvoluntary_ctxt_switches"),
        )

    def _bad(self, key: bytes, value: bytes) -> ParseError:
        return ParseError(f"{self._what} {key.decode()}", f"not what it should be: {value[:80]!r}")

    def _number(self, key: bytes, base: int = 10) -> int | None:
        value = self._lines.get(key)
        if value is None:
            return None
        if not value.isdigit():
            raise self._bad(key, value)
        try:
            return integer(value) if base == 10 else int(value[:_MASK_DIGITS], base)
        except ValueError:
            raise self._bad(key, value) from None

    def _numbers(self, key: bytes) -> tuple[int, ...] | None:
        value = self._lines.get(key)
        try:
            return None if value is None else tuple(map(integer, value.split()))
        except ValueError:
            raise self._bad(key, value or b"") from None

    def _ids(self, key: bytes) -> Ids | None:
        found = self._numbers(key)
        if found is None:
            return None
        if len(found) != 4:
            raise self._bad(key, self._lines[key])
        return Ids(*found)

    def _pair(self, key: bytes) -> tuple[int | None, int | None]:
        value = self._lines.get(key)
        if value is None:
            return None, None
        first, _, second = value.partition(b"/")
        try:
            return integer(first), integer(second)
        except ValueError:
            raise self._bad(key, value) from None

    def _kib(self, key: bytes) -> int | None:
        value = self._lines.get(key)
        if value is None:
            return None
        number, _, unit = value.partition(b" ")
        if unit != b"kB" or not number.isdigit():
            raise self._bad(key, value)
        try:
            return integer(number) * 1024
        except ValueError:
            raise self._bad(key, value) from None

    def _mask(self, key: bytes) -> int | None:
        value = self._lines.get(key)
        try:
            if value is not None and (len(value) > _MASK_DIGITS or not value.isalnum()):
                raise ValueError
            return None if value is None else int(value, 16)
        except ValueError:
            raise self._bad(key, value or b"") from None

    def _flag(self, key: bytes) -> bool | None:
        number = self._number(key)
        return None if number is None else number != 0

    def _text(self, key: bytes) -> str | None:
        value = self._lines.get(key)
        return None if value is None else value.decode("utf-8", "backslashreplace")
