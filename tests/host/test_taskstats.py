"""Delay accounting: the struct's versions, what is unknown, and the kernel's own word."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError, SourceError, SretoolError
from sretool.host import netlink, taskstats
from sretool.host.fake import Fake
from sretool.host.live import Live
from sretool.host.recorder import Recorder
from sretool.host.recording import Recording
from sretool.host.source import Dump
from sretool.host.taskstats import FAMILY, Delays, delays, parse

ON = {taskstats.SWITCH: "1\n"}


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def family(number: int = 31) -> bytes:
    return frames.message(16, struct.pack("=BBH", 1, 2, 0) + attribute(1, struct.pack("=H", number)))


def answer(stats: bytes, pid: int = 7) -> bytes:
    inner = attribute(2, struct.pack("=I", pid)) + attribute(6, b"") + attribute(3, stats)
    return frames.message(31, struct.pack("=BBH", 2, 1, 0) + attribute(5, inner))


def stats(version: int, size: int, at: dict[int, int]) -> bytes:
    raw = bytearray(size)
    struct.pack_into("=H", raw, 0, version)
    for offset, value in at.items():
        struct.pack_into("=Q", raw, offset, value)
    return bytes(raw)


# linux/taskstats.h: version, size, offsets of the totals (gcc's offsetof on the header of each version)
LAYOUTS = {
    8: (328, (24, 40, 56, 320)),
    9: (344, (24, 40, 56, 320, 336)),
    11: (368, (24, 40, 56, 320, 336, 360)),
    13: (416, (24, 40, 56, 320, 336, 360, 408)),
    14: (432, (24, 40, 56, 320, 336, 360, 408, 424)),
    15: (560, (24, 56, 88, 368, 400, 440, 504, 536)),
    16: (560, (24, 40, 56, 320, 336, 360, 408, 424)),
}


@pytest.mark.parametrize("version", LAYOUTS)
def test_each_version_of_the_struct(version):
    size, offsets = LAYOUTS[version]
    raw = stats(version, size, {at: number for number, at in enumerate(offsets, 1)})
    values = [number if number <= len(offsets) else None for number in range(1, 9)]
    assert parse(answer(raw)) == Delays(*values)


def test_what_the_kernel_does_not_count_is_unknown_and_not_zero():
    raw = {FAMILY.key: [family()], "taskstats 7": [answer(stats(16, 560, {24: 5}))]}
    errors: list[SretoolError] = []
    assert delays(Fake(ON, netlink=raw), [7], errors) == {7: Delays(5, 0, 0, 0, 0, 0, 0, 0)}
    assert delays(Fake({taskstats.SWITCH: "0\n"}, netlink=raw), [7], errors) == {7: Delays(5)}
    old = {"/proc/cmdline": "quiet nodelayacct\n"}
    assert delays(Fake(old, netlink=raw), [7], errors) == {7: Delays(5)}
    assert delays(Fake({"/proc/cmdline": "quiet\n"}, netlink=raw), [7], errors)[7].irq_ns == 0
    assert errors == []


def test_one_error_for_all_that_may_not_be_read_and_none_for_what_ended():
    errors: list[SretoolError] = []
    answers = {FAMILY.key: [family()], "taskstats 7": errno.EPERM, "taskstats 8": errno.EPERM}
    assert delays(Fake(ON, netlink=answers), [7, 8], errors) == {}
    assert [error.code for error in errors] == ["permission-denied"]
    assert "CAP_NET_ADMIN" in errors[0].hint
    errors.clear()
    assert delays(Fake(ON, netlink={FAMILY.key: [family()], "taskstats 7": errno.ESRCH}), [7], errors) == {}
    assert errors == []


def test_a_kernel_without_it():
    errors: list[SretoolError] = []
    assert delays(Fake(ON, netlink={FAMILY.key: errno.ENOENT}), [7], errors) == {}
    assert [error.code for error in errors] == ["unsupported"]


@given(st.binary(max_size=700))
def test_any_struct_is_decoded_or_refused(raw):
    try:
        assert len(parse(answer(raw))) == 8
    except ParseError:
        assert len(raw) < 32


@given(st.binary(max_size=200), st.booleans())
def test_any_frame_is_decoded_or_refused(raw, whole):
    for read in (parse, taskstats.parse_family):
        try:
            read(frames.message(31, raw) if whole else raw)
        except ParseError:
            pass


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs CAP_NET_ADMIN")


@needs_root
def test_a_process_that_ended_is_left_out_and_a_recording_says_the_same():
    recorder = Recorder(Live())
    errors: list[SretoolError] = []
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    pids = [os.getpid(), 1, ended.pid, *range(3, 200)]
    found = delays(recorder, pids, errors)
    assert errors == []
    assert os.getpid() in found
    assert ended.pid not in found
    assert delays(Recording("x", recorder.moment, None), pids, errors) == found
    assert errors == []
    delays(Recording("x", Recorder(Live()).moment, None), pids, errors)
    assert [error.code for error in errors] == ["not-recorded"]


@needs_root
@pytest.mark.oracle
def test_the_wait_for_a_cpu_is_what_schedstat_says():
    """Of a stopped process of one thread: neither moves while both are read."""
    script = "import os, signal\nsum(range(3_000_000))\nos.kill(os.getpid(), signal.SIGSTOP)"
    with subprocess.Popen([sys.executable, "-c", script]) as child:
        try:
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            with open(f"/proc/{child.pid}/schedstat") as file:
                waited = int(file.read().split()[1])
            assert delays(Live(), [child.pid], [])[child.pid].cpu_ns == waited
        finally:
            child.kill()


@needs_root
@pytest.mark.oracle
def test_another_decoder_agrees():
    from pyroute2.netlink.taskstats import TaskStats

    script = "import os, signal\nopen('/proc/self/stat').read()\nos.kill(os.getpid(), signal.SIGSTOP)"
    with subprocess.Popen([sys.executable, "-c", script]) as child, TaskStats() as theirs:
        try:
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            theirs.bind()
            message = theirs.get_pid_stat(child.pid)[0]
            told = message.get_attr("TASKSTATS_TYPE_AGGR_PID").get_attr("TASKSTATS_TYPE_STATS")
            ours = delays(Live(), [child.pid], [])[child.pid]
            assert ours.cpu_ns == told["cpu_delay_total"]
            if ours.blkio_ns is not None and told["version"] != 15:
                assert ours.blkio_ns == told["blkio_delay_total"]
                assert ours.swapin_ns == told["swapin_delay_total"]
                assert ours.freepages_ns == told["freepages_delay_total"]
        finally:
            child.kill()


@needs_root
def test_a_refused_request_does_not_hold_up_the_others():
    """More requests than one batch, every third of them for a pid that cannot be."""
    number = taskstats.parse_family(netlink.dump(FAMILY).frames[0])
    requests = [taskstats._question(number, os.getpid())]
    requests += [taskstats._question(number, 1 if at % 3 else 2**22 + at) for at in range(200)]
    keyed = [Dump(str(at), *request[1:]) for at, request in enumerate(requests)]
    found = netlink.answers(keyed)
    assert len(found) == len(keyed)
    assert {item for item in found.values() if isinstance(item, int)} == {errno.ESRCH}
    assert netlink.answers([]) == {}
    with pytest.raises(SourceError):
        netlink.answers([Dump("nonsense", 99, 1, 0, b"")])
