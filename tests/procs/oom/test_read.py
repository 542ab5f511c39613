"""Whom the OOM killer would choose, from made-up files."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import UsageError
from sretool.host.fake import Fake
from sretool.host.source import Clock, Completed
from sretool.procs.oom import read
from sretool.procs.oom.model import Oom
from sretool.report.table import Lines, Table

MIB = 1024 * 1024
V2 = "29 23 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1 = "29 23 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
ROOT = "/sys/fs/cgroup"


def process(
    pid: int, mib: int, adj: int = 0, cgroup: str = "0::/\n", *, swap: int = 0, name: str = "app"
) -> dict[str, Any]:
    status = (
        f"Name:\t{name}\nState:\tS\nUid:\t0\t0\t0\t0\nVmRSS:\t{mib * 1024} kB\n"
        f"VmPTE:\t0 kB\nVmSwap:\t{swap * 1024} kB\n"
    )
    return {
        f"/proc/{pid}/status": status,
        f"/proc/{pid}/oom_score_adj": f"{adj}\n",
        f"/proc/{pid}/oom_score": "666\n",
        f"/proc/{pid}/cgroup": cgroup,
    }


def group(path: str, limit: str = "max", used: int = 0, whole: str = "0", kills: int = 0) -> dict[str, Any]:
    return {
        f"{ROOT}{path}/cgroup.procs": "",
        f"{ROOT}{path}/memory.max": f"{limit}\n",
        f"{ROOT}{path}/memory.current": f"{used}\n",
        f"{ROOT}{path}/memory.oom.group": f"{whole}\n",
        f"{ROOT}{path}/memory.events": f"oom 1\noom_kill {kills}\n",
        f"{ROOT}{path}/memory.events.local": f"oom 1\noom_kill {kills}\n",
    }


def look(*parts: dict[str, Any], wanted: str | None = None, mounts: str = V2, **more: Any) -> Oom:
    files: dict[str, Any] = {
        "/proc/self/mountinfo": mounts,
        "/proc/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 500000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n",
        "/proc/vmstat": "nr_free_pages 1\noom_kill 0\n",
        "/dev/kmsg": "6,0,1,-;Linux\n",
        f"{ROOT}/cgroup.procs": "",
    }
    for part in parts:
        files |= part
    runs = more.pop("runs", {})
    files |= more
    fake = Fake(files, runs=runs, clock=Clock(1_800_000_000.0, 1000.0, 1000.0))
    return read.build(read.sample(fake, read.Ask()), wanted)


def test_the_order_is_that_of_the_kernel() -> None:
    found = look(
        process(10, 100),
        process(11, 300),
        process(12, 1, adj=500),
        process(13, 900, adj=-1000),
        process(14, 500, adj=-900),
        process(15, 50, swap=200),
        process(1, 999, name="init"),
        {"/proc/16/status": "Name:\tkworker/0:1\nState:\tI\n", "/proc/17/status": 3},
    )
    assert [row.pid for row in found.processes] == [12, 11, 15, 10, 14, 13]
    assert [row.killable for row in found.processes] == [True] * 5 + [False]
    pages = 1 * 256 + 500 * (1000000 // 4 // 1000)
    assert found.processes[0].points_bytes == pages * 4096
    assert found.processes[4].points_bytes < 0
    assert found.total == 6


def test_a_group_near_its_limit_names_its_own_victim() -> None:
    in_a, in_b = "0::/a/one\n", "0::/b\n"
    found = look(
        group("/a", str(200 * MIB), 190 * MIB),
        group("/a/one"),
        group("/b", str(500 * MIB), 100 * MIB),
        group("/empty", str(MIB)),
        process(10, 100, cgroup=in_a),
        # 90 thousandths of 200 MiB are less than those of the host
        process(11, 10, adj=90, cgroup=in_a),
        process(12, 150, adj=-1000, cgroup=in_a),
        process(13, 90, cgroup=in_b),
    )
    assert found.processes[0].pid == 10
    near, far = found.groups
    assert (near.path, near.victim_pid, near.candidates, near.used_ratio) == ("/a", 10, 2, 0.95)
    assert near.headroom_bytes == 10 * MIB
    assert (far.path, far.victim_pid, far.used_ratio) == ("/b", 13, 0.2)
    inside = look(
        group("/a", str(200 * MIB), 190 * MIB),
        group("/a/one"),
        process(10, 100, cgroup=in_a),
        process(13, 900, cgroup=in_b),
        wanted="one",
    )
    assert ([row.pid for row in inside.processes], inside.cgroup) == ([10], "/a/one")


def test_thousandths_are_of_the_groups_own_memory() -> None:
    files = (
        group("/a", str(100 * MIB)),
        process(10, 30, cgroup="0::/a\n"),
        process(11, 1, adj=200, cgroup="0::/a\n"),
    )
    assert [row.pid for row in look(*files).processes] == [11, 10]  # 200 MB of the host's memory
    assert [row.pid for row in look(*files, wanted="/a").processes] == [10, 11]  # 20 MiB of the group's


def test_what_is_killed_whole() -> None:
    files = (
        group("/pod", str(100 * MIB), 99 * MIB, whole="1"),
        group("/pod/c", whole="1"),
        process(10, 30, cgroup="0::/pod/c\n"),
    )
    assert look(*files).processes[0].takes == "/pod"
    assert look(*files).groups[0].takes == "/pod"
    # when only the container's own limit is hit, the pod stays
    assert look(*files, wanted="/pod/c").processes[0].takes == "/pod/c"
    assert look(*files, group("/pod", whole="0")).processes[0].takes == "/pod/c"


def test_v1_groups_and_a_killer_that_is_off() -> None:
    base = "/sys/fs/cgroup/memory"
    files = {
        f"{base}/cgroup.procs": "",
        f"{base}/a/cgroup.procs": "10\n",
        f"{base}/a/memory.limit_in_bytes": str(100 * MIB),
        f"{base}/a/memory.usage_in_bytes": str(90 * MIB),
        f"{base}/a/memory.oom_control": "oom_kill_disable 1\nunder_oom 0\noom_kill 4\n",
    }
    # systemd's own hierarchy has another path
    cgroup = "5:memory:/a\n1:name=systemd:/system.slice/x.service\n0::/system.slice/x.service\n"
    found = look(files, process(10, 30, cgroup=cgroup), mounts=V1)
    assert [(row.path, row.killer_off, row.victim_pid) for row in found.groups] == [("/a", True, 10)]
    assert [(row.path, row.oom_kills, row.logged) for row in found.lost] == [("/a", 4, 0)]


LOG = """\
4,490,960000000,-;python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
6,530,960000001,-;memory: usage 40960kB, limit 40960kB, failcnt 31
6,583,960000002,-;[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
6,584,960000003,-;[    383]     0   383      668      437     40960        0             0 sh
6,586,960000004,-;[    395]  1000   395    29226    10601    143360        0          -500 leak
6,588,960000005,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
oom_memcg=/a.slice,task_memcg=/a.slice/b.service,task=leak,pid=395,uid=1000
3,589,960000006,-;Memory cgroup out of memory: Killed process 395 (leak) total-vm:116904kB, \
anon-rss:40036kB, file-rss:2368kB, shmem-rss:8kB, UID:1000 pgtables:140kB oom_score_adj:-500
6,590,960000007,-;Tasks in /a.slice/b.service are going to be killed due to memory.oom.group set
3,591,960000008,-;Memory cgroup out of memory: Killed process 383 (sh) total-vm:2672kB, anon-rss:0kB, \
file-rss:1748kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0
"""


def test_the_past_and_what_the_log_lost() -> None:
    found = look(
        group("/a.slice/b.service", kills=2),
        group("/c.slice/d.service", kills=3),
        process(10, 1),
        **{"/dev/kmsg": LOG, "/proc/vmstat": "oom_kill 5\n"},
    )
    assert found.kills is not None
    victim, other = found.kills
    assert (victim.process, victim.unit, victim.level, victim.limit_cgroup) == (
        "leak",
        "b.service",
        "above",
        "/a.slice",
    )
    assert victim.at == "2027-01-15T07:59:20.000Z"
    assert (victim.ago_s, victim.rss_bytes, victim.limit_bytes) == (40.0, 42412 * 1024, 40960 * 1024)
    assert [large.process for large in victim.largest] == ["leak", "sh"]
    assert other.group == "/a.slice/b.service"
    assert (found.kills_total, found.kills_logged, found.log) == (5, 2, "/dev/kmsg")
    assert found.log_since == "2027-01-15T07:59:20.000Z"
    assert [(row.path, row.oom_kills, row.logged) for row in found.lost] == [("/c.slice/d.service", 3, 0)]


def test_a_kill_after_the_counter_was_read_counts_too() -> None:
    found = look(process(10, 1), **{"/dev/kmsg": LOG, "/proc/vmstat": "oom_kill 1\n"})
    assert (found.kills_total, found.kills_logged) == (2, 2)


def text(data: Oom) -> str:
    from sretool.command import Look
    from sretool.procs.oom.view import oom
    from sretool.report.table import plain_text
    from sretool.report.terminal import Terminal

    blocks = oom(data, Look(("points_bytes", "pid"), Terminal(False, None, None, False, True), False))
    assert any(isinstance(block, Table) for block in blocks)
    return "\n".join(plain_text(line) for block in blocks if isinstance(block, Lines) for line in block.lines)


def test_the_past_in_words() -> None:
    said = text(
        look(
            group("/c.slice/d.service", kills=3),
            process(10, 1),
            **{"/dev/kmsg": LOG, "/proc/vmstat": "oom_kill 5\n"},
        )
    )
    assert (
        "killed since boot: 5 processes; 3 no longer in the log, which goes back to 2027-01-15T07:59:20"
        in said
    )
    leaked = "40s ago: leak[395] of b.service (41.4M) because of the limit of /a.slice"
    assert f"{leaked}, a cgroup above its own: 40.0M" in said
    assert "python3 asked for memory; with it 1 more process of /a.slice/b.service (memory.oom.group)" in said
    assert "largest then: leak[395] 41.4M (adj -500), sh[383] 1.7M, of 2 processes" in said
    assert "/c.slice/d.service counts 3 kills; the log shows 0" in said
    assert "nobody was killed since boot" in text(look(process(10, 1)))


def test_a_log_that_is_denied_is_unknown() -> None:
    found = look(process(10, 1), **{"/dev/kmsg": 1, "/proc/vmstat": "oom_kill 5\n"})
    assert (found.kills, found.kills_logged, found.kills_total, found.lost) == (None, None, 5, [])
    assert "killed since boot: 5 processes; the kernel's log could not be read" in text(found)


def test_a_program_that_kills_earlier_is_named() -> None:
    oomctl = (
        b"Swap Used Limit: 90.00%\nSystem Context:\n\tMemory: Used: 1G\nSwap Monitored CGroups:\n\tPath: /\n"
    )
    found = look(process(10, 1, name="systemd-oomd"), runs={"oomctl": Completed(0, oomctl, b"")})
    (killer,) = found.killers
    assert killer.says == ["Swap Used Limit: 90.00%", "Path: /"]
    assert look(process(10, 1, name="earlyoom")).killers[0].name == "earlyoom"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [("x.service", "2 groups are 'x.service': /a/x.service, /b/x.service"), ("y", "no group")],
)
def test_a_name_of_many_groups_lists_them(wanted: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        look(group("/a/x.service"), group("/b/x.service"), wanted=wanted)


def test_no_cgroups_at_all() -> None:
    found = look(process(10, 1), mounts="22 1 0:21 / /proc rw - proc proc rw\n")
    assert (found.groups, [row.pid for row in found.processes]) == ([], [10])


numbers = st.sampled_from([b"0", b"-1000", b"18446744073709551615", b"9" * 30, b"x", b"", b"\xff"])


@given(numbers, numbers, numbers, st.binary(max_size=40), st.binary(max_size=200))
def test_whatever_a_recording_holds(size: bytes, adj: bytes, limit: bytes, dirt: bytes, log: bytes) -> None:
    found = look(
        group("/a", limit.decode("latin-1")),
        {
            "/proc/10/status": b"Name:\t" + dirt + b"\nVmRSS:\t" + size + b" kB\nVmSwap: " + adj + b" kB\n",
            "/proc/10/oom_score_adj": adj,
            "/proc/10/oom_score": size,
            "/proc/10/cgroup": b"0::/a\n" + dirt,
            "/proc/meminfo": b"MemTotal: " + size + b" kB\n",
            "/proc/vmstat": b"oom_kill " + limit + b"\n",
            "/dev/kmsg": LOG.encode().replace(b"960000", limit[:14]) + b"6,9,9,-;" + log,
        },
    )
    msgspec.json.encode(found)
    assert text(found)
