"""Neighbours and their tables from bytes: decoders, comparison of two readings, checks."""

from __future__ import annotations

import errno
import ipaddress
import random
import struct

import frames
import pytest

from sretool.errors import ParseError
from sretool.host.fake import Fake
from sretool.host.source import Clock
from sretool.net.neigh import decode, read
from sretool.net.neigh.checks import CHECKS, gateway_failed, table_full
from sretool.report.check import judge

STALE, REACHABLE, INCOMPLETE, FAILED, NOARP, PERMANENT = 0x04, 0x02, 0x01, 0x20, 0x40, 0x80
MAC = b"\x02\0\0\0\0\1"


def neighbour(
    dst: str,
    state: int = REACHABLE,
    *,
    index: int = 2,
    lladdr: bytes = MAC,
    flags: int = 0,
    ages: tuple[int, int, int] = (100, 200, 300),
    more: bytes = b"",
) -> bytes:
    address = ipaddress.ip_address(dst)
    body = struct.pack("=BxxxiHBB", 2 if address.version == 4 else 10, index, state, flags, 1)
    body += frames.attribute(1, address.packed)
    body += frames.attribute(2, lladdr) if lladdr else b""
    return frames.message(28, body + frames.attribute(3, struct.pack("=IIII", *ages, 1)) + more)


def table(family: int = 2, entries: int = 5, limit: int = 1024, fulls: int = 0, failed: int = 3) -> bytes:
    stats = struct.pack("=11Q", 0, 0, 0, failed, 0, 0, 0, 0, 0, 0, fulls)
    body = struct.pack("=Bxxx", family) + frames.attribute(
        1, b"arp_cache\0" if family == 2 else b"ndisc_cache\0"
    )
    for kind, value in ((2, 128), (3, 512), (4, limit)):
        body += frames.attribute(kind, struct.pack("=I", value))
    body += frames.attribute(5, struct.pack("=HHI24x", 4, 400, entries)) + frames.attribute(7, stats)
    # and, as in every dump, the settings of a device
    device = struct.pack("=Bxxx", family) + frames.attribute(1, b"arp_cache\0") + frames.attribute(6, b"")
    return frames.message(64, body) + frames.message(64, device)


def host(
    neighbours: bytes = frames.DONE,
    tables: bytes = b"",
    routes: bytes | int = frames.DONE,
    *,
    earlier: Fake | None = None,
    **more,
) -> Fake:
    netlink = {
        "route/links": [frames.LINKS],
        "route/neigh": [neighbours],
        "route/neightbl": [tables or table()],
        "route/routes/4": routes if isinstance(routes, int) else [routes],
        "route/routes/6": [frames.DONE],
    }
    return Fake(more.pop("files", {}), netlink=netlink, earlier=earlier, **more)


def built(source: Fake, wanted: read.Wanted = read.Wanted()):
    now = read.sample(source)
    before = read.sample(source.earlier, read.COUNTERS) if source.earlier else None
    data = read.build(now, before, wanted)
    return data, now.errors


def outcomes(source: Fake):
    data, _ = built(source)
    return {verdict.id: (verdict.outcome, found) for verdict, found in judge(CHECKS, data)}


def test_an_entry_decoded():
    more = frames.attribute(4, struct.pack("=I", 2)) + frames.attribute(12, b"\x0b")
    more += frames.attribute(15, struct.pack("=I", 5))
    data, errors = built(host(neighbour("fe80::1", PERMANENT, flags=0x90, more=more)))
    assert errors == []
    [row] = data.neighbours
    assert (row.family, row.dst, row.dev, row.lladdr) == ("inet6", "fe80::1", "eth0", "02:00:00:00:00:01")
    assert (row.state, row.protocol, row.probes, row.refcnt) == ("permanent", "zebra", 2, 1)
    assert row.flags == ["extern_learn", "router", "managed", "extern_valid"]
    assert (row.confirmed_s, row.used_s, row.updated_s) == (1.0, 2.0, 3.0)
    assert (row.changed, row.state_before) == (None, None)


def test_what_we_do_not_know_stays_visible():
    [row] = built(host(neighbour("10.0.0.9", 0x300, index=77, more=frames.attribute(15, b"\0\1\0\0"))))[
        0
    ].neighbours
    assert (row.state, row.dev, row.flags) == ("unknown-0x300", "if77", ["unknown-0x10000"])


def test_rows_are_by_family_interface_and_number():
    raw = b"".join(
        neighbour(dst, index=index)
        for dst, index in (("fe80::2", 2), ("10.0.0.10", 2), ("10.0.0.9", 2), ("10.0.0.1", 3))
    )
    assert [(row.dst, row.dev) for row in built(host(raw))[0].neighbours] == [
        ("10.0.0.9", "eth0"),
        ("10.0.0.10", "eth0"),
        ("10.0.0.1", "eth1"),
        ("fe80::2", "eth0"),
    ]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (read.Wanted(), {"10.0.0.1", "10.0.1.2", "fe80::1"}),
        (read.Wanted(everyone=True), {"10.0.0.1", "10.0.1.2", "fe80::1", "224.0.0.22"}),
        (read.Wanted(family="inet6"), {"fe80::1"}),
        (read.Wanted(dev="eth1"), {"10.0.1.2"}),
        (read.Wanted(states=frozenset({"noarp", "stale"})), {"224.0.0.22", "10.0.1.2"}),
        (read.Wanted(prefix=ipaddress.ip_network("10.0.0.0/23")), {"10.0.0.1", "10.0.1.2"}),
        (read.Wanted(prefix=ipaddress.ip_network("fe80::1")), {"fe80::1"}),
    ],
)
def test_filters(wanted, found):
    raw = neighbour("10.0.0.1") + neighbour("10.0.1.2", STALE, index=3) + neighbour("fe80::1")
    data, _ = built(host(raw + neighbour("224.0.0.22", NOARP)), wanted)
    assert {row.dst for row in data.neighbours} == found
    assert data.total == len(found)


def test_what_changed_over_the_sample():
    earlier = host(
        neighbour("10.0.0.1", STALE)
        + neighbour("10.0.0.2")
        + neighbour("10.0.0.3", INCOMPLETE, lladdr=b"")
        + neighbour("10.0.0.4")
        + neighbour("224.0.0.22", NOARP)
    )
    now = neighbour("10.0.0.1") + neighbour("10.0.0.2", lladdr=b"\x02\0\0\0\0\2")
    now += neighbour("10.0.0.3") + neighbour("10.0.0.5")
    data, _ = built(host(now, earlier=earlier))
    assert {row.dst: row.changed for row in data.neighbours} == {
        "10.0.0.1": ["state"],
        "10.0.0.2": ["lladdr"],
        "10.0.0.3": ["state"],
        "10.0.0.5": ["new"],
    }
    assert data.neighbours[0].state_before == "stale"
    assert data.neighbours[1].lladdr_before == "02:00:00:00:00:01"
    assert data.gone == ["10.0.0.4 dev eth0"]  # and not the one that is never shown
    assert data.window_s == 1.0


def test_a_table_decoded_with_its_counters():
    stat = "/proc/net/stat/arp_cache"
    text = "entries  unresolved_discards table_fulls\n00000007 {:08x} 00000000\n00000007 00000005 00000000\n"
    earlier = host(tables=table(fulls=1), files={stat: text.format(0)})
    raw = neighbour("10.0.0.1") + neighbour("10.0.0.2", PERMANENT) + neighbour("10.0.0.3", flags=0x10)
    data, errors = built(
        host(
            raw,
            table(10, entries=9) + table(fulls=4, failed=8),
            earlier=earlier,
            files={stat: text.format(0x10)},
        )
    )
    assert errors == []
    inet, inet6 = data.tables
    assert (inet.name, inet.entries, inet.entries_here, inet.exempt_here) == ("arp_cache", 5, 3, 2)
    assert (inet.gc_thresh1, inet.gc_thresh2, inet.gc_thresh3) == (128, 512, 1024)
    assert (inet.table_fulls_total, inet.table_fulls, inet.res_failed) == (4, 3, 5)
    assert (inet.unresolved_discards_total, inet.unresolved_discards) == (21, 16)
    # the first reading had no such table; only the first namespace has the file
    assert (inet6.entries, inet6.table_fulls, inet6.unresolved_discards_total) == (9, None, None)


def test_per_cpu_counters_that_do_not_pair():
    for raw in (b"entries x\n1\n", b"entries\nzz\n"):
        with pytest.raises(ParseError):
            decode.per_cpu(raw, "x")
    assert decode.per_cpu(b"", "x") == {}


ROUTES = (
    frames.route_message(
        attributes=frames.attribute(4, struct.pack("=I", 2)) + frames.attribute(5, b"\x0a\0\0\xfe")
    )
    + frames.route_message(
        "20.0.0.0/8",
        attributes=frames.attribute(4, struct.pack("=I", 2)) + frames.attribute(5, b"\x0a\0\0\xfe"),
    )
    + frames.route_message(
        "30.0.0.0/8",
        attributes=frames.attribute(4, struct.pack("=I", 3)) + frames.attribute(5, b"\x0a\0\1\xfe"),
    )
    + frames.DONE
)


def test_a_failed_default_gateway_is_critical():
    raw = neighbour("10.0.0.254", FAILED, lladdr=b"", ages=(6000, 200, 300)) + neighbour("10.0.0.7", FAILED)
    outcome, [found] = outcomes(host(raw, routes=ROUTES))["neigh.gateway-failed"]
    assert (outcome, found.severity, found.subject.id) == ("found", "critical", "10.0.0.254 dev eth0")
    assert "gateway of the default route and 1 more route, does not answer: failed for 3s" in found.summary


def test_one_that_nobody_tried_for_long_is_a_warning():
    raw = neighbour("10.0.0.254", FAILED, lladdr=b"", ages=(0, 0, 6100))
    _, [found] = outcomes(host(raw, routes=ROUTES))["neigh.gateway-failed"]
    assert found.severity == "warning"
    assert "not tried since" in found.summary


def test_a_failed_gateway_of_another_route_is_a_warning():
    raw = neighbour("10.0.1.254", FAILED, index=3, lladdr=b"")
    _, [found] = outcomes(host(raw, routes=ROUTES))["neigh.gateway-failed"]
    assert found.severity == "warning"
    assert "the route to 30.0.0.0/8" in found.summary


@pytest.mark.parametrize(("updated", "found"), [(50, False), (101, True)])
def test_incomplete_counts_once_a_question_went_unanswered(updated, found):
    raw = neighbour("10.0.0.254", INCOMPLETE, lladdr=b"", ages=(0, 0, updated))
    outcome, findings = outcomes(host(raw, routes=ROUTES))["neigh.gateway-failed"]
    assert outcome == ("found" if found else "clear")
    assert len(findings) == found
    # or at both readings
    assert outcomes(host(raw, routes=ROUTES, earlier=host(raw)))["neigh.gateway-failed"][0] == "found"


@pytest.mark.parametrize(
    "raw",
    [
        neighbour("10.0.0.254", STALE),
        neighbour("10.0.0.254", FAILED, index=3, lladdr=b""),  # of another interface
        neighbour("10.0.0.7", FAILED, lladdr=b""),
        frames.DONE,
    ],
)
def test_clear_when_no_gateway_fails(raw):
    assert outcomes(host(raw, routes=ROUTES))["neigh.gateway-failed"] == ("clear", [])


def test_routes_are_read_only_when_a_neighbour_fails():
    data, errors = built(host(neighbour("10.0.0.254", STALE), routes=errno.EPERM))
    assert (data.gateways, errors) == ([], [])
    source = host(neighbour("10.0.0.254", FAILED, lladdr=b""), routes=errno.ENODATA)
    data, errors = built(source)
    assert (data.gateways, [error.code for error in errors]) == (None, ["not-recorded"])
    assert outcomes(source)["neigh.gateway-failed"][0] == "unknown"


def test_a_dead_leg_has_no_gateway_in_use():
    leg = struct.pack("=HBBi", 16, 1, 0, 2) + frames.attribute(5, b"\x0a\0\0\xfe")
    routes = frames.route_message("40.0.0.0/8", attributes=frames.attribute(9, leg))
    raw = neighbour("10.0.0.254", FAILED, lladdr=b"")
    assert built(host(raw, routes=routes))[0].gateways == []


@pytest.mark.parametrize(
    ("entries", "limit", "permanent", "severity"),
    [(819, 1024, 0, None), (820, 1024, 0, "warning"), (820, 1024, 9, None), (2000, 1024, 0, "warning")],
)
def test_near_the_largest_number_of_entries(entries, limit, permanent, severity):
    raw = b"".join(neighbour(f"10.0.0.{n}", PERMANENT) for n in range(1, permanent + 1)) or frames.DONE
    tables = table(entries=entries, limit=limit)
    _, findings = outcomes(host(raw, tables, earlier=host(tables=tables)))["neigh.table-full"]
    assert [found.severity for found in findings] == ([severity] if severity else [])


def test_an_overflow_in_the_sample_is_critical_and_one_before_it_is_not():
    old = outcomes(host(tables=table(fulls=9), earlier=host(tables=table(fulls=9))))["neigh.table-full"]
    assert old == ("clear", [])
    _, [found] = outcomes(host(tables=table(fulls=9), earlier=host(tables=table(fulls=2))))[
        "neigh.table-full"
    ]
    assert (found.severity, found.subject.id) == ("critical", "arp_cache")
    assert "7 times there was no room" in found.summary


def test_what_could_not_be_read_is_unknown():
    source = host()
    assert outcomes(source)["neigh.table-full"][0] == "unknown"  # one reading
    source._netlink["route/neigh"] = source._netlink["route/neightbl"] = errno.ENODATA
    data, errors = built(source)
    assert {error.code for error in errors} == {"not-recorded"}
    assert (data.gateways, data.tables) == (None, [])
    assert {verdict.outcome for verdict, _ in judge([gateway_failed, table_full], data)} == {"unknown"}


def test_counters_of_another_boot_give_no_rates():
    earlier = host(tables=table(fulls=9), clock=Clock(1.0, 5000.0, 5000.0))
    data, _ = built(host(tables=table(fulls=2), earlier=earlier))
    assert (data.window_s, data.tables[0].table_fulls, data.gone) == (None, None, None)


def test_mutated_frames_cost_only_their_part():
    kept = [
        neighbour("10.0.0.1", more=frames.attribute(4, struct.pack("=I", 2)))
        + neighbour("fe80::1", FAILED, lladdr=b"")
        + frames.DONE,
        table() + table(10) + frames.DONE,
    ]
    rng = random.Random(7)
    for _ in range(3000):
        raw = [bytearray(frame) for frame in kept]
        for _ in range(rng.randint(1, 4)):
            frame = rng.choice(raw)
            frame[rng.randrange(len(frame))] = rng.choice((0, 1, 2, 4, 0x7F, 0xFF, rng.randrange(256)))
        if rng.random() < 0.2:
            del raw[0][rng.randrange(len(raw[0])) :]
        _, errors = built(host(bytes(raw[0]), bytes(raw[1]), routes=ROUTES))
        assert {error.code for error in errors} <= {"parse"}
