from __future__ import annotations

import itertools
import socket
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.probe import errqueue
from sretool.probe.errqueue import Extended, extended, received_ns

IP = (socket.IPPROTO_IP, errqueue.IP_RECVERR)
IPV6 = (socket.IPPROTO_IPV6, errqueue.IPV6_RECVERR)


def entry(errno: int, origin: int, type: int, code: int, offender: bytes) -> bytes:
    return struct.pack("=IBBBBII", errno, origin, type, code, 0, 0, 0) + offender


V4 = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton("192.0.2.7"))
V6 = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, "2001:db8::7"), 0)
LOCAL = struct.pack(
    "=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, "fe80::7"), 4_000_000
)


@pytest.mark.parametrize(
    ("ancillary", "expected"),
    [
        ([(*IP, entry(113, 2, 11, 0, V4))], Extended(113, 2, 11, 0, "192.0.2.7")),
        ([(*IPV6, entry(113, 3, 3, 0, V6))], Extended(113, 3, 3, 0, "2001:db8::7")),
        ([(*IPV6, entry(113, 3, 3, 0, LOCAL))], Extended(113, 3, 3, 0, "fe80::7%4000000")),
        ([(*IP, entry(90, 1, 0, 0, b"\0" * 16))], Extended(90, 1, 0, 0, None)),
        ([(*IP, entry(111, 2, 3, 3, b""))], Extended(111, 2, 3, 3, None)),
        ([(socket.SOL_SOCKET, 35, b"\0" * 16)], None),
        ([], None),
    ],
)
def test_what_the_kernel_says(ancillary: errqueue.Ancillary, expected: Extended | None) -> None:
    assert extended(ancillary) == expected


def test_too_short_is_no_answer() -> None:
    with pytest.raises(ParseError):
        extended([(*IP, b"\0" * 15)])


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 41, 17]), st.sampled_from([11, 25, 35, 29]), st.binary(max_size=64))
    )
)
def test_any_bytes_are_parsed_or_refused(ancillary: errqueue.Ancillary) -> None:
    received_ns(ancillary)
    try:
        extended(ancillary)
    except ParseError:
        pass


@given(st.integers(0, 2**32), st.integers(0, 999_999_999))
def test_times_are_exact(seconds: int, nanoseconds: int) -> None:
    stamp = struct.pack("=qq", seconds, nanoseconds)
    assert received_ns([(socket.SOL_SOCKET, 35, stamp)]) == seconds * 10**9 + nanoseconds
    assert received_ns([(socket.SOL_SOCKET, 35, stamp[:8])]) is None


def test_a_process_that_was_stopped_between_two_clocks_hears_nothing_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # the reply came at 100.010, the process is stopped for 5 ms at each of its looks at a clock
    clock = itertools.count()

    def passed() -> float:
        return 0.020 + 0.005 * next(clock)

    monkeypatch.setattr(time, "monotonic", lambda: 100.0 + passed())
    monkeypatch.setattr(time, "time_ns", lambda: 50 * 10**9 + round(passed() * 1e9))
    stamp = struct.pack("=qq", 50, 10_000_000)
    ancillary = [(socket.SOL_SOCKET, errqueue.SO_TIMESTAMPNS, stamp)]
    assert 100.010 <= errqueue.arrival(ancillary, 100.0) <= 100.0151


def test_where_extensions_are() -> None:
    raw = struct.pack("=IBBBBIHBB", 113, 2, 11, 0, 0, 0, 100, 0, 0)
    assert extended([(*IP, raw)]) == Extended(113, 2, 11, 0, None, 0, 100)
    raw = struct.pack("=IBBBBIHBB", 113, 2, 11, 0, 0, 0, 100, 1, 0)  # the kernel calls them invalid
    assert extended([(*IP, raw)]) == Extended(113, 2, 11, 0, None)


@pytest.mark.parametrize(
    ("origin", "type", "code", "info", "mtu"),
    [
        (2, 3, 4, 1400, 1400),
        (2, 3, 4, 0, None),
        (2, 3, 3, 7, None),
        (3, 2, 0, 1280, 1280),
        (3, 3, 0, 9, None),
    ],
)
def test_the_mtu_a_router_advertises(origin: int, type: int, code: int, info: int, mtu: int | None) -> None:
    raw = struct.pack("=IBBBBIHBB", 90, origin, type, code, 0, info, 0, 0, 0)
    found = extended([(*IP, raw)])
    assert found is not None
    assert found.mtu == mtu
