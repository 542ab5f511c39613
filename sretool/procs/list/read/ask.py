"""What to read of a process: each part is one more file, or one more look, a process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sretool.procs.list.model import Process

NAMESPACES = ("pid", "net", "mnt", "user", "cgroup", "uts", "ipc")


class Ask(NamedTuple):
    """What to read beside /proc/PID/stat, which everything else follows from.

    uids: the owner of /proc/PID. users: that, and its name.
    cgroups: /proc/PID/cgroup. commands: cmdline.
    names: of containers: /proc/PID/cgroup, and what `engines` reads where that names any.
    blocked: of those in D state wchan and status, and threads in D state where the host's load says
        that there are some.
    fds: the number of descriptors. limits: /proc/PID/limits.
    status: /proc/PID/status. io: /proc/PID/io. rollup: smaps_rollup. oom: oom_score, oom_score_adj.
    namespaces: the links in /proc/PID/ns. delays: taskstats.
    scheduling, started: nothing more; what they derive from stat costs time only.
    swapped: status, as far as the host uses swap, of processes that ever read a page back.
    capacity: what the host has for all of them.
    """

    uids: bool = False
    users: bool = False
    cgroups: bool = False
    names: bool = False
    commands: bool = False
    blocked: bool = False
    fds: bool = False
    limits: bool = False
    status: bool = False
    io: bool = False
    rollup: bool = False
    oom: bool = False
    namespaces: bool = False
    delays: bool = False
    scheduling: bool = False
    started: bool = False
    swapped: bool = False
    capacity: bool = False

    @property
    def parts(self) -> set[str]:
        """The names of what is asked."""
        return {name for name, wanted in zip(self._fields, self) if wanted}

    def without(self, other: Ask) -> Ask:
        """What this asks and `other` does not."""
        return Ask(*(mine and not theirs for mine, theirs in zip(self, other)))


FIELDS: dict[str, frozenset[str]] = {
    "uids": frozenset({"uid"}),
    "users": frozenset({"user"}),
    "cgroups": frozenset({"unit", "container", "pod", "cgroup", "engine"}),
    "names": frozenset({"container_name", "pod_name", "namespace", "image"}),
    "commands": frozenset({"command"}),
    "blocked": frozenset({"wchan", "stuck", "stuck_threads", "thread_wchan"}),
    "fds": frozenset({"fds"}),
    "limits": frozenset({"fd_limit", "threads_limit"}),
    "status": frozenset(
        {
            *("anon_bytes", "file_bytes", "shmem_bytes", "swap_bytes", "seccomp", "no_new_privs"),
            *("voluntary_switches_per_s", "involuntary_switches_per_s"),
        }
    ),
    "io": frozenset({"read_bytes_per_s", "write_bytes_per_s"}),
    "rollup": frozenset({"pss_bytes", "swap_pss_bytes"}),
    "oom": frozenset({"oom_score", "oom_score_adj"}),
    "namespaces": frozenset(f"{name}_namespace" for name in NAMESPACES),
    "delays": frozenset({"cpu_delay_ratio", "io_delay_ratio", "swap_delay_ratio", "reclaim_delay_ratio"}),
    "scheduling": frozenset({"policy", "realtime_priority"}),
    "started": frozenset({"started_at"}),
}
"""Which fields of a row each part fills."""

EVERYTHING = Ask(*(True for _ in Ask._fields))
TRIAGE = Ask(
    uids=True,
    cgroups=True,
    names=True,
    blocked=True,
    fds=True,
    limits=True,
    scheduling=True,
    swapped=True,
    capacity=True,
)
"""What the checks judge; command lines and names are for `procs list`."""
TRIAGE_BEFORE = Ask(blocked=True, capacity=True)
"""What they compare with the earlier reading, beside stat."""
TWICE = Ask(blocked=True, status=True, io=True, swapped=True, delays=True)
"""Parts that make rates of two readings: they are read of every process at both."""
COUNTERS = TWICE._replace(capacity=True)
"""All that is compared with a second reading."""


_LIGHT = Ask(uids=True, users=True, cgroups=True, names=True, commands=True, blocked=True)
_ON_DEMAND = frozenset({"depth", "context"}).union(
    *(fields for part, fields in FIELDS.items() if part not in _LIGHT.parts)
)
LIGHT_FIELDS = tuple(name for name in Process.__struct_fields__ if name not in _ON_DEMAND)
"""What JSON gives when no field is named: all but what costs more time a process."""


def ask_for(fields: Iterable[str]) -> Ask:
    """The ask that these fields need."""
    wanted = set(fields)
    return Ask(**{part: not wanted.isdisjoint(filled) for part, filled in FIELDS.items()})
