from __future__ import annotations

import errno
import itertools
import time

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.command import Look
from sretool.errors import SretoolError
from sretool.host.fake import Fake
from sretool.host.sampler import SLICE_S, Sampler, ticks
from sretool.host.source import Clock, Frames
from sretool.report.terminal import Terminal
from sretool.sockets.listen.groups import syn_limit
from sretool.sockets.listen.model import Limits, Listening
from sretool.sockets.listen.peaks import Peaks
from sretool.sockets.listen.read import LISTENERS, Ask, build, sample
from sretool.sockets.listen.view import listeners

ASK = Ask(LISTENERS._replace(owners=False, users=False))
SYSCTLS = {
    "/proc/sys/net/core/somaxconn": "128\n",
    "/proc/sys/net/ipv4/tcp_max_syn_backlog": "64\n",
    "/proc/sys/net/ipv4/tcp_syncookies": "1\n",
}


def host(v4: bytes = b"", v6: bytes = b"", udp: bytes = b"", sysctls=SYSCTLS, **more) -> Fake:
    tables = {"tcp/4": v4, "tcp/6": v6, "udp/4": udp, "udp/6": b""}
    netlink = {f"inet-diag/{name}": [raw + frames.DONE] for name, raw in tables.items()}
    return Fake(dict(sysctls), netlink=netlink, **more)


def seen(source: Fake) -> Listening:
    return build(sample(source, ASK))


def half_open(local: str = "127.0.0.1", port: int = 80, number: int = 1, **more) -> bytes:
    remote = "::ffff:192.0.2.1" if ":" in local else "192.0.2.1"
    return frames.socket_message(
        local, port, remote, 1000 + number, state=3, queues=(0, 0), inode=0, cookie=500 + number, **more
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("0.0.0.0", "any"),
        ("::", "any"),
        ("127.0.0.53", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("fe80::1", "link"),
        ("169.254.1.1", "link"),
        ("192.0.2.1", "address"),
        ("2001:db8::1", "address"),
    ],
)
def test_reach_by_address(address, expected):
    raw = frames.socket_message(address)
    now = sample(host(v6=raw) if ":" in address else host(raw), ASK)
    [row] = build(now).listeners
    assert row.reach == expected


def test_listeners_in_trouble_come_first_and_drops_are_matched_by_cookie():
    def at(drops: int, queue: int, clock: float) -> Fake:
        v4 = (
            frames.socket_message(local_port=80, cookie=1, attributes=frames.memory())
            + frames.socket_message(
                local_port=90, cookie=2, queues=(queue, 1), attributes=frames.memory(drops=drops)
            )
            + frames.socket_message(local_port=91, cookie=100 + drops, attributes=frames.memory(drops=99))
        )
        udp = frames.socket_message(
            local_port=53, state=7, queues=(50, 0), cookie=3, attributes=frames.memory(4096, drops)
        )
        return host(v4, udp=udp, clock=Clock(clock, clock, clock))

    now, before = sample(at(30, 2, 12.0), ASK), sample(at(10, 1, 10.0), ASK)
    found = build(now, before)
    assert [(row.local_port, row.drops_per_s) for row in found.listeners] == [
        (90, 10.0),
        (53, 10.0),
        (80, 0.0),
        (91, None),  # another socket on the same port: its count says nothing
    ]
    worst, udp = found.listeners[:2]
    assert (worst.accept_queue, worst.accept_queue_before, worst.full, worst.stuck) == (2, 1, True, False)
    assert (udp.accept_queue, udp.recv_q_bytes, udp.recv_q_limit_bytes) == (None, 50, 4096)
    assert found.tcp.window_s == 2.0


def test_one_reading_gives_no_rates():
    found = build(sample(host(frames.socket_message(attributes=frames.memory(drops=9))), ASK))
    assert (found.listeners[0].drops, found.listeners[0].drops_per_s, found.tcp.window_s) == (9, None, None)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(5, "application"), (128, "somaxconn-or-application"), (511, "somaxconn-lowered")],
)
def test_what_limits_the_queue_as_far_as_it_can_be_told(limit, expected):
    raw = frames.socket_message(queues=(0, limit))
    [row] = seen(host(raw)).listeners
    assert row.accept_queue_limited_by == expected
    [row] = seen(host(raw, sysctls={})).listeners
    assert row.accept_queue_limited_by is None


def test_a_sysctl_that_cannot_be_read_is_an_error_and_none():
    path = "/proc/sys/net/core/somaxconn"
    for content in (errno.EACCES, "many\n"):
        now = sample(host(frames.socket_message(), sysctls={**SYSCTLS, path: content}), ASK)
        assert [error.what for error in now.errors] == [path]
        assert build(now).limits == Limits(None, 64, 1)


@pytest.mark.parametrize(
    ("backlog", "limits", "expected"),
    [
        (128, Limits(128, 64, 1), 128),
        (128, Limits(128, 64, 2), 128),
        (128, Limits(128, 64, 0), 48),
        (5, Limits(128, 64, 0), 5),
        (128, Limits(128, None, 1), 128),
        (128, Limits(128, None, 0), None),
        (128, Limits(128, 64, None), None),
        (None, Limits(128, 64, 1), None),
    ],
)
def test_how_many_half_open_connections_there_may_be(backlog, limits, expected):
    assert syn_limit(backlog, limits) == expected


def test_half_open_connections_are_those_of_the_closest_listener():
    v4 = (
        frames.socket_message("127.0.0.1", 80, cookie=1)
        + frames.socket_message("0.0.0.0", 80, cookie=2)
        + frames.socket_message("0.0.0.0", 80, cookie=3, interface=2)
        + half_open("127.0.0.1", number=1)
        + half_open("127.0.0.1", number=2)
        + half_open("10.0.0.1", number=3)
        + half_open("10.0.0.1", number=4, interface=2)
        + half_open("10.0.0.1", number=5, interface=2)
        + half_open("10.0.0.1", number=6, interface=2)
        + half_open("10.0.0.1", port=81, number=7)
    )
    v6 = frames.socket_message("::", 80, cookie=4) + half_open("::ffff:10.0.0.1", number=8)
    source = host(v4, v6)
    source._netlink["route/links"] = [frames.LINKS]
    found = {
        (row.local_address, row.interface): (row.syn_queue, row.syn_queue_limit)
        for row in seen(source).listeners
    }
    assert found == {
        ("127.0.0.1", None): (2, 128),
        ("0.0.0.0", None): (1, 128),
        ("0.0.0.0", "eth0"): (3, 128),
        ("::", None): (1, 128),
    }


def test_one_half_open_connection_is_not_a_listener_and_unread_is_not_none():
    source = host(frames.socket_message() + half_open())
    ask = Ask(ASK.sockets._replace(tcp_states=1 << 10))
    [row] = build(sample(source, ask)).listeners
    assert (row.syn_queue, row.syn_queue_limit) == (None, 128)


def test_a_group_and_its_fullest_member():
    v4 = b"".join(
        frames.socket_message(local_port=port, cookie=cookie, queues=(queue, 10))
        for cookie, (port, queue) in enumerate([(80, 0), (80, 7), (80, 1), (81, 10)], 1)
    )
    udp = frames.socket_message(local_port=53, state=7, cookie=9) * 2
    data = seen(host(v4 + half_open(), udp=udp))
    assert {(row.local_port, row.group_size) for row in data.listeners} == {(80, 3), (81, 1), (53, None)}
    assert {row.syn_queue for row in data.listeners if row.local_port == 80} == {None}
    [group] = data.groups
    assert (group.name, group.members, group.accept_queue, group.accept_queue_limit) == (
        "127.0.0.1:80",
        3,
        8,
        30,
    )
    assert (group.fullest, group.fullest_limit, group.emptiest, group.uneven) == (7, 10, 0, True)
    assert (group.syn_queue, group.drops_per_s) == (1, None)
    [line] = shown(data)
    assert line == (
        "127.0.0.1:80 is shared by 3 listeners: at the fullest 7 waited (limit 10), at the emptiest 0: uneven"
    )


@pytest.mark.parametrize(
    ("queues", "uneven"),
    [((5, 2), True), ((5, 3), False), ((4, 0), False), ((11, 5), True), ((0, 0), False), ((9, 9, 1), True)],
)
def test_when_a_group_is_uneven(queues, uneven):
    v4 = b"".join(
        frames.socket_message(cookie=cookie, queues=(queue, 10)) for cookie, queue in enumerate(queues)
    )
    [group] = seen(host(v4)).groups
    assert group.uneven is uneven


def test_an_even_group_is_no_news():
    v4 = b"".join(frames.socket_message(cookie=cookie, queues=(3, 10)) for cookie in (1, 2))
    data = seen(host(v4))
    assert [group.uneven for group in data.groups] == [False]
    assert shown(data) == []
    assert len(shown(data, verbose=True)) == 2


def shown(data: Listening, verbose: bool = False) -> list[str]:
    """The lines below the table."""
    look = Look(("local_address", "local_port"), Terminal(False, None, None, False, True), verbose)
    return ["".join(part for part, _ in line) for block in listeners(data, look)[1:] for line in block.lines]


class Bursts(Fake):
    """A live host whose queues are another at every look."""

    live = True

    def __init__(self, *queues: int) -> None:
        super().__init__(dict(SYSCTLS))
        self.queues = itertools.chain(queues, itertools.repeat(0))
        self.broken = 0

    def clock(self) -> Clock:
        return Clock(0, time.monotonic(), 0)

    def netlink(self, request, netns=None) -> Frames:
        self.broken -= 1
        if self.broken == 0:
            return Frames([b"junk"], True)
        if request.key != "inet-diag/tcp/4":
            return Frames([frames.DONE], True)
        return Frames([frames.socket_message(queues=(next(self.queues), 8)) + frames.DONE], True)


def watched(source: Bursts, seconds: float = 0.4) -> tuple[Listening, Peaks]:
    peaks = Peaks(("inet",))
    ask = Ask(ASK.sockets._replace(udp_states=0, families=("inet",)))
    now, before = Sampler(source, seconds).pair(lambda host: sample(host, ask), peaks.during)
    return build(now, before, peaks=peaks), peaks


def test_a_burst_between_the_readings_is_seen():
    data, peaks = watched(Bursts(1, 0, 9, 2))
    [row] = data.listeners
    assert (row.accept_queue_before, row.accept_queue, row.accept_queue_peak) == (1, 0, 9)
    assert row.accept_queue_least == 0
    assert data.looks == peaks.looks >= 3


def test_without_a_look_there_is_no_peak():
    source = Bursts(1, 2)
    source.broken = 2  # the first look
    data, peaks = watched(source, 0.05)
    assert (peaks.looks, data.looks, data.listeners[0].accept_queue_peak) == (0, None, None)
    assert seen(host(frames.socket_message())).listeners[0].accept_queue_peak is None


def test_a_recording_has_no_peaks():
    earlier = host(frames.socket_message(queues=(5, 8)), clock=Clock(1, 1, 1))
    source = host(frames.socket_message(queues=(6, 8)), clock=Clock(2, 2, 2), earlier=earlier)
    source.live = False
    peaks = Peaks()
    now, before = Sampler(source, 1).pair(lambda host: sample(host, ASK), peaks.during)
    data = build(now, before, peaks=peaks)
    [row] = data.listeners
    assert (row.accept_queue_before, row.accept_queue_peak, data.looks) == (5, None, None)


def test_the_looks_cost_no_more_than_their_share_and_end_in_time():
    def spin(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    began = time.monotonic()
    turns = 0
    for _ in ticks(lambda: time.monotonic() > began + 0.3, 0.001, 0.1):
        turns += 1
        spin(0.005)
    assert 1 <= turns <= 6  # 50 ms for each
    assert SLICE_S < 0.1


@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 255))
def test_damaged_frames_are_an_error_or_rows(raw, at, byte):
    whole = bytearray(frames.socket_message(attributes=frames.memory()) + half_open() + frames.DONE)
    whole[at % len(whole)] = byte
    for damaged in (raw, bytes(whole)):
        source = host()
        source._netlink["inet-diag/tcp/4"] = [damaged]
        now = sample(source, ASK)
        data = build(now)
        assert all(isinstance(error, SretoolError) for error in now.errors)
        assert data.total == len(data.listeners)
