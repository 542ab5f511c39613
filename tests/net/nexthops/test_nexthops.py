"""Nexthop objects against `ip -j nexthop`, with real dead legs, changed frames, a recording."""

from __future__ import annotations

import errno
import struct

import frames
import pytest
from cli import NOBODY, sretool
from hypothesis import given
from hypothesis import strategies as st
from lab_netns import Inside, Namespace

from sretool.errors import ParseError
from sretool.host.fake import Fake
from sretool.net.nexthops import read
from sretool.net.routes.read import around, nexthops

LAB = """
link add v0 type veth peer name w0
link add v1 type veth peer name w1
link set v0 up
link set w0 up
link set v1 up
link set w1 up
addr add 10.0.0.1/24 dev v0
addr add 10.0.1.1/24 dev v1
nexthop add id 1 via 10.0.0.2 dev v0
nexthop add id 2 via 10.0.1.2 dev v1 protocol zebra
nexthop add id 3 blackhole
nexthop add id 4 via 10.0.0.3 dev v0 onlink
nexthop add id 5 dev v1
nexthop add id 10 group 1,3/2
nexthop add id 11 group 1/2 type resilient buckets 32 idle_timer 60 unbalanced_timer 300
nexthop add id 12 group 2/4
nexthop add id 20 via 10.0.0.7 fdb
nexthop add id 30 via fe80::1 dev v0
neigh add 10.0.1.2 lladdr 02:00:00:00:00:01 dev v1 nud permanent
neigh add 10.0.0.3 lladdr 02:00:00:00:00:02 dev v0 nud permanent
neigh add 10.0.0.2 dev v0 nud failed
"""


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def nexthop_message(attributes: bytes, family: int = 2, flags: int = 0) -> bytes:
    return frames.message(104, struct.pack("=BBBxI", family, 253, 4, flags) + attributes)


def one(id_: int, gateway: bytes = b"\x0a\0\0\2", index: int = 2, flags: int = 0) -> bytes:
    values = frames.attribute(1, u32(id_)) + frames.attribute(5, u32(index)) + frames.attribute(6, gateway)
    return nexthop_message(values, flags=flags)


def group(id_: int, *members: tuple[int, int, int], kind: int = 0, more: bytes = b"") -> bytes:
    raw = b"".join(struct.pack("=IBBxx", *member) for member in members)
    values = frames.attribute(1, u32(id_)) + frames.attribute(2, raw)
    return nexthop_message(values + frames.attribute(3, struct.pack("=H", kind)) + more, family=0)


def neighbour(index: int, state: int, address: bytes, flags: int = 0) -> bytes:
    return frames.message(
        28, struct.pack("=BxxxiHBB", 2, index, state, flags, 1) + frames.attribute(1, address)
    )


def link(index: int, name: str, carrier: int, flags: int = 0x10043) -> bytes:
    return frames.link_message(index, name, frames.attribute(33, bytes([carrier])), flags)


HOST = {
    "route/nexthops": [one(1) + one(2, index=3) + group(9, (1, 0, 0), (2, 3, 1)) + frames.DONE],
    "route/links": [link(2, "eth0", 1) + link(3, "eth1", 1) + frames.DONE],
    "route/neigh": [neighbour(2, 0x20, b"\x0a\0\0\2") + frames.DONE],
}


def built(**changed):
    now = read.sample(Fake(netlink={**HOST, **{f"route/{name}": value for name, value in changed.items()}}))
    return {row.id: row for row in read.build(now).nexthops}, now.errors


def test_legs_with_weights_of_sixteen_bits():
    rows, errors = built()
    assert errors == []
    legs = rows[9].legs
    assert [(leg.id, leg.weight, leg.share_ratio, leg.dev) for leg in legs] == [
        (1, 1, 0.0038, "eth0"),
        (2, 260, 0.9962, "eth1"),
    ]
    assert (rows[9].type, rows[9].legs_dead, rows[9].trouble) == ("mpath", 1, "1 of 2 legs dead")
    assert legs[0].trouble == "10.0.0.2 does not answer (failed)"
    assert (legs[1].neighbour, legs[1].trouble) == ("none", None)


@pytest.mark.parametrize(
    ("changed", "trouble"),
    [
        ({"links": [link(2, "eth0", 0) + link(3, "eth1", 1)]}, "eth0: the link has no carrier"),
        ({"links": [link(2, "eth0", 1, 0x1002) + link(3, "eth1", 1)]}, "eth0: the link is down"),
        ({"links": [link(3, "eth1", 1)]}, "if2 is not there"),
        ({"neigh": [frames.DONE], "nexthops": [one(1, flags=0x10)]}, "the kernel marks it linkdown"),
        ({"neigh": [frames.DONE]}, None),
        ({"neigh": [neighbour(2, 0x20, b"\x0a\0\0\2", flags=8)]}, None),  # a proxy entry is no neighbour
        ({"neigh": [neighbour(2, 0x01, b"\x0a\0\0\2")]}, "10.0.0.2 does not answer (incomplete)"),
    ],
)
def test_trouble(changed, trouble):
    assert built(**changed)[0][1].trouble == trouble


def test_what_could_not_be_read_is_unknown():
    rows, errors = built(neigh=errno.EPERM, links=errno.EPERM)
    assert {error.code for error in errors} == {"permission-denied"}
    assert (rows[1].dev, rows[1].neighbour, rows[1].trouble) == ("if2", None, None)
    rows, errors = built(nexthops=errno.EOPNOTSUPP)
    assert (rows, [error.code for error in errors]) == ({}, ["unsupported"])


def test_a_member_that_is_not_there():
    rows, _ = built(nexthops=[group(9, (7, 0, 0)) + frames.DONE])
    assert (rows[9].legs[0].trouble, rows[9].trouble) == ("nexthop 7 is not there", "no leg works")


def test_unknown_group_type_and_table():
    table = frames.attribute(1, struct.pack("=H", 32)) + frames.attribute(4, struct.pack("=Q", 250))
    rows, _ = built(nexthops=[group(9, (1, 0, 0), kind=9, more=frames.attribute(12, table)) + one(1)])
    row = rows[9]
    assert (row.type, row.buckets, row.idle_timer_s, row.unbalanced_time_s) == ("unknown-9", 32, None, 2.5)


@given(
    st.sampled_from(["nexthops", "links", "neigh"]),
    st.integers(0, 10**6),
    st.integers(0, 255),
)
def test_any_changed_byte_costs_only_its_part(which, at, value):
    [raw] = HOST[f"route/{which}"]
    at %= len(raw)
    _, errors = built(**{which: [raw[:at] + bytes([value]) + raw[at + 1 :]]})
    assert {error.code for error in errors} <= {"parse"}


@given(st.lists(st.tuples(st.integers(0, 16), st.binary(max_size=24))))
def test_any_attributes(pairs):
    built(nexthops=[nexthop_message(b"".join(frames.attribute(kind, value) for kind, value in pairs))])


@pytest.fixture(scope="module")
def lab():
    with Namespace() as ns:
        ns.batch(LAB)
        yield ns


@pytest.mark.lab
@pytest.mark.oracle
@pytest.mark.parametrize("uid", [None, NOBODY])
def test_rows_are_those_of_ip(lab, uid):
    done = sretool("net", "nexthops", "--json", netns=lab.name, uid=uid)
    assert (done.code, done.json["status"]) == (0, "ok")
    ours = {row["id"]: row for row in done.json["data"]["nexthops"]}
    theirs = {row["id"]: row for row in lab.json("ip", "-j", "-d", "nexthop")}
    assert ours.keys() == theirs.keys() >= {1, 2, 3, 4, 5, 10, 11, 12, 20, 30}
    for id_, row in ours.items():
        other = theirs[id_]
        for key in ("gateway", "dev", "scope", "protocol", "flags"):
            assert row[key] == other.get(key), (id_, key)
        assert row["fdb"] == ("fdb" in other)
        assert (row["type"] == "blackhole") == ("blackhole" in other)
        assert [(leg["id"], leg["weight"]) for leg in row["legs"]] == [
            (leg["id"], leg.get("weight", 1)) for leg in other.get("group", [])
        ]
        table = other.get("resilient_args", {})
        assert [row[f"{key}_s"] for key in ("idle_timer", "unbalanced_timer", "unbalanced_time")] == [
            table.get(key) for key in ("idle_timer", "unbalanced_timer", "unbalanced_time")
        ]
        assert row["buckets"] == table.get("buckets")


@pytest.mark.lab
def test_dead_legs(lab):
    done = sretool("net", "nexthops", "--dead", "--json", netns=lab.name)
    rows = {row["id"]: row for row in done.json["data"]["nexthops"]}
    assert rows.keys() == {1, 10, 11}
    assert (rows[10]["legs_dead"], rows[10]["trouble"]) == (1, "1 of 2 legs dead")
    text = sretool("net", "nexthops", netns=lab.name).out
    assert "1 weight 3 DEAD, 2" in text
    assert "10.0.0.2 does not answer (failed)" in text
    of_v1 = sretool("net", "nexthops", "--dev", "v1", "--json", netns=lab.name).json["data"]["nexthops"]
    assert [row["id"] for row in of_v1] == [2, 5, 10, 11, 12]


@pytest.mark.lab
def test_from_a_recording(lab, tmp_path):
    file = tmp_path / "r.tar.gz"
    assert sretool("snapshot", "save", file, "--sample", "0", netns=lab.name).code == 0
    live = sretool("net", "nexthops", "--json", netns=lab.name).json["data"]
    assert sretool("net", "nexthops", "--json", "--from", file).json["data"] == live


@pytest.mark.lab
def test_any_changed_byte_of_real_frames(lab):
    inside = Inside(lab.path)
    real = {key: inside.netlink(key).frames for key in (nexthops.NEXTHOPS, around.LINKS, around.NEIGHBOURS)}

    @given(st.sampled_from(sorted(real)), st.integers(0, 10**6), st.integers(0, 255))
    def changed(key, at, value):
        [raw, *_] = real[key]
        at %= len(raw)
        raw = raw[:at] + bytes([value]) + raw[at + 1 :]
        try:
            if key == nexthops.NEXTHOPS:
                nexthops.read([raw])
            elif key == around.LINKS:
                around.links([raw])
            else:
                around.neighbours([raw], {})
        except ParseError:
            pass

    changed()
