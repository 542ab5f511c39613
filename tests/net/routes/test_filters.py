"""Filters of `net routes`: by the kernel where it can, in Python over the rest, with the same rows; and rows
as they come.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator

import frames
import pytest
from cli import sretool
from hypothesis import given
from hypothesis import strategies as st
from lab_netns import Inside, Namespace

from sretool.errors import ParseError, from_errno
from sretool.host.fake import Fake
from sretool.host.source import Dump, Frames
from sretool.net.routes import read
from sretool.net.routes.read import decode
from sretool.net.routes.read.dump import dump_of
from sretool.net.routes.read.health import Health
from sretool.net.routes.read.names import TABLES, TableNames
from sretool.net.routes.read.wanted import Wanted

LAB = """
link add v0 type veth peer name w0
link add v1 type veth peer name w1
link set v0 up
link set w0 up
link set v1 up
link set w1 up
addr add 10.0.0.1/24 dev v0
addr add 10.0.1.1/24 dev v1
addr add fd00:a::1/64 dev v0 nodad
route add default via 10.0.0.254 dev v0
route add 20.0.0.0/8 via 10.0.0.2 proto bird
route add 20.1.0.0/16 via 10.0.1.2
route add 20.1.1.0/24 nexthop via 10.0.0.5 nexthop via 10.0.1.5
route add blackhole 20.2.0.0/16
route add 20.3.0.0/16 via 10.0.1.2 table 100
route add 20.4.0.0/16 via 10.0.1.2 table 1000 proto 77
route add 62.0.0.0/8 encap ip id 7 dst 192.0.2.9 via 10.0.0.4 dev v0
nexthop add id 7 via 10.0.0.9 dev v0
nexthop add id 8 via 10.0.1.9 dev v1
nexthop add id 9 group 7,3/8
route add 60.0.0.0/8 nhid 9
route add 61.0.0.0/8 nhid 7
"""
LAB6 = """
route add default via fd00:a::fe dev v0
route add 2001:db8::/32 encap seg6 mode encap segs 2001:db8:1::1,2001:db8:2::2 dev v0
route add 2001:db8:1::/48 via fd00:a::2 table 100
"""


@pytest.fixture(scope="module")
def lab():
    with Namespace() as ns:
        for setting in ("all", "default"):
            ns.run("sysctl", "-qw", f"net.ipv6.conf.{setting}.accept_dad=0")
        ns.batch(LAB)
        ns.batch(LAB6, "-6")
        yield ns


@pytest.fixture(scope="module")
def recording(lab, tmp_path_factory):
    file = tmp_path_factory.mktemp("recording") / "r.tar.gz"
    assert sretool("snapshot", "save", file, "--sample", "0", netns=lab.name).code == 0
    return file


FILTERS = {
    "--table 100": {"20.3.0.0/16", "2001:db8:1::/48"},
    "--table 1000": {"20.4.0.0/16"},
    "--table 77": set(),
    "--protocol bird": {"20.0.0.0/8"},
    "--protocol 77": {"20.4.0.0/16"},
    "--protocol 12": {"20.0.0.0/8"},
    "--type blackhole": {"20.2.0.0/16"},
    "--dst 20.1.0.0/16": {"20.1.0.0/16"},
    "--dst 20.1.0.0/16 --longer": {"20.1.0.0/16", "20.1.1.0/24"},
    "--dst default": {"default"},
    "--dst default -6": {"default"},
    "--matches 20.1.1.9": {"20.1.1.0/24", "20.1.0.0/16", "20.0.0.0/8", "default"},
    "--matches 2001:db8:1::7": {"2001:db8::/32", "2001:db8:1::/48", "default"},
    "--gateway 10.0.1.5": {"20.1.1.0/24"},
    "--gateway fd00:a:0::2": {"2001:db8:1::/48"},
    "--dev v1 --protocol boot": {"20.1.0.0/16", "20.1.1.0/24", "20.3.0.0/16", "60.0.0.0/8"},
    "--dev nope": set(),
    "--table main --matches 20.3.0.1 --protocol bird": {"20.0.0.0/8"},
}


RECORDED = ("--table 100", "--protocol 12", "--dst 20.1.0.0/16 --longer", "--dev v1 --protocol boot")


@pytest.mark.lab
@pytest.mark.parametrize("options", FILTERS)
def test_the_kernel_and_python_leave_out_the_same(lab, options, recording):
    def rows(*more: object, **how: str) -> list[dict]:
        done = sretool("net", "routes", *options.split(), *more, **how)
        assert done.code == 0, done.err
        lines = [json.loads(line) for line in done.out.splitlines()]
        assert (lines[-1]["type"], lines[-1]["status"], lines[-1]["errors"]) == ("end", "ok", [])
        return lines[:-1]

    live = rows("--jsonl", netns=lab.name)  # the kernel filters, rows leave as they come
    assert {row["dst"] for row in live} == FILTERS[options]
    if options in RECORDED:
        assert rows("--jsonl", "--from", recording) == live


@pytest.mark.lab
def test_the_kernel_is_asked_to_filter(lab):
    inside = Inside(lab.path)
    devices = {index: link.name for index, link in read.sample(inside, read.Ask()).links.items()}
    tables = TableNames(TABLES)
    for wanted, most in (
        (Wanted(table="100", tables=tables), 1),
        (Wanted(protocol="bird"), 1),
        (Wanted(type="blackhole"), 1),
        (Wanted(dev="lo"), 4),
        (Wanted(), 100),
    ):
        raw = inside.netlink(dump_of("inet", wanted, devices)).frames
        given = list(decode.decode(raw, "inet", devices, tables))
        assert 1 <= len(given) <= most, wanted
        assert list(decode.decode(raw, "inet", devices, tables, wanted)) == given
    assert len(given) > 12


@pytest.mark.lab
@pytest.mark.oracle
def test_rows_as_they_come_are_those_of_the_document(lab):
    document = sretool("net", "routes", "--json", netns=lab.name).json["data"]["routes"]
    lines = sretool("net", "routes", "--jsonl", netns=lab.name).out.splitlines()
    assert [json.loads(line) for line in lines[:-1]] == document
    assert len(document) == sum(
        len(lab.json("ip", "-j", family, "route", "show", "table", "all")) for family in ("-4", "-6")
    )
    some = sretool("net", "routes", "--jsonl", "--limit", 3, "--fields", "dst,dev", netns=lab.name).out
    assert [json.loads(line) for line in some.splitlines()[:-1]] == [
        {"dst": row["dst"], "dev": row["dev"]} for row in document[:3]
    ]
    ordered = sretool("net", "routes", "--jsonl", "--sort", "dst", "-4", netns=lab.name).out.splitlines()[:-1]
    assert [json.loads(line)["dst"] for line in ordered] == sorted(
        row["dst"] for row in document if row["family"] == "inet"
    )


@pytest.mark.lab
@pytest.mark.oracle
def test_encapsulation_and_nexthop_objects_are_named(lab):
    rows = {
        row["dst"]: row for row in sretool("net", "routes", "--json", netns=lab.name).json["data"]["routes"]
    }
    assert (rows["62.0.0.0/8"]["encap"], rows["62.0.0.0/8"]["encap_to"]) == ("ip", "id 7 dst 192.0.2.9")
    seg6 = rows["2001:db8::/32"]
    theirs = lab.json("ip", "-j", "-6", "route", "show", "2001:db8::/32")[0]
    assert (seg6["encap"], seg6["encap_to"]) == (
        theirs["encap"],
        f"mode {theirs['mode']} segs {','.join(theirs['segs'])}",
    )
    text = sretool("net", "routes", "--fields", "dst,gateway", netns=lab.name).out
    assert "nhid 9 10.0.0.9 dev v0 weight 3, 10.0.1.9 dev v1" in text
    assert "10.0.0.4 encap ip id 7 dst 192.0.2.9" in text
    legs = rows["60.0.0.0/8"]["nexthops"]
    lab.run("sysctl", "-qw", "net.ipv4.nexthop_compat_mode=0")  # the kernel only gives the number now
    try:
        assert lab.json("ip", "-j", "route", "show", "60.0.0.0/8")[0].get("nexthops") is None
        found = sretool("net", "routes", "--dev", "v0", "--json", netns=lab.name).json["data"]["routes"]
        bare = {row["dst"]: row for row in found}
        assert (bare["60.0.0.0/8"]["nhid"], bare["60.0.0.0/8"]["nexthops"]) == (9, legs)
        assert (bare["61.0.0.0/8"]["gateway"], bare["61.0.0.0/8"]["dev"]) == ("10.0.0.9", "v0")
        done = sretool("net", "route", "60.0.0.1", "--json", netns=lab.name).json["data"]
        assert [(hop["gateway"], hop["weight"]) for hop in done["hops"]] == [("10.0.0.9", 3), ("10.0.1.9", 1)]
    finally:
        lab.run("sysctl", "-qw", "net.ipv4.nexthop_compat_mode=1")


ONE = frames.route_message("10.0.0.0/8", attributes=frames.attribute(4, b"\2\0\0\0"))


class Changing(Fake):
    """Its tables change under every reading."""

    def netlink(self, request: Dump, netns: str | None = None) -> Frames:
        return super().netlink(request, netns)._replace(consistent="routes" not in request.key)


class Broken(Fake):
    """The kernel stops half-way."""

    def stream(self, request: Dump) -> Iterator[bytes]:
        yield ONE
        raise from_errno(errno.ENOBUFS, request.key)


@pytest.mark.parametrize(
    ("kind", "rows", "code", "families"),
    [
        (Fake, 1, None, ("inet",)),
        (Changing, 1, "inconsistent", ("inet",)),
        (Broken, 1, "unreadable", ()),
    ],
)
def test_how_a_stream_ended(kind, rows, code, families):
    source = kind({}, netlink={"route/links": [frames.LINKS], "route/routes/4": [ONE + frames.DONE]})
    now = read.sample(source, read.Ask(("inet",), routes=False))
    assert now.frames == {}
    health = Health(now)
    assert len(list(read.stream(source, now, ("inet",), health))) == rows
    assert [error.code for error in now.errors] == ([] if code is None else [code])
    assert health.families == families


def test_a_cut_frame_ends_its_family():
    netlink = {"route/links": [frames.LINKS], "route/routes/4": [ONE, ONE[:-3]], "route/routes/6": []}
    source = Fake({}, netlink=netlink)
    now = read.sample(source, read.Ask(routes=False))
    health = Health(now)
    assert len(list(read.stream(source, now, ("inet", "inet6"), health))) == 1
    assert ([error.code for error in now.errors], health.families) == (["parse"], ("inet6",))


MPLS = frames.attribute(21, b"\1\0") + frames.attribute(22, frames.attribute(1, b"\0\x06\x40\0\0\x0c\x81\0"))

BPF = frames.attribute(21, b"\x06\0")
BPF += frames.attribute(22, frames.attribute(2, frames.attribute(2, b"p.o\0")))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (MPLS, ("mpls", "100/200")),
        (frames.attribute(21, b"\x63\0"), ("unknown-99", None)),
        (BPF, ("bpf", "out p.o")),
        (frames.attribute(21, b"\x07\0") + frames.attribute(22, frames.attribute(1, b"\x03\0\0\0")),
         ("seg6local", "action End.T")),
    ],
)  # fmt: skip
def test_encapsulation_of_bytes(attributes, words):
    raw = frames.route_message("10.0.0.0/8", attributes=attributes)
    [row] = decode.decode([raw + frames.DONE], "inet", {}, TableNames())
    assert (row.encap, row.encap_to) == words


@given(st.integers(1, 8), st.binary(max_size=60))
def test_any_encapsulation_gives_words_or_parse_error(number, raw):
    attributes = frames.attribute(21, bytes([number, 0])) + frames.attribute(22, raw)
    try:
        list(decode.decode([frames.route_message(attributes=attributes)], "inet", {}, TableNames()))
    except ParseError:
        pass


@pytest.fixture(scope="module")
def real(lab):
    inside = Inside(lab.path)
    return {family: inside.netlink(dump_of(family)).frames for family in ("inet", "inet6")}


@pytest.mark.lab
@given(data=st.data())
def test_any_changed_byte_of_real_frames(real, data):
    family = data.draw(st.sampled_from(sorted(real)))
    raw = data.draw(st.sampled_from(real[family]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw = raw[:at] + bytes([data.draw(st.integers(0, 255))]) + raw[at + 1 :]
    try:
        list(decode.decode([raw], family, {}, TableNames(), Wanted(covering=b"\x0a\0\0\1")))
        list(decode.decode([raw], family, {}, TableNames()))
    except ParseError:
        pass


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("--dst 10.0.0.1/8", "--dst: 10.0.0.1/8 has host bits set"),
        ("--dst nonsense", "--dst"),
        ("--longer", "--longer: needs a prefix"),
        ("--matches 10.0.0.0/8", "--matches"),
        ("--gateway router", "--gateway"),
        ("--type nonsense", "--type: no type is named 'nonsense'"),
    ],
)
def test_bad_filters(options, why):
    done = sretool("net", "routes", *options.split())
    assert (done.code, done.out) == (64, "")
    assert why in done.err


def test_a_table_nobody_named_is_told_from_an_empty_one() -> None:
    done = sretool("net", "routes", "--table", "nosuch")
    assert (done.code, done.out) == (64, "")
    assert "no table is called 'nosuch'" in done.err
    assert sretool("net", "routes", "--table", "999999").code == 0
