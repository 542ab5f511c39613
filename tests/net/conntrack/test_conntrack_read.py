from __future__ import annotations

import errno
import ipaddress
import struct

import frames
import pytest
from frames import attribute
from hypothesis import given
from hypothesis import strategies as st

from sretool.command import Look
from sretool.errors import ParseError, SretoolError
from sretool.host.fake import Fake
from sretool.host.source import Clock
from sretool.net.conntrack import decode, read
from sretool.net.conntrack.checks import CHECKS, insert_failed, near_full
from sretool.net.conntrack.model import Conntrack
from sretool.net.conntrack.view import report
from sretool.report.check import judge
from sretool.report.table import Lines, Table, plain_text, table_lines
from sretool.report.terminal import Terminal

NAMES = "entries clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop "
NAMES += "icmp_error  expect_new expect_create expect_delete search_restart\n"
NESTED = 0x8000


def side(kind: int, source: str, destination: str, number: int, ports: bytes) -> bytes:
    addresses = [ipaddress.ip_address(text) for text in (source, destination)]
    first = 1 if addresses[0].version == 4 else 3
    ip = b"".join(attribute(first + at, address.packed) for at, address in enumerate(addresses))
    proto = attribute(1, bytes([number])) + ports
    return attribute(kind | NESTED, attribute(1 | NESTED, ip) + attribute(2 | NESTED, proto))


def entry(
    source: str = "10.0.0.1",
    destination: str = "10.0.0.2",
    port: int = 53,
    *,
    source_port: int = 4000,
    number: int = 17,
    status: int = 0x188,
    state: int | None = None,
    before: bytes = b"",
    ports: bytes | None = None,
) -> bytes:
    """One IPCTNL_MSG_CT_NEW, attribute by attribute as ctnetlink_fill_info writes them."""
    if ports is None:
        ports = attribute(2, struct.pack(">H", source_port)) + attribute(3, struct.pack(">H", port))
    tuples = side(1, source, destination, number, ports) + side(2, destination, source, number, ports)
    info = b""
    if state is not None:
        kind = {6: 1, 33: 2, 132: 3}[number]
        info = attribute(4 | NESTED, attribute(kind | NESTED, attribute(1, bytes([state]))))
    rest = attribute(3, struct.pack(">I", status)) + attribute(7, bytes(4)) + info + attribute(12, bytes(4))
    family = 2 if ipaddress.ip_address(source).version == 4 else 10
    return frames.message(0x100, struct.pack("=BBH", family, 0, 0) + before + tuples + rest)


def stat(**counters: int) -> str:
    line = " ".join(f"{counters.get(name, 0):08x}" for name in NAMES.split())
    return f"{NAMES}{line}\n{' '.join(['00000000'] * len(NAMES.split()))}\n"


def host(*entries: bytes, count: object = 5, most: object = 10, counters: dict | None = None, **more) -> Fake:
    files = {read.COUNT: f"{count}\n", read.MAX: f"{most}\n", read.BUCKETS: "8\n"}
    files[read.STAT] = stat(**(counters or {}))
    files |= more.pop("files", {})
    netlink = more.pop("netlink", {"conntrack": [b"".join(entries) + frames.DONE]})
    return Fake(files, netlink=netlink, **more)


def seen(made: Fake, earlier: Fake | None = None, **wanted) -> Conntrack:
    before = None if earlier is None else read.sample(earlier, read.COUNTERS)
    return read.build(read.sample(made, read.Ask()), before, read.Wanted(**wanted))


MANY = (
    entry("10.0.0.1", "10.0.0.9", 53),
    entry("10.0.0.1", "10.0.0.9", 53, status=0x18E),
    entry("10.0.0.1", "10.0.0.9", 53, status=0x18A),
    entry("10.0.0.2", "10.0.0.9", 443, number=6, status=0x18E, state=3),
    entry("10.0.0.2", "10.0.0.9", 443, number=6, status=0x188 | 1 << 4, state=1),
    entry("fd00::1", "fd00::2", 443, number=6, status=0x18E | 1 << 5, state=7),
    entry("10.0.0.3", "10.0.0.4", number=1, ports=attribute(4, b"\0\1") + attribute(5, b"\x08")),
    entry("10.0.0.3", "10.0.0.4", number=132, state=4),
    entry("10.0.0.3", "10.0.0.4", number=33, state=77),
    entry("10.0.0.3", "10.0.0.4", number=99, status=1 << 14, ports=b""),
)


def test_entries_by_state_source_and_destination():
    data = seen(host(*MANY))
    assert (data.count, data.max, data.fill_ratio, data.matched, data.listed) == (5, 10, 0.5, 10, 10)
    assert {(row.protocol, row.state): row.entries for row in data.states} == {
        ("udp", "unreplied"): 1,
        ("udp", "assured"): 1,
        ("udp", "replied"): 1,
        ("tcp", "established"): 1,
        ("tcp", "syn-sent"): 1,
        ("tcp", "time-wait"): 1,
        ("icmp", "unreplied"): 1,
        ("sctp", "established"): 1,
        ("dccp", "unknown-77"): 1,
        ("unknown-99", "unreplied"): 1,
    }
    assert [(row.source, row.entries, row.unreplied) for row in data.sources] == [
        ("10.0.0.3", 4, 4),
        ("10.0.0.1", 3, 1),
        ("10.0.0.2", 2, 1),
        ("fd00::1", 1, 0),
    ]
    top = data.destinations[0]
    assert (top.protocol, top.destination, top.port, top.entries) == ("udp", "10.0.0.9", 53, 3)
    assert {row.port for row in data.destinations if row.protocol == "icmp"} == {None}
    assert (data.snat, data.dnat, data.offloaded) == (1, 1, 1)


@pytest.mark.parametrize(
    ("wanted", "matched"),
    [
        ({"family": "inet6"}, 1),
        ({"family": "inet"}, 9),
        ({"source": ipaddress.ip_network("10.0.0.0/30")}, 9),
        ({"source": ipaddress.ip_network("10.0.0.2/32")}, 2),
        ({"destination": ipaddress.ip_network("fd00::/8")}, 1),
        ({"port": 443}, 3),
        ({"port": 4000}, 8),
        ({"protocols": frozenset({"udp", "icmp"})}, 4),
        ({"states": frozenset({"established"})}, 2),
        ({"states": frozenset({"unreplied"}), "protocols": frozenset({"tcp"})}, 1),
        ({"states": frozenset({"syn-sent", "assured"})}, 4),
    ],
)
def test_filters(wanted, matched):
    data = seen(host(*MANY), **wanted)
    assert (data.matched, data.listed) == (matched, 10)
    assert sum(row.entries for row in data.sources) == matched


def test_the_quick_way_says_what_the_long_one_says():
    for raw in MANY:
        quick = decode._quick(raw, 20, len(raw))
        whole = decode._whole(raw[20:], raw[16])
        assert quick in (None, whole)
    assert sum(decode._quick(raw, 20, len(raw)) is not None for raw in MANY) == 8


def test_an_attribute_before_the_tuple_takes_the_long_way():
    raw = entry(before=attribute(18, b"\0\1"))
    [found] = decode.entries([raw])
    assert (found.source_port, found.destination_port, found.status) == (4000, 53, 0x188)


@given(st.integers(0, len(MANY) - 1), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_damaged_entries_are_an_error_or_entries(which, at, byte, cut):
    raw = bytearray(MANY[which] + frames.DONE)
    raw[at % len(raw)] = byte
    for damaged in (bytes(raw), bytes(raw[:cut])):
        try:
            for found in decode.entries([damaged]):
                assert len(found.source) in (4, 16)
        except ParseError:
            continue


@given(st.binary(max_size=200))
def test_any_bytes_cost_only_the_entries(raw):
    source = host(netlink={"conntrack": [raw]})
    now = read.sample(source, read.Ask())
    data = read.build(now)
    assert all(isinstance(error, SretoolError) for error in now.errors)
    assert data.count == 5


def test_counters_grow_by_cpu_and_wrap():
    before = host(counters={"drop": 2**32 - 2, "insert_failed": 7})
    now = host(counters={"drop": 3, "insert_failed": 7}, clock=Clock(1010, 1010, 1010))
    data = seen(now, before)
    assert data.window_s == 10
    assert (data.counts.drop, data.counts.insert_failed, data.counts.early_drop) == (5, 0, 0)
    assert (data.total_counts.drop, data.total_counts.insert_failed) == (3, 7)
    assert [(cpu.cpu, cpu.counts.drop) for cpu in data.cpus] == [(0, 5)]


def test_a_column_this_kernel_does_not_have_is_null():
    raw = "entries searched drop\n00000001 00000002 0000000a\n"
    data = seen(host(files={read.STAT: raw}))
    assert (data.total_counts.drop, data.total_counts.early_drop, data.counts) == (10, None, None)


@pytest.mark.parametrize("raw", ["a b\n1\n", "a b\n1 zz\n", f"a\n{'1' * 17}\n"])
def test_counters_that_cannot_be_read_are_an_error(raw):
    now = read.sample(host(files={read.STAT: raw}), read.Ask())
    assert [error.code for error in now.errors] == ["parse"]
    assert read.build(now).total_counts is None


def test_without_the_right_the_rest_is_still_there():
    now = read.sample(host(netlink={"conntrack": errno.EPERM}), read.Ask())
    [error] = now.errors
    assert error.code == "permission-denied"
    assert "CAP_NET_ADMIN" in error.hint
    data = read.build(now)
    assert (data.count, data.matched, data.listed, data.snat) == (5, None, None, None)


def test_a_kernel_without_conntrack_is_asked_for_nothing():
    now = read.sample(Fake({}, netlink={"conntrack": errno.EIO}), read.Ask())
    assert now.errors == []
    data = read.build(now)
    assert not data.tracking
    assert [verdict.outcome for verdict, _ in judge(CHECKS, data)] == ["not-applicable"] * 2
    assert "tracks no connections" in text(data)


def test_of_a_table_too_large_a_recording_has_the_counters_only():
    source = host(entry(), count=read.RECORDED_AT_MOST + 1)
    assert read.sample(source, read.EVERYTHING).frames is None
    assert read.sample(source, read.Ask()).frames is not None


def verdict(rule, now: Fake, before: Fake | None):
    [(judged, findings)] = judge([rule], seen(now, before))
    return judged.outcome, [(finding.severity, finding.summary) for finding in findings]


LATER = {"clock": Clock(1001, 1001, 1001)}


@pytest.mark.parametrize(
    ("count", "counters", "severity", "says"),
    [
        (75, {}, None, ""),
        (76, {}, "warning", "76 of 100 connections are tracked (76%)"),
        (96, {}, "critical", "(96%)"),
        (40, {"early_drop": 3}, "critical", "0 packets dropped, 3 entries thrown out in 1 s"),
        (90, {"drop": 5, "insert_failed": 4}, "critical", "1 packet dropped"),
        (40, {"drop": 4, "insert_failed": 4}, None, ""),
    ],
)
def test_near_full(count, counters, severity, says):
    now = host(count=count, most=100, counters=counters, **LATER)
    outcome, findings = verdict(near_full, now, host(count=count, most=100))
    assert outcome == ("clear" if severity is None else "found")
    assert [found[0] for found in findings] == [severity] * (severity is not None)
    assert all(says in found[1] for found in findings)


def test_what_cannot_be_read_is_unknown():
    assert verdict(near_full, host(count="many", **LATER), host()) == ("unknown", [])
    assert verdict(near_full, host(most=0, **LATER), host()) == ("clear", [])
    assert verdict(insert_failed, host(), None) == ("unknown", [])
    assert verdict(insert_failed, host(files={read.STAT: ""}, **LATER), host()) == ("unknown", [])


def test_insertions_that_failed():
    assert verdict(insert_failed, host(**LATER), host()) == ("clear", [])
    outcome, [(severity, said)] = verdict(insert_failed, host(counters={"insert_failed": 4}, **LATER), host())
    assert (outcome, severity) == ("found", "warning")
    assert said.startswith("4 connections could not be tracked in 1 s")


def text(data: Conntrack, columns: int = 80, limit: int | None = None) -> str:
    look = Look(
        ("source", "entries", "entries_ratio", "unreplied"),
        Terminal(True, columns, 40, False, True),
        False,
        limit=limit,
    )
    lines: list[str] = []
    for block in report(data, look):
        if isinstance(block, Lines):
            lines += [plain_text(line) for line in block.lines]
        else:
            assert isinstance(block, Table)
            lines += table_lines(block, columns, str)
    return "\n".join(lines)


def test_a_terminal_shows_the_first_ten_and_says_so():
    data = seen(host(*(entry(f"10.0.{n}.1", f"10.1.{n}.1") for n in range(30)), count=30, most=40))
    shown = text(data)
    assert "30 connections tracked of at most 40 (75.0%)" in shown
    assert shown.count("(20 more: --limit 0 shows all)") == 2
    assert all(len(line) <= 80 for line in shown.splitlines()[2:])
    assert text(data, limit=0).count("10.1.") == 30
    assert "1 of them match" in text(seen(host(*MANY), port=4000, protocols=frozenset({"icmp", "sctp"})))
