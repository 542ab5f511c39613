"""How connections fare, from crafted tcp_info."""

from __future__ import annotations

import io
import struct
from typing import Any

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.command import Look
from sretool.errors import ParseError
from sretool.host.fake import Fake
from sretool.host.source import Clock
from sretool.report.check import judge
from sretool.report.table import FINDINGS, write
from sretool.report.terminal import Terminal
from sretool.sockets.read import diag
from sretool.sockets.summary import read
from sretool.sockets.summary.build import build
from sretool.sockets.summary.checks import CHECKS
from sretool.sockets.summary.health import finder, measured
from sretool.sockets.summary.model import DEFAULT, Summary
from sretool.sockets.summary.view import summary

BOTH = ("inet", "inet6")
PLACES = {
    "lost": (32, "I"), "rtt": (68, "I"), "retrans": (100, "I"), "acked": (120, "Q"), "received": (128, "Q"),
    "min_rtt": (148, "I"), "segments": (156, "I"), "rate": (160, "Q"), "busy": (168, "Q"),
    "rwnd": (176, "Q"), "sndbuf": (184, "Q"), "sent": (200, "Q"), "resent": (208, "Q"),
}  # fmt: skip


def info(**numbers: int) -> bytes:
    """INET_DIAG_INFO of a TCP socket, among attributes as the kernel has them."""
    raw = bytearray(232)
    for name, value in numbers.items():
        struct.pack_into("=" + PLACES[name][1], raw, PLACES[name][0], value)
    return frames.attribute(8, b"\0") + frames.attribute(21, bytes(8)) + frames.attribute(2, bytes(raw))


def connection(number: int, peer: str = "192.0.2.9", retransmits: int = 0, **numbers: int) -> bytes:
    return frames.socket_message(
        "192.0.2.1", 40000 + number, peer, 5432, state=1, inode=1000 + number, cookie=number,
        retransmits=retransmits, attributes=info(**numbers),
    )  # fmt: skip


def answer(before: bytes, now: bytes, by: Any = "peer", *, pair: bool = True) -> Summary:
    readings = []
    for moment, raw in enumerate((before, now)):
        tables = {"tcp/4": raw, "tcp/6": b"", "udp/4": b"", "udp/6": b""}
        files = {"/proc/812/comm": "app\n", "/proc/812/cgroup": "0::/system.slice/app.service\n"}
        links = {f"/proc/812/fd/{inode}": f"socket:[{inode}]" for inode in range(1000, 1100)}
        clock = Clock(2.0 * moment, 2.0 * moment, 2.0 * moment)
        dumps = {f"inet-diag/{name}": [table + frames.DONE] for name, table in tables.items()}
        source = Fake(files, links=links, netlink=dumps, clock=clock)
        ask = read.whole(BOTH, info=True) if moment else read.compared(BOTH, info=True)
        readings.append(read.sample(source, ask))
    return build(readings[1], readings[0] if pair else None, by, health=True)


def test_deltas_are_added_up_over_a_peer():
    before = connection(1, segments=100, retrans=5, sent=1000, resent=50, busy=10, acked=900)
    before += connection(2, segments=50, received=7)
    now = connection(
        1,
        segments=300, retrans=25, sent=5000, resent=250, busy=1_000_010, rwnd=800_000, sndbuf=100_000,
        acked=4900, lost=3, rtt=20_000, min_rtt=5000, rate=77, retransmits=2,
    )  # fmt: skip
    now += connection(2, segments=50, received=107, rtt=10_000, min_rtt=10_000)
    now += connection(3, segments=10, rtt=40_000, min_rtt=0xFFFFFFFF)  # opened in between
    now += connection(4, peer="192.0.2.10")
    model = answer(before, now)
    row = model.groups[0]
    assert (row.remote_address, row.process, row.pid) == ("192.0.2.9", "app", 812)
    assert (row.sockets, row.connections, row.opened) == (3, 3, 1)
    assert (row.segments_sent, row.segments_retransmitted) == (210, 20)
    assert row.retransmitted_ratio == round(20 / 210, 4)
    assert (row.bytes_sent, row.bytes_retransmitted) == (4000, 200)
    assert (row.retransmitting, row.lost, row.delivery_rate_bytes_per_s) == (1, 3, 77)
    assert (row.rtt_ms, row.rtt_max_ms, row.rtt_min_ms, row.rtt_over_min_ms) == (20.0, 40.0, 5.0, 0.0)
    assert row.busy_ratio == round(1 / 6, 4)  # one of three connections for one of two seconds
    assert (row.rwnd_limited_ratio, row.sndbuf_limited_ratio) == (0.8, 0.1)
    assert (row.sent_bytes_per_s, row.received_bytes_per_s) == (2000.0, 50.0)
    idle = model.groups[1]
    assert (idle.remote_address, idle.segments_sent, idle.retransmitted_ratio) == ("192.0.2.10", 0, None)
    assert (idle.rtt_ms, idle.busy_ratio, idle.rwnd_limited_ratio) == (None, 0.0, None)


def test_counters_of_32_bits_wrap():
    model = answer(
        connection(1, segments=2**32 - 10, retrans=2**32 - 1), connection(1, segments=10, retrans=4)
    )
    assert (model.groups[0].segments_sent, model.groups[0].segments_retransmitted) == (20, 5)


def test_one_reading_knows_now_and_not_what_became_of_it():
    model = answer(b"", connection(1, segments=100, rtt=5000), pair=False)
    row = model.groups[0]
    assert (row.rtt_ms, row.connections) == (5.0, 1)
    assert (row.opened, row.segments_sent, row.retransmitted_ratio, row.busy_ratio) == (None,) * 4


@pytest.mark.parametrize(
    ("sent", "again", "outcome"),
    [
        (100, 9, "clear"),  # too few to prove anything
        (1000, 10, "clear"),  # exactly one percent
        (1000, 11, ["warning"]),
        (1000, 100, ["warning"]),
        (1000, 101, ["critical"]),
        (0, 10, ["critical"]),  # nothing but retransmissions
    ],
)
def test_retransmissions_by_peer(sent, again, outcome):
    before = connection(1) + connection(2, peer="192.0.2.10")
    model = answer(
        before,
        connection(1, segments=sent, retrans=again)
        + connection(2, peer="192.0.2.10", segments=5000, retrans=9),
    )
    [(verdict, findings)] = [
        item for item in judge(CHECKS, model) if item[0].id == "tcp.retransmissions-by-peer"
    ]
    assert ([finding.severity for finding in findings] or verdict.outcome) == outcome
    for finding in findings:
        assert (finding.subject.id, finding.subject.pid) == ("192.0.2.9", 812)
        assert "1 of 2 peers that data went to lost so many" in finding.summary


def test_it_fits_80_columns():
    big = {"segments": 10**6, "retrans": 12345, "rtt": 123_456_789, "min_rtt": 1_234_567, "busy": 10**6}
    now = connection(1, peer="192.0.2.199", rwnd=5 * 10**5, acked=10**9, received=10**9, **big)
    model = answer(connection(1, peer="192.0.2.199"), now)
    out = io.StringIO()
    look = Look(DEFAULT, Terminal(True, 80, 24, False, True), False)
    write([block for block in summary(model, look) if block is not FINDINGS], out, 80, True)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:4] == ["PEER", "CONNS", "RESENT", "OF"]
    assert lines[1].split()[:4] == ["192.0.2.199", "1", "12345", "1.2%"]


def test_tcp_info_too_short_is_not_measured():
    raw = frames.socket_message(
        "192.0.2.1", 40000, "192.0.2.9", 80, state=1, attributes=frames.attribute(2, bytes(104))
    )
    row = answer(b"", raw).groups[0]
    assert (row.sockets, row.connections, row.rtt_ms) == (1, 0, None)


def walked(record: diag.Record) -> bytes:
    try:
        return diag.attributes(record, "test").get(diag.INET_DIAG_INFO, b"")
    except ParseError:
        return b""


@given(st.data())
def test_tcp_info_is_found_where_the_walk_finds_it(data):
    """Whatever stands in the messages, also where one has the length of the one before it."""
    raw = bytearray(b"".join(connection(number, segments=number) for number in range(4)))
    for _ in range(data.draw(st.integers(0, 6))):
        message = data.draw(st.integers(0, 3)) * (len(raw) // 4)
        place = data.draw(st.integers(diag.MESSAGE_BYTES, len(raw) // 4 - 1))
        raw[message + place] = data.draw(st.integers(0, 255))
    records = diag.decode([bytes(raw)], "tcp", "inet", diag.ALL_STATES)
    find = finder()
    for record in records:
        values, frame, at = record
        offset, length = find(frame, at, values[0])
        assert frame[at + offset : at + offset + length] == walked(record)
    assert len(list(measured(diag.Table("tcp", "inet", records)))) <= 4
