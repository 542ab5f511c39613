from __future__ import annotations

import errno
import struct

import frames
import pytest
from cli import NOBODY, sretool
from hypothesis import given
from hypothesis import strategies as st
from lab_netns import Namespace
from waiting import until

from sretool.host.fake import Fake
from sretool.net.addrs import read
from sretool.net.addrs.checks import CHECKS
from sretool.report.check import judge


def address_message(index: int, family: int, bits: int, attributes: bytes, flags: int = 0x80) -> bytes:
    return frames.message(20, struct.pack("=BBBBI", family, bits, flags, 0, index) + attributes)


def host(links: bytes = frames.LINKS, addresses: bytes = frames.DONE) -> Fake:
    return Fake({}, netlink={"route/links": [links], "route/addrs": [addresses]})


def built(source: Fake, *args: str | None):
    now = read.sample(source)
    return read.build(now, *args), now.errors


def test_addresses_join_their_links():
    v4 = (
        frames.attribute(1, b"\x0a\0\0\2")
        + frames.attribute(2, b"\x0a\0\0\1")
        + frames.attribute(3, b"eth0:x\0")
    )
    v6 = frames.attribute(1, b"\xfd" + bytes(15)) + frames.attribute(8, struct.pack("=I", 0x48))
    v6 += frames.attribute(6, struct.pack("=IIII", 10, 20, 0, 0))
    found, errors = built(host(addresses=address_message(2, 10, 64, v6) + address_message(2, 2, 24, v4)))
    assert errors == []
    assert [link.ifname for link in found.links] == ["lo", "eth0", "eth1"]
    inet, inet6 = found.links[1].addresses
    assert (inet.local, inet.peer, inet.prefixlen, inet.label) == ("10.0.0.1", "10.0.0.2", 24, "eth0:x")
    assert (inet.flags, inet.valid_s) == (["permanent"], None)
    assert (inet6.local, inet6.flags) == ("fd00::", ["dadfailed", "tentative"])
    assert (inet6.preferred_s, inet6.valid_s) == (10, 20)


def test_first_flag_is_named_by_family():
    v4 = frames.attribute(2, b"\x0a\0\0\1")
    v6 = frames.attribute(1, bytes(15) + b"\1")
    raw = address_message(2, 2, 24, v4, 1) + address_message(2, 10, 64, v6, 1)
    found, _ = built(host(addresses=raw))
    assert [address.flags for address in found.links[1].addresses] == [["secondary"], ["temporary"]]


def test_a_dump_that_failed_costs_itself():
    source = host()
    source._netlink["route/addrs"] = errno.EPERM
    found, errors = built(source)
    assert [link.addresses for link in found.links] == [None] * 3
    assert [error.code for error in errors] == ["permission-denied"]


def test_unknown_operstate_and_flags_stay_visible():
    raw = frames.link_message(7, "x", frames.attribute(16, b"\x63"), flags=1 | 1 << 25)
    found, _ = built(host(raw))
    assert (found.links[0].operstate, found.links[0].flags) == ("unknown-99", ["up", "unknown-0x2000000"])


@given(st.binary(max_size=120), st.booleans())
def test_any_bytes_cost_only_their_part(raw, wrapped):
    links = frames.link_message(7, "x", raw) if wrapped else raw
    addresses = address_message(7, 10, 64, raw) if wrapped else raw
    for source in (host(links), host(addresses=addresses)):
        _, errors = built(source)
        assert {error.code for error in errors} <= {"parse"}


@pytest.fixture(scope="module")
def lab():
    with Namespace() as ns:
        ns.batch(
            """
link add v0 type veth peer name w0
link add br0 type bridge
link set w0 master br0
link set v0 up mtu 1400
link set v0 alias uplink
addr add 10.0.0.1/24 brd + dev v0
addr add 10.0.0.9/24 dev v0
addr add 10.0.2.1/32 peer 10.0.2.2/32 dev v0
addr add fd00::1/64 dev v0 nodad
addr add fd00::2/64 dev v0 preferred_lft 0 valid_lft 1000 nodad
"""
        )
        yield ns


@pytest.mark.lab
@pytest.mark.oracle
@pytest.mark.parametrize("uid", [None, NOBODY])
def test_rows_are_those_of_ip(lab, uid):
    done = sretool("net", "addrs", "--json", netns=lab.name, uid=uid)
    assert done.code == 0, done.err
    theirs = {link["ifname"]: link for link in lab.json("ip", "-j", "-d", "addr")}
    ours = {link["ifname"]: link for link in done.json["data"]["links"]}
    assert ours.keys() == theirs.keys() >= {"lo", "v0", "w0", "br0"}
    for name, link in ours.items():
        other = theirs[name]
        for key in ("ifindex", "mtu", "address", "qdisc", "txqlen"):
            assert link[key] == other.get(key), (name, key)
        assert link["operstate"] == other["operstate"].lower()
        # NO-CARRIER and M-DOWN are ip's own words
        flags = {flag.upper() for flag in link["flags"]} - {"RUNNING"}
        assert flags == set(other["flags"]) - {"NO-CARRIER", "M-DOWN"}
        assert link["kind"] == other.get("linkinfo", {}).get("info_kind")
        assert (link["link"], link["master"]) == (other.get("link"), other.get("master"))
        assert link["alias"] == other.get("ifalias")
        for mine, its in zip(link["addresses"], other["addr_info"]):
            # on a point-to-point address ip calls the peer `address`
            for key in ("family", "local", "prefixlen", "scope", "broadcast", "label"):
                assert mine[key] == its.get(key), (name, key)
            assert mine["peer"] == its.get("address")
            assert ("deprecated" in mine["flags"]) == its.get("deprecated", False)
            assert ("permanent" in mine["flags"]) == ("dynamic" not in its)
            assert mine["valid_s"] is None or abs(mine["valid_s"] - its["valid_life_time"]) <= 2
        assert len(link["addresses"]) == len(other["addr_info"])


@pytest.mark.lab
def test_filters(lab):
    def names(*options: str) -> list[str]:
        return [
            row["ifname"]
            for row in sretool("net", "addrs", *options, "--json", netns=lab.name).json["data"]["links"]
        ]

    assert names("--dev", "v0") == ["v0"]
    assert names("-4") == ["lo", "v0"]
    assert names("--dev", "nope") == []


@pytest.mark.lab
def test_hostile_interface_name():
    with Namespace() as ns:
        # what dev_valid_name lets through: no slash, no colon, no space
        ns.run("ip", "link", "add", b"v\x1b[31m\xc3(".decode("utf-8", "surrogateescape"), "type", "bridge")
        text = sretool("net", "addrs", netns=ns.name)
        assert "\x1b" not in text.out
        assert "v\\x1b[31m" in text.out
        names = [
            row["ifname"] for row in sretool("net", "addrs", "--json", netns=ns.name).json["data"]["links"]
        ]
        assert any(name.startswith("v\x1b[31m\\xc3") for name in names)


def outcome(source: Fake) -> str:
    (verdict, _), *_ = judge(CHECKS, built(source)[0])
    return verdict.outcome


def test_addresses_not_read_are_not_clear():
    source = host()
    source._netlink["route/addrs"] = errno.EPERM
    v4 = address_message(2, 2, 24, frames.attribute(2, b"\x0a\0\0\1"))
    v6 = address_message(2, 10, 64, frames.attribute(1, b"\xfd" + bytes(15)))
    assert [outcome(source), outcome(host(addresses=v4)), outcome(host(addresses=v6))] == [
        "unknown",
        "not-applicable",
        "clear",
    ]


@pytest.mark.lab
def test_an_address_another_host_has_is_found():
    with Namespace() as here, Namespace() as there:
        here.batch(f"link add v0 type veth peer name v1 netns {there.name}")
        there.batch("link set v1 up\naddr add 2001:db8::7/64 dev v1 nodad")
        here.batch("link set v0 up\naddr add 2001:db8::7/64 dev v0\naddr add 2001:db8::8/64 dev v0")

        def looked() -> bool:
            """Whether the kernel has looked at both."""
            links = here.json("ip", "-j", "-6", "addr", "show", "dev", "v0", "scope", "global")
            infos = [info for link in links for info in link.get("addr_info", [])]
            return all("dadfailed" in info or "tentative" not in info for info in infos)

        until(looked)
        done = sretool("net", "addrs", "--json", "--fail-on", "warning", netns=here.name)
        assert done.code == 1
        (finding,) = done.json["findings"]
        assert (finding["id"], finding["subject"]["id"]) == ("addr.duplicate", "v0")
        assert finding["summary"].startswith("2001:db8::7 on v0 is not used")
        assert "addr.duplicate" in sretool("net", "addrs", netns=here.name).out
        other = sretool("net", "addrs", "--json", netns=there.name)
        assert other.json["findings"] == []
        assert [check["outcome"] for check in other.json["data"]["checks"]] == ["clear"]
