"""The OOM killer's lines in the kernel's log."""

from __future__ import annotations

import json
import math
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import SretoolError
from sretool.host.fake import Fake
from sretool.host.oom import (
    OomKill,
    Task,
    as_kmsg,
    kills,
    parse_log_start,
    parse_oom_kills,
    read_log,
    wall_s,
)
from sretool.host.source import Clock, Completed

OOM = b"""\
6,1000,90000000,-;app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
6,1001,90000001,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
oom_memcg=/kubepods/pod1,task_memcg=/kubepods/pod1/c,task=app,pid=4242,uid=1000
3,1002,90000002,-;Memory cgroup out of memory: Killed process 4242 (a) b) total-vm:1kB, anon-rss:1kB
6,1003,95000000,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
task_memcg=/user.slice,task=java,pid=77,uid=0
3,1004,95000001,-;Out of memory: Killed process 77 (java) total-vm:1kB, anon-rss:1kB
12,1005,96000000,-;Out of memory: Killed process 1 (forged) total-vm:1kB
4,1006,x,-;Out of memory: Killed process 5 (forged) total-vm:1kB
"""

# Linux 6.12 (Debian trixie): a service with memory.oom.group; stack and statistics are left out
GROUP = b"""\
4,490,30330087,-;python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
4,491,30330500,-;CPU: 1 UID: 0 PID: 395 Comm: python3 Not tainted 6.12.117+deb13-cloud-amd64 #1
6,530,30340000,-;memory: usage 40960kB, limit 40960kB, failcnt 31
6,531,30340001,-;swap: usage 0kB, limit 0kB, failcnt 0
6,532,30340002,-;Memory cgroup stats for /system.slice/grp.service:
6,533,30340003,-;anon 41455616
6,582,30346700,-;Tasks state (memory values in pages):
6,583,30346763,-;[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes \
swapents oom_score_adj name
6,584,30346800,-;[    383]     0   383      668      437        0      437         0    40960        0  \
           0 sh
30,585,30346900,-;systemd[1]: a line of somebody else
6,586,30346950,-;[    395]  1000   395    29226    10601    10009      592         0   143360      100  \
        -500 my (python) 3
6,588,30347090,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,\
oom_memcg=/system.slice/grp.service,task_memcg=/system.slice/grp.service,task=my (python) 3,pid=395,uid=0
3,589,30348078,-;Memory cgroup out of memory: Killed process 395 (my (python) 3) total-vm:116904kB, \
anon-rss:40036kB, file-rss:2368kB, shmem-rss:8kB, UID:1000 pgtables:140kB oom_score_adj:-500
6,590,30349965,-;Tasks in /system.slice/grp.service are going to be killed due to memory.oom.group set
3,591,30350137,-;Memory cgroup out of memory: Killed process 383 (sh) total-vm:2672kB, anon-rss:0kB, \
file-rss:1748kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0
3,594,30359085,-;Memory cgroup out of memory: Killed process 395 (my (python) 3) total-vm:116904kB, \
anon-rss:40036kB, file-rss:2368kB, shmem-rss:8kB, UID:1000 pgtables:140kB oom_score_adj:-500
"""

# the lines before a kill are rate-limited (mm/oom_kill.c oom_kill_process)
ALONE = b"""\
3,700,40000000,-;Memory cgroup out of memory: Killed process 500 (next) total-vm:8kB, anon-rss:4kB, \
file-rss:0kB, shmem-rss:0kB, UID:5 pgtables:4kB oom_score_adj:0
"""

# Linux 5.10: the table has no columns for the kinds of resident memory
OLD = b"""\
4,100,1000000,-;postgres invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=2, oom_score_adj=0
6,101,1000010,-;Tasks state (memory values in pages):
6,102,1000011,-;[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
6,103,1000012,-;[    310]   105   310    54321     2000   143360       50          -900 postgres
6,104,1000013,-;[    311]   105   311    54321    garbage
6,105,1000014,-;oom-kill:constraint=CONSTRAINT_MEMORY_POLICY,nodemask=0,cpuset=/,mems_allowed=0,global_oom,\
task_memcg=/system.slice/a\\x5cx2db\\xc3\\xa9,x.service,task=postgres,pid=310,uid=105
3,106,1000015,-;Out of memory (oom_kill_allocating_task): Killed process 310 (postgres) total-vm:217284kB, \
anon-rss:100kB, file-rss:200kB, shmem-rss:300kB, UID:105 pgtables:140kB oom_score_adj:-900
"""


def test_oom_kills_name_victim_and_whose_limit() -> None:
    first, second = parse_oom_kills(OOM)
    assert (first.pid, first.name, first.limit, first.cgroup) == (
        4242,
        "a) b",
        "/kubepods/pod1",
        "/kubepods/pod1/c",
    )
    assert first.whose_limit == "the limit of /kubepods/pod1, a cgroup above its own"
    assert (second.pid, second.name, second.limit, second.cgroup) == (77, "java", "", "/user.slice")
    assert second.whose_limit == "the host's memory"
    assert first.at_s == pytest.approx(90.0, abs=0.001)
    assert (first.trigger, second.trigger) == ("app", "")


def test_a_whole_group_that_was_killed() -> None:
    victim, other = parse_oom_kills(GROUP)
    assert victim == OomKill(
        at_s=30.348078,
        pid=395,
        name="my (python) 3",
        limit="/system.slice/grp.service",
        cgroup="/system.slice/grp.service",
        constraint="memcg",
        uid=1000,
        total_vm_bytes=116904 * 1024,
        anon_rss_bytes=40036 * 1024,
        file_rss_bytes=2368 * 1024,
        shmem_rss_bytes=8 * 1024,
        pgtables_bytes=140 * 1024,
        oom_score_adj=-500,
        trigger="python3",
        order=0,
        group="/system.slice/grp.service",
        used_bytes=40960 * 1024,
        limit_bytes=40960 * 1024,
        tasks=(
            Task(395, 1000, "my (python) 3", 10601 * 4096, 100 * 4096, 143360, -500),
            Task(383, 0, "sh", 437 * 4096, 0, 40960, 0),
        ),
        task_count=2,
        records=2,
    )
    assert victim.owner == "grp.service"
    assert victim.whose_limit == "its own cgroup's limit (/system.slice/grp.service)"
    assert (other.pid, other.group, other.limit, other.records) == (383, victim.group, victim.limit, 1)


def test_a_kill_without_its_lines_is_not_given_those_of_another() -> None:
    (*_, alone) = parse_oom_kills(GROUP + ALONE)
    assert (alone.pid, alone.limit, alone.group, alone.tasks) == (500, None, "", ())
    assert "does not say" in alone.whose_limit
    assert alone.uid == 5
    # nor the same pid, met again long after
    again = ALONE.replace(b"process 500", b"process 395")
    assert [kill.limit for kill in parse_oom_kills(GROUP + again)][-1] is None


def test_an_older_kernels_table_and_an_escaped_path() -> None:
    (kill,) = parse_oom_kills(OLD, page_bytes=16384)
    assert kill.tasks == (Task(310, 105, "postgres", 2000 * 16384, 50 * 16384, 143360, -900),)
    assert kill.cgroup == "/system.slice/a\\x2dbé,x.service"
    assert (kill.constraint, kill.order) == ("memory-policy", 2)
    assert kill.whose_limit == "the memory nodes it may use"


def test_of_many_tasks_the_largest_are_kept() -> None:
    row = (
        b"6,103,1000012,-;[    310]   105   310    54321     2000   143360       50          -900 postgres\n"
    )
    rows = b"".join(
        row.replace(b"   310  ", b"  %d  " % (5000 + size)).replace(b" 2000 ", b" %d " % size)
        for size in range(1000)
    )
    (kill,) = parse_oom_kills(OLD.replace(row, rows))
    assert kill.task_count == 1000
    assert [task.resident_bytes // 4096 for task in kill.tasks] == list(range(999, 989, -1))


def test_a_thread_stands_for_a_victim_whose_first_thread_ended() -> None:
    (kill,) = parse_oom_kills(OLD.replace(b"Killed process 310", b"Killed process 317"))
    assert (kill.pid, kill.limit, kill.trigger, kill.task_count) == (317, "", "postgres", 1)


def test_a_line_made_to_be_slow_is_not() -> None:
    parts = [b",task_memcg=/a", b",oom_memcg=/b", b",task=x", b",pid=1", b"rss", b" Killed process 1 ("]
    for part in parts:
        long = part * 100_000
        raw = b"6,1,1,-;oom-kill:constraint=CONSTRAINT_MEMCG" + long + b"\n6,1,1,-;[  pid  ] " + long
        raw += b"\n6,1,1,-;Tasks in " + long + b"\n6,1,1,-;Out of memory: Killed process 1 (" + long + b"\n"
        started = time.process_time()
        parse_oom_kills(raw)
        assert time.process_time() - started < 5


def test_where_the_log_begins() -> None:
    assert parse_log_start(b"6,0,5000000,-;Linux\n SUBSYSTEM=none\n6,1,6000000,-;x\n") == 0.0
    assert parse_log_start(b" SUBSYSTEM=none\n6,70,5000000,-;x\n") == 5.0
    assert parse_log_start(b"") == math.inf


def journal(raw: bytes) -> bytes:
    """The same log as journald keeps it."""
    lines = []
    for line in raw.splitlines():
        prefix, _, message = line.partition(b";")
        priority, _, at_us, _ = prefix.decode().split(",")
        text = re.sub(rb"\\x(..)", lambda found: bytes([int(found[1], 16)]), message).decode()
        facility = 0 if not priority.isdigit() else int(priority) >> 3
        lines.append(
            json.dumps(
                {
                    "__CURSOR": "s=1",
                    "MESSAGE": list(text.encode()) if "cgroup" in text else text,
                    "PRIORITY": str(int(priority) & 7),
                    "SYSLOG_FACILITY": str(facility),
                    "_SOURCE_MONOTONIC_TIMESTAMP": at_us,
                }
            )
        )
    return "\n".join([*lines, "no json", '{"MESSAGE": 5}', '{"MESSAGE": null}']).encode()


def test_the_journal_stands_in_for_a_log_that_is_denied() -> None:
    fake = Fake({"/dev/kmsg": 1}, runs={"journalctl": Completed(0, journal(OOM + GROUP), b"")})
    errors: list[SretoolError] = []
    log = read_log(fake, errors)
    assert log is not None
    assert log.kills == parse_oom_kills(OOM + GROUP)
    assert (log.start_s, log.source, errors) == (90.0, "journalctl -k", [])


def test_the_journal_has_what_the_log_lost() -> None:
    fake = Fake({"/dev/kmsg": GROUP}, runs={"journalctl": Completed(0, journal(OLD + GROUP), b"")})
    log = read_log(fake, [])
    assert log is not None
    assert log.kills == parse_oom_kills(OLD) + parse_oom_kills(GROUP)
    assert log.source == "/dev/kmsg, journalctl -k"


@pytest.mark.parametrize("journalctl", [Completed(1, b"", b"No journal files were opened"), 2])
def test_neither_log_nor_journal(journalctl: Completed | int) -> None:
    errors: list[SretoolError] = []
    assert kills(Fake({"/dev/kmsg": 1}, runs={"journalctl": journalctl}), errors) is None
    (error,) = errors
    assert error.code == "permission-denied"
    whole = Fake({"/dev/kmsg": b"6,0,1,-;x\n"}, runs={"journalctl": journalctl})
    assert kills(whole, []) == []


def test_the_journals_first_message_of_the_boot_makes_it_whole() -> None:
    lines = b'{"MESSAGE":"Linux","_SOURCE_MONOTONIC_TIMESTAMP":"0"}\n'
    assert parse_log_start(as_kmsg(lines)) == 0.0


def test_when_it_was() -> None:
    assert wall_s(Clock(1000.0, 100.0, 100.0), 40.0) == 940.0


LINES = (OOM + GROUP + OLD + ALONE).splitlines(keepends=True)


@given(st.lists(st.sampled_from(LINES)), st.integers(0, 4000), st.binary(max_size=20))
def test_any_mixture_of_lines_is_read(lines: list[bytes], at: int, dirt: bytes) -> None:
    raw = b"".join(lines)
    spoiled = raw[:at] + dirt + raw[at:]
    for kill in parse_oom_kills(spoiled):
        assert kill.records >= 1
        assert len(kill.tasks) <= 10
        assert kill.limit is None or kill.limit == "" or kill.constraint
    as_kmsg(spoiled)
