"""The OOM killer's record in the kernel's log (mm/oom_kill.c, mm/memcontrol.c)."""

from __future__ import annotations

import heapq
import math
import re
from typing import Any, NamedTuple

import msgspec

from sretool.errors import Denied, Missing, SourceError, SretoolError
from sretool.host.attribution import attribute
from sretool.host.decimal import integer
from sretool.host.source import Clock, Source

KMSG = "/dev/kmsg"
# A process without CAP_SYSLOG may be in the group that reads the journal, and the journal reaches
# back to what the kernel's buffer lost. One fixed line, so that a recording replays it.
JOURNAL_LINES = 20_000
JOURNAL = (
    *("journalctl", "-k", "-b", "-q", "--no-pager", "-o", "json", "-n", str(JOURNAL_LINES)),
    "--output-fields=MESSAGE,PRIORITY,SYSLOG_FACILITY,_SOURCE_MONOTONIC_TIMESTAMP",
)
TASKS_KEPT = 10
_GROUP_S = 1.0


class Task(NamedTuple):
    """A row of the table that the killer printed before it chose. `resident_bytes` is anonymous,
    file and shared memory together.
    """

    pid: int
    uid: int
    name: str
    resident_bytes: int
    swap_bytes: int
    pgtables_bytes: int
    oom_score_adj: int


class OomKill(NamedTuple):
    """One victim, from the kernel's log; what its lines do not say is None or empty.

    at_s: when, on the kernel log's clock (about CLOCK_MONOTONIC).
    limit: the cgroup whose limit was hit (oom_memcg); empty when the host, or the memory nodes a
        cpuset or policy allows, ran out; None when a cgroup did and the log does not say which.
    cgroup: where the victim was (task_memcg).
    constraint: none (the host), memcg, cpuset, memory-policy.
    trigger: the process whose allocation did not fit, `order` of how many pages (2^order; -1 when a
        person asked for it by SysRq).
    group: the cgroup that was killed as a whole for its memory.oom.group.
    used_bytes, limit_bytes: of the cgroup whose limit was hit, at that moment.
    tasks: the largest of those it could choose from, of `task_count`.
    records: how many times the log names it, which is what /proc/vmstat oom_kill counts.
    """

    at_s: float
    pid: int
    name: str
    limit: str | None
    cgroup: str = ""
    constraint: str = ""
    uid: int | None = None
    total_vm_bytes: int | None = None
    anon_rss_bytes: int | None = None
    file_rss_bytes: int | None = None
    shmem_rss_bytes: int | None = None
    pgtables_bytes: int | None = None
    oom_score_adj: int | None = None
    trigger: str = ""
    order: int | None = None
    group: str = ""
    used_bytes: int | None = None
    limit_bytes: int | None = None
    tasks: tuple[Task, ...] = ()
    task_count: int = 0
    records: int = 1

    @property
    def whose_limit(self) -> str:
        """Whose memory ran out, in words."""
        if self.limit is None:
            return "a cgroup's limit (the log does not say which)"
        if not self.limit:
            nodes = "the memory nodes it may use" if self.constraint in ("cpuset", "memory-policy") else ""
            return nodes or "the host's memory"
        if self.limit == self.cgroup:
            return f"its own cgroup's limit ({self.limit})"
        return f"the limit of {self.limit}" + (", a cgroup above its own" if self.cgroup else "")

    @property
    def owner(self) -> str:
        """The container or unit it was of, else its cgroup; empty when the log does not say."""
        return attribute(self.cgroup).name or self.cgroup


class KernelLog(NamedTuple):
    """What is left of the log. `start_s`: since when it holds everything (`parse_log_start`).
    `source`: where it was read.
    """

    kills: list[OomKill]
    start_s: float
    source: str


_INVOKED = re.compile(rb"^(?P<name>.{1,64}?) invoked oom-killer: gfp_mask=[^,]*, order=(?P<order>-?\d{1,4}),")
_USAGE = re.compile(rb"^memory: usage (\d{1,17})kB, limit (\d{1,17})kB, failcnt ")
_TABLE = b"[  pid  ] "
_ROW = re.compile(rb"^\[ *\d{1,7}\] +(?P<rest>\d.{1,300})$")
_CONSTRAINT = b"oom-kill:constraint=CONSTRAINT_"
_GROUP = re.compile(rb"^Tasks in (?P<group>.*) are going to be killed due to memory\.oom\.group set")
_KILLED = re.compile(
    rb"^(?P<why>(?:Memory cgroup o|O)ut of memory)(?: \([^)]*\))?: Killed process (?P<pid>\d{1,7}) "
    rb"\((?P<name>.*)\) total-vm:(?P<rest>.*)"
)
_SIZES = {
    "total_vm_bytes": re.compile(rb"^(\d{1,17})kB"),
    "anon_rss_bytes": re.compile(rb" anon-rss:(\d{1,17})kB"),
    "file_rss_bytes": re.compile(rb" file-rss:(\d{1,17})kB"),
    "shmem_rss_bytes": re.compile(rb" shmem-rss:(\d{1,17})kB"),
    "pgtables_bytes": re.compile(rb" pgtables:(\d{1,17})kB"),
}
_UID = re.compile(rb" UID:(\d{1,10})")
_ADJ = re.compile(rb" oom_score_adj:(-?\d{1,4})")
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


class _Event:
    """What the log says of one call of the killer, until its victims follow. It is called under one
    lock (oom_lock), so the lines of two calls never mix, whatever else is logged between them.
    """

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}
        self.columns: list[bytes] = []
        self.tasks: list[Task] = []
        self.pids: set[int] = set()
        self.victim: int | None = None
        self.at_s = -math.inf  # of the last line that says whom it kills
        self.killed: dict[int, int] = {}

    def holds(self, pid: int, at_s: float) -> bool:
        """Whether the kill of `pid` is of this call. The lines before a kill are rate-limited, so it
        may come without any of its own. A victim whose first thread has ended is killed by the pid of
        another of its threads.
        """
        near = at_s - self.at_s <= _GROUP_S
        if not self.killed:
            return pid == self.victim or (self.victim is not None and near)
        return near and (pid == self.victim or ("group" in self.said and (not self.pids or pid in self.pids)))

    def choices(self) -> tuple[Task, ...]:
        """The largest it could choose from."""
        self.tasks = heapq.nlargest(TASKS_KEPT, self.tasks, key=lambda task: task.resident_bytes)
        return tuple(self.tasks)


def parse_oom_kills(raw: bytes, page_bytes: int = 4096) -> list[OomKill]:
    """OOM kills in /dev/kmsg records (`prefix,sequence,microseconds,flags;message`), oldest first.
    A line of any other form is passed over: the log belongs to everyone.
    """
    kills: list[OomKill] = []
    if b"illed process " not in raw:
        return kills
    event = _Event()
    for line in raw.splitlines():
        prefix, separator, message = line.partition(b";")
        if not separator or (at_s := kernel_time(prefix)) is None:
            continue
        if killed := _KILLED.search(message):
            pid = int(killed["pid"])
            ours = event.holds(pid, at_s)
            if ours and pid in event.killed:
                # a group's first victim is met, logged and counted again with its whole group
                place = event.killed[pid]
                kills[place] = kills[place]._replace(records=kills[place].records + 1)
                continue
            if ours:
                event.killed[pid], event.at_s = len(kills), at_s
            kills.append(_kill(killed, pid, at_s, event if ours else _Event()))
        else:
            known = "group" in event.said
            event = _note(message, at_s, event, page_bytes)
            if not known and "group" in event.said:  # said after the first victim of the group
                for place in event.killed.values():
                    kills[place] = kills[place]._replace(group=event.said["group"])
    return kills


def _note(message: bytes, at_s: float, event: _Event, page_bytes: int) -> _Event:
    """Keep what a line before the kill says of it; the call that the next line belongs to."""
    if invoked := _INVOKED.search(message):
        event = _Event()
        event.said.update(trigger=_text(invoked["name"]), order=int(invoked["order"]))
    elif event.columns and (row := _ROW.search(message)):
        _add_task(row, event, page_bytes)
    elif message.startswith(_TABLE):
        event.columns, event.tasks = message.partition(b"]")[2].split()[:-1], []
    elif usage := _USAGE.search(message):
        event.said["used_bytes"], event.said["limit_bytes"] = (
            int(number) * 1024 for number in usage.groups()
        )
    elif message.startswith(_CONSTRAINT):
        if event.victim is not None:  # the first line of this call is missing
            event = _Event()
        _constraint(message[len(_CONSTRAINT) :], at_s, event)
    elif "group" not in event.said and (group := _GROUP.search(message)):
        event.said["group"], event.at_s = _text(group["group"]), at_s
    return event


def _constraint(message: bytes, at_s: float, event: _Event) -> None:
    """`MEMCG,nodemask=…,oom_memcg=PATH,task_memcg=PATH,task=NAME,pid=N,uid=N`; a path may hold commas,
    and a long line ends early.
    """
    fields: dict[bytes, bytes] = {}
    for key in (b",uid=", b",pid=", b",task=", b",task_memcg=", b",oom_memcg="):
        before, found, value = message.rpartition(key)
        if found:
            message, fields[key] = before, value
    try:
        event.victim = integer(fields[b",pid="])
    except (KeyError, ValueError):
        return
    event.at_s = at_s
    event.said["constraint"] = _text(message.partition(b",")[0]).lower().replace("_", "-")
    event.said["limit"] = _text(fields.get(b",oom_memcg=", b""))
    event.said["cgroup"] = _text(fields.get(b",task_memcg=", b""))


def _add_task(row: re.Match[bytes], event: _Event, page_bytes: int) -> None:
    *fields, name = row["rest"].split(None, len(event.columns))
    try:
        numbers = dict(zip(event.columns, map(integer, fields)))
        event.tasks.append(
            Task(
                numbers[b"tgid"],
                numbers[b"uid"],
                _text(name),
                numbers[b"rss"] * page_bytes,
                numbers[b"swapents"] * page_bytes,
                numbers[b"pgtables_bytes"],
                numbers[b"oom_score_adj"],
            )
        )
        event.pids.add(numbers[b"tgid"])
    except (ValueError, KeyError):  # cut, or a table of another form
        return


def _kill(killed: re.Match[bytes], pid: int, at_s: float, event: _Event) -> OomKill:
    said = dict(event.said)
    if event.victim is not None:
        said["tasks"], said["task_count"] = event.choices(), len(event.pids)
        if "group" in said and event.killed.keys() - {
            pid
        }:  # another one of its group: where below is not said
            said["cgroup"] = said["group"]
    said.setdefault("limit", None if killed["why"].startswith(b"Memory") else "")
    said.setdefault("constraint", "memcg" if said["limit"] is None else "")
    for name, pattern in _SIZES.items():
        if found := pattern.search(killed["rest"]):
            said[name] = int(found[1]) * 1024
    if found := _UID.search(killed["rest"]):
        said["uid"] = int(found[1])
    if found := _ADJ.search(killed["rest"]):
        said["oom_score_adj"] = int(found[1])
    return OomKill(at_s, pid, _text(killed["name"]), **said)


def parse_log_start(raw: bytes) -> float:
    """Since when the kernel's log holds everything, seconds on its clock: 0 when nothing of it was
    overwritten yet (its first record is number 0), infinity when it is empty.
    """
    for line in raw.splitlines():
        fields = line.partition(b";")[0].split(b",")
        try:
            return integer(fields[2]) / 1e6 if integer(fields[1]) else 0.0
        except (ValueError, IndexError):  # a record's continuation
            continue
    return math.inf


def read_log(source: Source, errors: list[SretoolError], page_bytes: int = 4096) -> KernelLog | None:
    """The kills that the kernel's log holds, and those that only the journal still has; None, and
    why in `errors`, when neither can be read.
    """
    denied: SretoolError | None = None
    log = KernelLog([], math.inf, "")
    try:
        raw = source.read(KMSG)
        log = KernelLog(parse_oom_kills(raw, page_bytes), parse_log_start(raw), KMSG)
    except SourceError as error:
        denied = error
    if log.start_s == 0.0:
        return log
    try:
        done = source.run(JOURNAL)
        raw = as_kmsg(done.stdout) if done.exit_code == 0 else b""
    except SourceError:
        raw = b""
    if raw:
        start = parse_log_start(raw)
        older = [kill for kill in parse_oom_kills(raw, page_bytes) if kill.at_s < log.start_s]
        if start < log.start_s:
            name = "journalctl -k" if denied is not None else f"{KMSG}, journalctl -k"
            return KernelLog(older + log.kills, start, name)
    if denied is None:
        return log
    if isinstance(denied, Denied):
        hint = "run with sudo, or as a member of systemd-journal or adm"
        denied = Denied(
            KMSG, "the kernel's log may not be read, so kills are counted only", hint, denied.errno
        )
    if not isinstance(denied, Missing):
        errors.append(denied)
    return None


def kills(source: Source, errors: list[SretoolError]) -> list[OomKill] | None:
    """The kills of `read_log`."""
    log = read_log(source, errors)
    return None if log is None else log.kills


class _Entry(msgspec.Struct):
    """A line of `journalctl -o json`; a message that is not UTF-8 is a list of its bytes."""

    message: str | list[int] | None = msgspec.field(default=None, name="MESSAGE")
    priority: str = msgspec.field(default="6", name="PRIORITY")
    facility: str = msgspec.field(default="0", name="SYSLOG_FACILITY")
    at_us: str = msgspec.field(default="", name="_SOURCE_MONOTONIC_TIMESTAMP")


def as_kmsg(journal: bytes) -> bytes:
    """Lines of `JOURNAL` as /dev/kmsg gives them. The sequence number is 0 only where the boot's
    first message is among them.
    """
    decoder = msgspec.json.Decoder(_Entry)
    records: list[bytes] = []
    for line in journal.splitlines():
        try:
            entry = decoder.decode(line)
            prefix = integer(entry.facility) << 3 | integer(entry.priority)
            at_us = integer(entry.at_us)
            said = entry.message or ""
            text = said.encode() if isinstance(said, str) else bytes(said)
        except ValueError:  # also what msgspec raises
            continue
        number = len(records) if not at_us or records else 1
        text = text.replace(b"\\", b"\\x5c").replace(b"\n", b"\\x0a")
        records.append(b"%d,%d,%d,-;%s" % (prefix, number, at_us, text))
    return b"\n".join(records)


def wall_s(clock: Clock, at_s: float) -> float:
    """The Unix time of an instant on the kernel log's clock. That clock stands still while the host
    is suspended: what came before a suspend seems later by as long as it lasted.
    """
    return clock.wall - (clock.mono - at_s)


def kernel_time(prefix: bytes) -> float | None:
    """When a record was logged; None when it is none of the kernel's own (the upper bits of its
    priority are 0; processes write to the same log, Documentation/ABI/testing/dev-kmsg).
    """
    fields = prefix.split(b",")
    try:
        return None if integer(fields[0]) >> 3 else integer(fields[2]) / 1e6
    except (ValueError, IndexError):
        return None


def _text(raw: bytes) -> str:
    r"""A name as it was before /dev/kmsg wrote its unprintable bytes and backslashes as \xNN."""
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), raw)
    return raw.decode("utf-8", "backslashreplace")
