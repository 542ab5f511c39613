"""Policy rules: every selector against `ip -j -d rule`, cut and changed frames, a recording."""

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
from sretool.net.routes.read import rules as fib_rules
from sretool.net.routes.read.names import TableNames
from sretool.net.rules import read

LAB = """
link add v0 type veth peer name w0
link add v1 type veth peer name w1
rule add priority 100 from 10.0.0.0/8 to 20.0.0.0/8 fwmark 0x7/0xff iif v0 lookup 100
rule add priority 110 not from 10.0.0.1 oif v1 uidrange 1000-1999 lookup 101
rule add priority 120 ipproto tcp sport 1000-2000 dport 443 lookup 102 protocol bird
rule add priority 130 tun_id 77 tos 0x10 lookup 103
rule add priority 140 lookup main suppress_prefixlength 0
rule add priority 145 lookup main suppress_ifgroup 5 suppress_prefixlength 8
rule add priority 150 goto 32766
rule add priority 160 goto 40000
rule add priority 170 iif nope0 blackhole
rule add priority 180 oif nope1 unreachable
rule add priority 190 to 30.0.0.0/8 prohibit
rule add priority 200 to 31.0.0.0/8 nop
rule add priority 210 fwmark 9 lookup 104 realms 3/4
"""
LAB6 = """
rule add priority 100 from 2001:db8::/32 to 2001:db8:1::1 lookup 100
rule add priority 110 ipproto ipv6-icmp lookup 1000
"""


def rule_message(attributes: bytes = b"", *, action: int = 1, flags: int = 0, table: int = 254, bits=(0, 0)):
    header = struct.pack("=BBBBBxxBI", 2, *bits, 0, table, action, flags)
    return frames.message(32, header + attributes)


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def built(*messages: bytes, **wanted):
    raw = b"".join(messages) + frames.DONE
    now = read.sample(Fake(netlink={"route/rules/4": [raw]}), read.Ask(("inet",)))
    return read.build(now, **wanted).rules


@pytest.mark.parametrize(
    ("attributes", "more", "match", "does"),
    [
        (b"", {}, "all", "looks in main"),
        (frames.attribute(10, u32(7)), {}, "fwmark 0x7", "looks in main"),
        (frames.attribute(10, u32(7)) + frames.attribute(16, u32(15)), {"flags": 2}, "not fwmark 0x7/0xf",
         "looks in main"),
        (frames.attribute(19, b"\1"), {"table": 0}, "l3mdev", "looks in the VRF's table"),
        (frames.attribute(25, b"\x08"), {}, "dscp 0x8", "looks in main"),
        (frames.attribute(25, b"\x08") + frames.attribute(30, b"\x38"), {}, "dscp 0x8/0x38", "looks in main"),
        (frames.attribute(26, b"\0\0\0\x07"), {}, "flowlabel 0x7", "looks in main"),
        (frames.attribute(24, struct.pack("=HH", 80, 80)) + frames.attribute(29, struct.pack("=H", 0xFF)), {},
         "dport 0x50/0xff", "looks in main"),
        (frames.attribute(22, b"\xfd"), {}, "ipproto 253", "looks in main"),
        (frames.attribute(4, u32(9)), {"action": 2, "flags": 4}, "all", "goes on at 9, which is not there"),
        (b"", {"action": 77}, "all", "unknown-77"),
        (frames.attribute(3, b"e\x1b\xff\0"), {"action": 6, "flags": 8}, "iif e\x1b\\xff",
         "drops them silently; e\x1b\\xff is not there"),
    ],
)  # fmt: skip
def test_words(attributes, more, match, does):
    [row] = built(rule_message(attributes, **more))
    assert (row.match, row.does) == (match, does)


def test_by_priority_and_of_one_table():
    late, early = frames.attribute(6, u32(200)), frames.attribute(6, u32(100))
    rows = built(rule_message(late), rule_message(early, table=100))
    assert [row.priority for row in rows] == [100, 200]
    assert [row.priority for row in built(rule_message(late), table="254")] == [200]
    assert built(rule_message(late), table="blue") == []


def test_unknown_flags_stay_visible():
    [row] = built(rule_message(flags=0x101))
    assert row.flags == ["permanent", "unknown-0x100"]


def test_a_family_that_failed_costs_itself():
    now = read.sample(
        Fake(netlink={"route/rules/4": [rule_message() + frames.DONE], "route/rules/6": errno.EPERM})
    )
    assert [row.family for row in read.build(now).rules] == ["inet"]
    assert [error.code for error in now.errors] == ["permission-denied"]


def test_a_prefix_longer_than_its_address_is_refused():
    now = read.sample(Fake(netlink={"route/rules/4": [rule_message(bits=(8, 0))]}), read.Ask(("inet",)))
    assert read.build(now).rules == []
    assert [error.code for error in now.errors] == ["parse"]


@given(st.lists(st.tuples(st.integers(0, 31), st.binary(max_size=20))), st.binary(max_size=8))
def test_any_attributes_give_rules_or_parse_error(pairs, tail):
    attributes = b"".join(frames.attribute(kind, value) for kind, value in pairs) + tail
    now = read.sample(
        Fake(netlink={"route/rules/4": [rule_message(attributes, bits=(8, 8))]}), read.Ask(("inet",))
    )
    read.build(now)
    assert {error.code for error in now.errors} <= {"parse"}


@pytest.fixture(scope="module")
def lab():
    with Namespace() as ns:
        ns.batch(LAB)
        ns.batch(LAB6, "-6")
        yield ns


@pytest.fixture(scope="module")
def real(lab):
    return Inside(lab.path).netlink(fib_rules.request("inet")).frames[0]


@pytest.mark.lab
@given(data=st.data())
def test_any_changed_byte_of_real_frames(real, data):
    at = data.draw(st.integers(0, len(real) - 1))
    changed = real[:at] + bytes([data.draw(st.integers(0, 255))]) + real[at + 1 :]
    try:
        for rule in fib_rules.decode([changed], "inet", TableNames()):
            read.row(rule, "inet")
    except ParseError:
        pass


def as_ip(rule: dict) -> dict:
    """A rule of `ip -j -d rule` in our keys."""

    def number(key: str) -> int | None:
        return int(rule[key], 0) if key in rule else None

    def prefix(key: str) -> str:
        bits = rule.get(f"{key}len")
        return rule.get(key, "all") + (f"/{bits}" if bits is not None else "")

    actions = ((word, word) for word in ("goto", "nop"))
    return {
        "priority": rule["priority"],
        "action": rule.get("action") or next((ours for word, ours in actions if word in rule), "lookup"),
        "table": rule.get("table"),
        "goto": rule.get("goto"),
        "invert": "not" in rule,
        "src": prefix("src"),
        "dst": prefix("dst"),
        "iif": rule.get("iif"),
        "oif": rule.get("oif"),
        "fwmark": number("fwmark"),
        "fwmask": number("fwmask") if "fwmask" in rule else 0xFFFFFFFF if "fwmark" in rule else None,
        "uid_start": rule.get("uid_start"),
        "uid_end": rule.get("uid_end"),
        "ipproto": rule.get("ipproto"),
        "sport_start": rule.get("sport_start", rule.get("sport")),
        "sport_end": rule.get("sport_end", rule.get("sport")),
        "dport_start": rule.get("dport_start", rule.get("dport")),
        "dport_end": rule.get("dport_end", rule.get("dport")),
        "tos": number("tos"),
        "tun_id": rule.get("tun_id"),
        "suppress_prefixlength": rule.get("suppress_prefixlen"),
        "suppress_ifgroup": number("suppress_ifgroup"),
        "realm_from": number("flow_from"),
        "realm_to": number("flow_to"),
        "protocol": rule["protocol"],
    }


@pytest.mark.lab
@pytest.mark.oracle
@pytest.mark.parametrize("uid", [None, NOBODY])
@pytest.mark.parametrize("family", ["-4", "-6"])
def test_rows_are_those_of_ip(lab, family, uid):
    done = sretool("net", "rules", family, "--json", netns=lab.name, uid=uid)
    assert done.code == 0, done.err
    theirs = [as_ip(rule) for rule in lab.json("ip", "-j", "-d", family, "rule")]
    rows = done.json["data"]["rules"]
    assert len(rows) == len(theirs) >= 4
    for row, other in zip(rows, theirs):
        assert {key: row[key] for key in other} == other
    flags = {row["priority"]: row["flags"] for row in rows}
    if family == "-4":
        assert (flags[160], flags[170], flags[180]) == (["unresolved"], ["iif_detached"], ["oif_detached"])


@pytest.mark.lab
def test_what_a_person_sees(lab):
    lines = sretool("net", "rules", "-4", netns=lab.name).out.splitlines()
    assert lines[0].split() == ["PRIORITY", "FAMILY", "MATCH", "DOES", "PROTOCOL"]
    assert "from 10.0.0.0/8 to 20.0.0.0/8 fwmark 0x7/0xff iif v0  looks in 100" in lines[2]
    assert "looks in main but for its default route" in lines[6]
    assert "prefixes of 0 to 8 bits and interfaces of group 5" in lines[7]
    assert sretool("net", "rules", "--table", "102", netns=lab.name).out.count("\n") == 2


@pytest.mark.lab
def test_from_a_recording(lab, tmp_path):
    file = tmp_path / "r.tar.gz"
    assert sretool("snapshot", "save", file, "--sample", "0", netns=lab.name).code == 0
    live = sretool("net", "rules", "--json", netns=lab.name).json["data"]
    assert sretool("net", "rules", "--json", "--from", file).json["data"] == live
