"""Queueing disciplines from bytes. Kinds this machine cannot make (fq_codel, fq, netem) are crafted."""

from __future__ import annotations

import errno
import random
import struct

import frames
import pytest
from msgspec import UNSET

from sretool.host.fake import Fake
from sretool.host.source import Clock
from sretool.net.qdisc import kinds, read
from sretool.net.qdisc.checks import CHECKS
from sretool.net.qdisc.view import _bits
from sretool.report.check import judge

ROOT = 0xFFFFFFFF


def nested(*attributes: tuple[int, bytes]) -> bytes:
    return b"".join(frames.attribute(kind, value) for kind, value in attributes)


def u32(*values: int) -> bytes:
    return struct.pack(f"={len(values)}I", *values)


def counted(
    packets: int = 0, drops: int = 0, *, size: int = 0, over: int = 0, again: int = 0, waiting: int = 0
) -> bytes:
    queue = u32(waiting, waiting * 100, drops, again, over)
    return nested((1, struct.pack("=QI", size, packets)), (3, queue))


def qdisc(kind: str, stats: bytes = b"", *, handle: int = 0x80010000, parent: int = ROOT, index: int = 2,
          options: bytes = b"", app: bytes = b"", more: bytes = b"",
          type: int = 36, info: int = 1) -> bytes:  # fmt: skip
    body = struct.pack("=BxxxiIII", 0, index, handle, parent, info) + frames.attribute(
        1, kind.encode() + b"\0"
    )
    body += frames.attribute(2, options) if options else b""
    stats = (stats or counted()) + (frames.attribute(4, app) if app else b"")
    return frames.message(type, body + frames.attribute(7, stats) + more)


def host(*messages: bytes, classes: bytes = frames.DONE, earlier: Fake | None = None, **more) -> Fake:
    netlink = {
        "route/links": [frames.LINKS],
        "route/qdisc": [b"".join(messages) + frames.DONE],
        "route/tclass/2": [classes],
    }
    return Fake(netlink=netlink, earlier=earlier, **more)


def built(source: Fake, wanted: read.Wanted = read.Wanted(), ask: read.Ask = read.EVERYTHING):
    now = read.sample(source, ask)
    before = read.sample(source.earlier, ask) if source.earlier else None
    return read.build(now, before, wanted), now.errors


def outcome(source: Fake):
    [(verdict, found)] = judge(CHECKS, built(source)[0])
    return verdict.outcome, found


def test_a_discipline_decoded():
    stats = counted(7, 3, size=900, over=5, again=2, waiting=4) + frames.attribute(
        8, struct.pack("=Q", 1 << 33)
    )
    data, errors = built(host(qdisc("mq", stats, more=frames.attribute(12, b"\1"))))
    assert errors == []
    [row] = data.qdiscs
    assert (row.dev, row.kind, row.handle, row.parent, row.options) == ("eth0", "mq", "8001:", "root", {})
    assert (row.bytes, row.packets, row.drops, row.overlimits, row.requeues) == (900, 1 << 33, 3, 5, 2)
    assert (row.backlog_bytes, row.backlog_packets, row.offloaded, row.drops_per_s) == (400, 4, True, None)
    assert data.classes == []


def test_names_of_handles():
    assert [read.handle(number) for number in (0, 0x80010000, 0x10010)] == ["0:", "8001:", "1:10"]
    assert [read.parent(number) for number in (ROOT, 0xFFFFFFF1, 0x10001)] == ["root", "ingress", "1:1"]
    assert [_bits(n) for n in (0, 999, 1500, 500_000, 10**7, 34_359_738_368 * 8)] == [
        "0bit/s", "999bit/s", "1.5kbit/s", "500kbit/s", "10Mbit/s", "274.9Gbit/s"
    ]  # fmt: skip


def test_an_older_kernel_without_the_newer_statistics():
    old = struct.pack("=Q7I", 900, 7, 3, 5, 0, 0, 4, 400)
    body = struct.pack("=BxxxiIII", 0, 2, 0x80010000, ROOT, 1) + frames.attribute(1, b"pfifo\0")
    [row] = built(host(frames.message(36, body + frames.attribute(3, old))))[0].qdiscs
    assert (row.bytes, row.packets, row.drops, row.overlimits, row.requeues) == (900, 7, 3, 5, None)
    assert (row.backlog_bytes, row.backlog_packets) == (400, 4)
    # an empty TCA_STATS2 with zeros beside it: it keeps none
    [row] = built(host(frames.message(36, body + frames.attribute(3, bytes(36)) + frames.attribute(7, b""))))[
        0
    ].qdiscs
    assert (row.packets, row.drops) == (None, None)


def spec(rate: int) -> bytes:
    return struct.pack("=BBHhHI", 0, 1, 0, 0, 0, rate)


@pytest.mark.parametrize(
    ("kind", "raw", "found"),
    [
        (
            "fq_codel",
            nested((1, u32(4999)), (2, u32(10240)), (3, u32(99999)), (4, u32(1)), (5, u32(1024)),
                   (6, u32(1514)), (8, u32(64)), (9, u32(32 << 20))),
            {"target_ms": 4.999, "limit_packets": 10240, "interval_ms": 99.999, "ecn": True, "flows": 1024,
             "quantum_bytes": 1514, "drop_batch": 64, "memory_limit_bytes": 32 << 20},
        ),
        (
            "fq",
            nested((1, u32(10000)), (2, u32(100)), (3, u32(3028)), (5, u32(1)), (7, u32(0xFFFFFFFF)),
                   (8, u32(10)),
                   (9, u32(40000)), (12, u32(0xFFFFFFFF)), (14, u32(10_000_000)), (15, b"\1")),
            {"limit_packets": 10000, "flow_limit_packets": 100, "quantum_bytes": 3028, "pacing": True,
             "buckets": 1024, "refill_delay_ms": 40.0, "horizon_ms": 10000.0, "horizon_drop": True},
        ),
        ("fq", nested((7, u32(125000))), {"maxrate_bytes_per_s": 125000}),
        (
            "tbf",
            nested((1, spec(62500) + spec(0) + u32(8245, 1_280_000, 0))),
            {"rate_bytes_per_s": 62500, "burst_bytes": 5120, "limit_bytes": 8245, "latency_ms": 50.0},
        ),
        (
            "tbf",
            nested((1, spec(0xFFFFFFFF) + spec(125) + u32(10**6, 100, 1000)),
                   (4, struct.pack("=Q", 5 * 10**9))),
            {"rate_bytes_per_s": 5 * 10**9, "burst_bytes": 32000, "limit_bytes": 10**6,
             "latency_ms": 8000000.0,
             "peakrate_bytes_per_s": 125, "minburst_bytes": 0},
        ),
        ("htb", nested((2, u32(3, 10, 16, 0, 5)), (5, u32(1000))),
         {"r2q": 10, "default": "0x10", "direct_packets_stat": 5, "direct_qlen": 1000}),
        ("pfifo_fast", u32(3) + bytes(range(16)), {"bands": 3, "priomap": " ".join(map(str, range(16)))}),
        ("bfifo", u32(9), {"limit_bytes": 9}),
        ("codel", nested((1, u32(5000)), (4, u32(0))), {"target_ms": 5.0, "ecn": False}),
        (
            "netem",
            u32(1_562_500, 1000, 0xFFFFFFFF // 20, 0, 0, 0) + nested((11, struct.pack("=Q", 10**7))),
            {"delay_ms": 100.0, "jitter_ms": 10.0, "loss_ratio": 0.05, "duplicate_ratio": 0.0,
             "limit_packets": 1000},
        ),
        ("tbf", nested((1, b"short")), {}),
        ("netem", b"short", {}),
        ("pfifo", b"", {}),
        ("cake", b"\xff" * 5, {}),  # a kind we do not know is not looked into
    ],
)  # fmt: skip
def test_options_of_kinds(kind, raw, found):
    assert kinds.options(kind, raw) == found


def test_counters_of_kinds():
    assert kinds.counters("fq_codel", u32(0, *range(1, 10)))["ecn_mark"] == 3
    assert kinds.counters("fq_codel", u32(1, *range(1, 10))) == {}  # those of a class
    fq = kinds.counters("fq", struct.pack("=7Qq4I", *range(1, 8), -1, 9, 10, 11, 12) + bytes(24))
    assert (fq["flows_plimit"], fq["flows"], fq["throttled_flows"]) == (5, 9, 11)
    assert kinds.counters("fq", b"short") == kinds.counters("sfq", b"") == {}
    assert kinds.counters("class htb", u32(4, 5, 0, 0, 0)) == {"lends": 4, "borrows": 5}


def test_classes_of_a_classful_discipline_only_when_asked_for():
    options = nested((1, spec(125000) + spec(250000) + u32(200_000, 100_000, 25000, 7, 3)))
    row = qdisc(
        "htb", handle=0x10010, parent=0x10001, options=options, app=u32(4, 5, 0, 0, 0), type=40, info=0x100000
    )
    source = host(qdisc("htb", handle=0x10000), qdisc("pfifo", index=3), classes=row + frames.DONE)
    data, errors = built(source)
    assert errors == []
    [found] = data.classes
    assert (found.classid, found.parent, found.leaf, found.counters["borrows"]) == ("1:10", "1:1", "10:", 5)
    assert found.options == {
        "rate_bytes_per_s": 125000,
        "ceil_bytes_per_s": 250000,
        "burst_bytes": 1600,
        "cburst_bytes": 1600,
        "quantum_bytes": 25000,
        "level": 7,
        "prio": 3,
    }
    assert built(source, ask=read.Ask(classes=False))[0].classes is UNSET


def test_rates_of_what_is_the_same_discipline():
    earlier = host(
        qdisc("tbf", counted(10, 5, size=100)),
        qdisc("mq", counted(1), index=3),
        qdisc("fq", counted(9), index=1),
    )
    now = host(
        qdisc("tbf", counted(30, 9, size=600, over=2)),
        qdisc("mq", counted(5), index=3, handle=0x80020000),  # made anew
        qdisc("fq", counted(8), index=1),  # went backwards
        earlier=earlier,
    )
    tbf, mq, fq = built(now)[0].qdiscs
    assert (tbf.packets_per_s, tbf.drops_per_s, tbf.bytes_per_s, tbf.overlimits_per_s) == (20, 4, 500, 2)
    assert (mq.packets_per_s, fq.packets_per_s) == (None, None)
    source = host(qdisc("tbf"), earlier=host(qdisc("tbf"), clock=Clock(1.0, 5000.0, 5000.0)))
    assert built(source)[0].window_s is None


def sampled(*now: bytes, before: tuple[bytes, ...]) -> Fake:
    return host(*now, earlier=host(*before))


@pytest.mark.parametrize(
    ("passed", "dropped", "found"),
    [(0, 10, True), (1000, 9, False), (980, 20, False), (979, 21, True), (10**6, 100, False), (0, 0, False)],
)
def test_drops_are_found_by_their_share(passed, dropped, found):
    source = sampled(qdisc("tbf", counted(passed + 5, dropped + 5)), before=(qdisc("tbf", counted(5, 5)),))
    result, findings = outcome(source)
    assert result == ("found" if found else "clear")
    assert [finding.severity for finding in findings] == ["warning"] * found


def test_of_one_under_the_other_the_lowest_is_named():
    before = (qdisc("htb", handle=0x10000), qdisc("tbf", handle=0x100000, parent=0x10010))
    now = (
        qdisc("htb", counted(9, 50), handle=0x10000),
        qdisc("tbf", counted(9, 50), handle=0x100000, parent=0x10010),
    )
    result, [finding] = outcome(sampled(*now, before=before))
    assert (result, finding.subject.id, finding.subject.name) == ("found", "eth0 10: 1:10", "tbf")
    # queues of mq have no handle of their own
    mq = [qdisc("mq", handle=0x10000), *(qdisc("fq_codel", handle=0, parent=0x10000 + n) for n in (1, 2))]
    busy = [
        qdisc("mq", counted(9, 50), handle=0x10000),
        qdisc("fq_codel", counted(9, 50), handle=0, parent=0x10001),
        mq[2],
    ]
    result, [finding] = outcome(sampled(*busy, before=tuple(mq)))
    assert finding.subject.id == "eth0 0: 1:1"


def test_what_was_dropped_before_is_clear_and_one_reading_unknown():
    old = qdisc("tbf", counted(5, 10**6))
    assert outcome(sampled(old, before=(old,))) == ("clear", [])
    assert outcome(host(old))[0] == "unknown"


def test_a_dump_that_failed_costs_itself():
    source = host(qdisc("htb", handle=0x10000))
    source._netlink["route/tclass/2"] = errno.ENODATA
    data, errors = built(source)
    assert (len(data.qdiscs), data.classes, [error.code for error in errors]) == (1, [], ["not-recorded"])
    source._netlink["route/qdisc"] = errno.ENODATA
    assert [error.code for error in built(source)[1]] == ["not-recorded"]


def test_filters():
    source = host(qdisc("tbf"), qdisc("mq", index=3))
    assert [row.kind for row in built(source, read.Wanted(dev="eth0"))[0].qdiscs] == ["tbf"]
    assert [row.dev for row in built(source, read.Wanted(kind="mq"))[0].qdiscs] == ["eth1"]


def test_mutated_frames_cost_only_their_part():
    options = nested((1, spec(62500) + spec(0) + u32(8245, 1_280_000, 0)))
    kept = b"".join(
        (
            qdisc("tbf", counted(5, 5), options=options),
            qdisc("htb", handle=0x10000, options=nested((2, u32(3, 10, 16, 0, 5)), (5, u32(1000)))),
            qdisc("netem", options=u32(*range(6)) + nested((11, struct.pack("=Q", 10**7)))),
            qdisc("fq_codel", options=nested((1, u32(4999))), app=u32(0, *range(9))),
        )
    )
    rng = random.Random(7)
    for _ in range(3000):
        raw = bytearray(kept)
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.choice((0, 1, 2, 4, 0x7F, 0xFF, rng.randrange(256)))
        if rng.random() < 0.2:
            del raw[rng.randrange(len(raw)) :]
        data, errors = built(host(bytes(raw), earlier=host(kept)))
        assert {error.code for error in errors} <= {"parse", "unsupported"}
        list(judge(CHECKS, data))
