"""/proc/PID/status and the masks in it: whole, old, damaged, beside psutil."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.procs.masks import CAPABILITIES, SIGNALS, capabilities, signals
from sretool.procs.status import Ids, parse

WHOLE = b"""\
Name:\tevil\\nUid:\t7\t7\t7\t7
Umask:\t0022
State:\tS (sleeping)
Tgid:\t42
Pid:\t42
PPid:\t1
TracerPid:\t0
Uid:\t33\t34\t35\t36
Gid:\t1\t2\t3\t4
FDSize:\t256
Groups:\t4 24 27
NSpid:\t42\t7
VmPeak:\t    9000 kB
VmSize:\t    8000 kB
VmLck:\t       4 kB
VmPin:\t       0 kB
VmHWM:\t    1612 kB
VmRSS:\t    1500 kB
RssAnon:\t     116 kB
RssFile:\t    1384 kB
RssShmem:\t       0 kB
VmData:\t     360 kB
VmStk:\t     132 kB
VmPTE:\t      44 kB
VmSwap:\t       8 kB
HugetlbPages:\t    2048 kB
CoreDumping:\t0
Threads:\t3
SigQ:\t1/96364
SigPnd:\t0000000000000000
ShdPnd:\t0000000000000100
SigBlk:\t0000000000000001
SigIgn:\t0000000000001000
SigCgt:\t0000000180000002
CapInh:\t0000000000000000
CapPrm:\t000001fffeffffff
CapEff:\t0000000000000400
CapBnd:\t000001ffffffffff
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t5
Cpus_allowed:\t3
Cpus_allowed_list:\t0-1
Mems_allowed_list:\t0
voluntary_ctxt_switches:\t10
nonvoluntary_ctxt_switches:\t3
x_new_key:\twhatever
"""


def test_every_line() -> None:
    found = parse(WHOLE, "42")
    assert (found.uids, found.gids) == (Ids(33, 34, 35, 36), Ids(1, 2, 3, 4))
    assert (found.thread_group, found.umask, found.tracer_pid, found.groups) == (42, 0o22, 0, (4, 24, 27))
    assert (found.namespace_pids, found.threads) == ((42, 7), 3)
    assert (found.virtual_peak_bytes, found.virtual_bytes) == (9000 << 10, 8000 << 10)
    assert (found.locked_bytes, found.pinned_bytes, found.rss_peak_bytes) == (4096, 0, 1612 << 10)
    assert (found.rss_bytes, found.rss_anon_bytes, found.rss_file_bytes) == (
        1500 << 10,
        116 << 10,
        1384 << 10,
    )
    assert (found.rss_shmem_bytes, found.data_bytes, found.stack_bytes) == (0, 360 << 10, 132 << 10)
    assert (found.page_table_bytes, found.swap_bytes, found.hugetlb_bytes) == (44 << 10, 8 << 10, 2 << 20)
    assert (found.core_dumping, found.signals_queued, found.signals_queue_limit) == (False, 1, 96364)
    assert (found.signals_pending, found.signals_pending_shared) == (0, 0x100)
    assert (found.signals_blocked, found.signals_ignored, found.signals_caught) == (1, 0x1000, 0x180000002)
    assert found.capabilities_permitted == 0x1FFFEFFFFFF
    assert (found.capabilities_effective, found.capabilities_bounding) == (0x400, (1 << 41) - 1)
    assert (found.capabilities_inheritable, found.capabilities_ambient) == (0, 0)
    assert (found.no_new_privs, found.seccomp, found.seccomp_filters) == (True, 2, 5)
    assert (found.cpus_allowed, found.mems_allowed, found.switches) == ("0-1", "0", 13)


def test_what_is_not_there_is_unknown_and_not_zero() -> None:
    found = parse(b"Name:\tkthreadd\nThreads:\t1\nGroups:\t\n", "2")
    assert (found.threads, found.groups) == (1, ())
    assert set(found._replace(threads=None, groups=None)) == {None}
    assert found.switches is None


@pytest.mark.parametrize(
    "line",
    [b"Uid:\t1\t2\t3", b"Uid:\ta\tb\tc\td", b"VmRSS:\t12", b"VmRSS:\t-1 kB", b"Threads:\tmany", b"SigQ:\t1",
     b"CapEff:\tzz", b"CapEff:\t" + b"f" * 40, b"Threads:\t" + b"9" * 500, b"Umask:\t0099", b"SigBlk:\t+1"],
)  # fmt: skip
def test_damage_is_a_parse_error_that_names_file_and_line(line: bytes) -> None:
    with pytest.raises(ParseError, match=r"/proc/77/status " + line.partition(b":")[0].decode()):
        parse(line + b"\n", "77")


KEYS = re.findall(rb"^(\w+):", WHOLE, re.M)


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.binary(max_size=60)), max_size=20))
def test_any_value(lines: list[tuple[bytes, bytes]]) -> None:
    try:
        parse(b"".join(key + b":\t" + value + b"\n" for key, value in lines), "1")
    except ParseError:
        pass


def test_signals_by_name() -> None:
    named = signals((1 << 64) - 1)
    assert named[: len(SIGNALS)] == list(SIGNALS)
    assert named[31:34] == ["RT0", "RT1", "RT2"]
    assert len(named) == 64
    for number, name in enumerate(SIGNALS, 1):
        if hasattr(signal, f"SIG{name}"):
            assert getattr(signal, f"SIG{name}") == number
    assert signals(0x10001, "mips64") == ["1", "17"]


def test_capabilities_by_name() -> None:
    assert capabilities(0) == []
    assert capabilities(1 << 10 | 1 << 21 | 1 << 45) == ["net_bind_service", "sys_admin", "unknown-45"]
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    assert len(capabilities((2 << last) - 1)) == last + 1
    header = Path("/usr/include/linux/capability.h")
    if header.exists():
        told = re.findall(r"#define CAP_(\w+)\s+(\d+)\n", header.read_text())
        assert {int(number): name.lower() for name, number in told if name != "LAST_CAP"}.items() <= dict(
            enumerate(CAPABILITIES)
        ).items()


@pytest.mark.oracle
def test_as_psutil_says_of_every_process() -> None:
    compared = 0
    for process in psutil.process_iter():
        try:
            with open(f"/proc/{process.pid}/status", "rb") as file:
                found = parse(file.read(), str(process.pid))
            assert tuple(found.uids or ())[:3] == tuple(process.uids())
            assert tuple(found.gids or ())[:3] == tuple(process.gids())
            assert found.no_new_privs is not None
            compared += 1
        except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
            continue
    mine = parse(Path(f"/proc/{os.getpid()}/status").read_bytes(), "self")
    assert mine.virtual_bytes == pytest.approx(psutil.Process().memory_info().vms, rel=0.2)
    assert compared > 10
