"""Against the kernel, ip and pyroute2: a namespace with several tables, rules and kinds of route."""

from __future__ import annotations

import errno
import ipaddress
import random
import re
from collections import Counter

import pytest
from cli import NOBODY, sretool
from lab_netns import Inside, Namespace

from sretool.errors import SourceError
from sretool.net.routes import read
from sretool.net.routes.read import decode, get, names, rules
from sretool.net.routes.read.lookup import Flow

pytestmark = pytest.mark.lab

LAB = """
link add v0 type veth peer name w0
link add v1 type veth peer name w1
link set v0 up
link set w0 up
link set v1 up
link set w1 up
addr add 10.0.0.1/24 dev v0
addr add 10.0.1.1/24 dev v1
addr add 10.0.2.1/32 peer 10.0.2.2/32 dev v1
addr add fd00:a::1/64 dev v0 nodad
addr add fd00:b::1/64 dev v1 nodad
route add default via 10.0.0.254 dev v0
route add default via 10.0.1.254 dev v1 metric 50
route add 20.0.0.0/8 via 10.0.0.2 proto bird metric 100
route add 20.1.0.0/16 via 10.0.1.2 mtu 1400 advmss 1360 initcwnd 20 rto_min 50ms
route add 20.1.1.0/24 dev v1 scope link src 10.0.1.1
route add 20.1.1.5/32 via 10.0.0.9 onlink dev v0
route add 20.2.0.0/16 metric 10 via 10.0.0.3
route add 20.2.0.0/16 metric 5 via 10.0.0.4
route add 20.3.0.0/16 nexthop via 10.0.0.5 weight 1 nexthop via 10.0.1.5 weight 3
route add blackhole 20.4.0.0/16
route add unreachable 20.5.0.0/16
route add prohibit 20.6.0.0/16
route add 20.7.0.0/16 via inet6 fd00:a::7 dev v0
route add default via 10.0.1.77 table 100
route add throw 20.8.0.0/16 table 100
route add 20.9.0.0/16 via 10.0.1.78 table 1000
route add blackhole 20.9.9.0/24 table 1000
rule add to 20.8.0.0/15 lookup 100 priority 1000
rule add fwmark 7 lookup 100 priority 1100
rule add from 10.0.1.1 to 21.0.0.0/8 lookup 100 priority 1150
rule add to 20.9.0.0/16 lookup 1000 priority 900
rule add to 22.0.0.0/8 prohibit priority 1200
rule add to 23.0.0.0/8 goto 32766 priority 1300
rule add to 23.0.0.0/9 blackhole priority 1310
rule add lookup main suppress_prefixlength 0 priority 1400
rule add to 24.0.0.0/8 lookup 100 priority 1500
rule add not to 0.0.0.0/1 iif v0 lookup 1000 priority 1600
rule add to 25.0.0.0/8 ipproto tcp lookup 100 priority 1610
"""

LAB6 = """
route add default via fd00:a::fe dev v0
route add 2001:db8::/32 via fd00:b::2 metric 300
route add 2001:db8:1::/48 nexthop via fd00:a::5 weight 1 nexthop via fd00:b::5 weight 2
route add blackhole 2001:db8:2::/48
route add unreachable 2001:db8:3::/48
route add prohibit 2001:db8:4::/48
route add 2001:db8:5::/48 via fd00:b::9 mtu 1300 proto static metric 20
route add default via fd00:b::77 table 100
rule add to 2001:db8:100::/40 lookup 100 priority 1000
rule add fwmark 7 lookup 100 priority 1100
rule add to 2001:db8:300::/40 unreachable priority 1200
"""


@pytest.fixture(scope="module")
def lab():
    with Namespace() as ns:
        for setting in ("all", "default"):
            ns.run("sysctl", "-qw", f"net.ipv6.conf.{setting}.accept_dad=0")
        ns.batch(LAB)
        ns.batch(LAB6, "-6")
        yield ns


def sampled(lab: Namespace) -> read.Sample:
    now = read.sample(Inside(lab.path), read.EVERYTHING)
    assert now.errors == []
    return now


def as_ip(route: dict) -> tuple:
    """A row of `ip -j route` with what ip leaves out, in our words."""
    via = route.get("gateway") or route.get("via", {}).get("host")
    metrics = {k: v for part in route.get("metrics", []) for k, v in part.items()}
    if "rto_min" in metrics:
        metrics["rto_min_ms"] = metrics.pop("rto_min")
    legs = [
        (leg.get("gateway") or leg.get("via", {}).get("host"), leg["dev"], leg["weight"])
        for leg in route.get("nexthops", [])
    ]
    return (
        route.get("type", "unicast"),
        route["dst"],
        via,
        route.get("dev"),
        str(route.get("table", "main")),
        route.get("protocol", "boot"),
        route.get("scope", "global"),
        route.get("prefsrc"),
        route.get("metric", 0),
        tuple(legs),
        tuple(sorted(metrics.items())),
        route.get("pref"),
    )


def as_ours(row: dict) -> tuple:
    return (
        *(
            row[key]
            for key in ("type", "dst", "gateway", "dev", "table", "protocol", "scope", "prefsrc", "metric")
        ),
        tuple((leg["gateway"], leg["dev"], leg["weight"]) for leg in row["nexthops"]),
        tuple(sorted(row["metrics"].items())),
        row["pref"],
    )


@pytest.mark.oracle
@pytest.mark.parametrize("family", ["-4", "-6"])
def test_rows_are_those_of_ip(lab, family):
    done = sretool("net", "routes", family, "--json", netns=lab.name)
    assert done.code == 0, done.err
    rows = done.json["data"]["routes"]
    theirs = lab.json("ip", "-j", family, "route", "show", "table", "all")
    expected = Counter(map(as_ip, theirs))
    # ip names the device of a blackhole (inet6: lo) but not its scope; both are the kernel's words
    assert Counter(map(as_ours, rows)) == expected
    assert done.json["data"]["total"] == len(theirs) > 14


@pytest.mark.oracle
@pytest.mark.parametrize("family", ["inet", "inet6"])
def test_decoder_agrees_with_pyroute2(lab, family):
    marshal = pytest.importorskip("pyroute2.netlink.rtnl.marshal")
    now = sampled(lab)
    ours = list(decode.decode(now.frames[family], family, now.devices, now.tables))
    theirs = []
    for frame in now.frames[family]:
        for message in marshal.MarshalRtnl().parse(frame):
            if message["header"]["type"] == decode.RTM_NEWROUTE:
                theirs.append(message)  # noqa: PERF401
    theirs = [message for message in theirs if not message["flags"] & names.CLONED]
    assert len(ours) == len(theirs) > 10
    for row, message in zip(ours, theirs):
        dst = message.get_attr("RTA_DST")
        bits = message["dst_len"]
        full = 32 if family == "inet" else 128
        assert row.dst == ("default" if not bits else dst if bits == full else f"{dst}/{bits}")
        assert row.metric == (message.get_attr("RTA_PRIORITY") or 0)
        assert row.table == now.tables[message.get_attr("RTA_TABLE")]
        assert row.dev == now.devices.get(message.get_attr("RTA_OIF"))
        via = message.get_attr("RTA_VIA")
        assert row.gateway == (message.get_attr("RTA_GATEWAY") or (via and via["addr"]))
        legs = message.get_attr("RTA_MULTIPATH") or []
        assert [(leg.gateway, leg.weight) for leg in row.nexthops] == [
            (leg.get_attr("RTA_GATEWAY"), leg["hops"] + 1) for leg in legs
        ]
        metrics = message.get_attr("RTA_METRICS")
        assert row.metrics.get("mtu") == (metrics.get_attr("RTAX_MTU") if metrics else None)


REFUSED = {
    errno.ENETUNREACH: {"none", "unreachable"},
    errno.EHOSTUNREACH: {"unreachable"},
    errno.EACCES: {"prohibit"},
    errno.EINVAL: {"blackhole"},
}


def destinations(now: read.Sample, family: str, count: int) -> list[bytes]:
    """Edges of every prefix, one beside them, and some at random inside and anywhere."""
    rng = random.Random(4)
    bits = 32 if family == "inet" else 128
    found = set()
    prefixes = ["20.0.0.0/7", "24.0.0.0/7", "2001:db8::/31", "2001:db8::/39", "2001:db8:300::/40"]
    prefixes += [
        row.dst for row in decode.decode(now.frames[family], family, {}, now.tables) if row.dst != "default"
    ]
    prefixes += ["22.1.0.0/16", "23.1.0.0/16", "23.200.0.0/16", "25.1.1.0/24", "21.1.0.0/16", "1.1.1.0/24"]
    for text in prefixes:
        network = ipaddress.ip_network(text)
        if network.max_prefixlen == bits:
            first, last = int(network[0]), int(network[-1])
            found |= {first, last, first - 1, last + 1, *(rng.randint(first, last) for _ in range(count))}
    return [
        n.to_bytes(bits // 8, "big")
        for n in sorted(found)
        if 0 < n < 1 << bits and not special(ipaddress.ip_address(n.to_bytes(bits // 8, "big")))
    ]


def special(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Needs an interface to be named (multicast, link-local), or is none."""
    text = str(address)
    return address.is_multicast or address.is_link_local or text in ("255.255.255.255", "0.0.0.0", "::")


@pytest.mark.parametrize("mark", [0, 7])
@pytest.mark.parametrize(
    ("family", "source"), [("inet", ""), ("inet", "10.0.1.1"), ("inet6", ""), ("inet6", "fd00:b::1")]
)
def test_computed_agrees_with_the_kernel(lab, family, source, mark):
    now = sampled(lab)
    inside = Inside(lab.path)
    sent_from = ipaddress.ip_address(source).packed if source else b""
    outcomes: Counter[str] = Counter()
    wanted = destinations(now, family, 6)
    for destination in wanted:
        flow = Flow(destination, sent_from, mark, 0)
        computed = read.build_decision(now, flow)
        outcomes[computed.type] += 1
        try:
            kernel = get.ask(inside, flow, now.devices, now.tables, entry=False)
            entry = get.ask(inside, flow, now.devices, now.tables, entry=True)
        except SourceError as error:
            if computed.type not in REFUSED[error.errno]:
                pytest.fail(f"kernel: {error}; {computed}")
            continue
        assert (computed.type, computed.table) == (kernel.type, kernel.table), computed
        assert computed.route is not None
        assert (computed.route.dst, computed.route.metric) == (entry.dst, entry.metric), computed
        legs = [(leg.gateway, leg.dev) for leg in computed.route.nexthops] or [
            (computed.gateway, computed.dev)
        ]
        assert (kernel.gateway, kernel.dev) in legs, computed
    assert len(wanted) > 100
    assert outcomes["unicast"] > 20
    if not mark:
        assert {"unicast", "local", "blackhole", "prohibit", "unreachable"} <= outcomes.keys()


def test_route_command_live(lab):
    def ask(*words: str) -> dict:
        done = sretool("net", "route", *words, "--json", netns=lab.name)
        assert done.code == 0, done.err
        return done.json["data"]

    found = ask("20.1.9.9")
    assert (found["method"], found["gateway"], found["dev"], found["table"]) == (
        "kernel",
        "10.0.1.2",
        "v1",
        "main",
    )
    assert found["route"]["dst"] == "20.1.0.0/16"
    assert (found["prefsrc"], found["mtu"]) == ("10.0.1.1", 1400)
    assert ask("30.0.0.1", "--mark", "7")["gateway"] == "10.0.1.77"
    assert ask("21.0.0.1", "--from-addr", "10.0.1.1")["table"] == "100"
    assert ask("21.0.0.1")["gateway"] == "10.0.0.254"
    assert ask("10.0.0.1")["type"] == "local"
    assert ask("2001:db8:5::1")["route"]["metric"] == 20
    text = sretool("net", "route", "20.1.9.9", netns=lab.name)
    assert text.out.splitlines()[0] == "20.1.9.9: to 10.0.1.2 on v1"


@pytest.mark.parametrize(
    ("destination", "type_", "table", "rule"),
    [
        ("20.4.0.1", "blackhole", "main", 1400),
        ("20.5.0.1", "unreachable", "main", 1400),
        ("20.6.0.1", "prohibit", "main", 1400),
        ("20.9.9.1", "blackhole", "1000", 900),
        ("22.0.0.1", "prohibit", None, 1200),
    ],
)
def test_a_refusal_is_named_and_exits_3(lab, destination, type_, table, rule):
    done = sretool("net", "route", destination, "--json", netns=lab.name)
    data = done.json["data"]
    assert (done.code, done.json["status"]) == (3, "partial")
    assert (data["method"], data["type"], data["table"], data["rule_priority"]) == (
        "kernel",
        type_,
        table,
        rule,
    )
    assert [error["code"] for error in done.json["errors"]] == ["no-route"]
    text = sretool("net", "route", destination, netns=lab.name)
    assert re.search(f"refused by an? {type_}", text.out)
    assert text.code == 3


def test_a_source_address_of_somebody_else(lab):
    done = sretool("net", "route", "20.1.9.9", "--from-addr", "198.51.100.7", netns=lab.name)
    assert (done.code, done.out) == (3, "")
    assert done.err == "sretool: --from-addr: 198.51.100.7 is no address of this host\n"


def test_no_route_at_all():
    with Namespace() as ns:
        done = sretool("net", "route", "192.0.2.1", "--json", netns=ns.name)
        assert (done.code, done.json["data"]["type"], done.json["data"]["route"]) == (3, "none", None)


def test_as_an_ordinary_user(lab):
    done = sretool("net", "routes", "--json", uid=NOBODY, netns=lab.name)
    assert (done.code, done.json["status"]) == (0, "ok")
    assert done.json == {**done.json, "data": sretool("net", "routes", "--json", netns=lab.name).json["data"]}
    done = sretool("net", "route", "20.1.9.9", uid=NOBODY, netns=lab.name)
    assert done.code == 0
    assert "to 10.0.1.2 on v1" in done.out


def test_filters(lab):
    def dsts(*options: str) -> set[str]:
        return {
            row["dst"]
            for row in sretool("net", "routes", *options, "--json", netns=lab.name).json["data"]["routes"]
        }

    assert dsts("--table", "1000") == {"20.9.0.0/16", "20.9.9.0/24"}
    assert dsts("--table", "254", "-4") == dsts("--table", "main", "-4") >= {"default", "20.3.0.0/16"}
    assert "20.3.0.0/16" in dsts("--dev", "v1")
    assert "20.0.0.0/8" not in dsts("--dev", "v1")


def test_rules_are_read_in_order(lab):
    now = sampled(lab)
    for family, count in (("inet", 14), ("inet6", 5)):
        assert len(now.rules[family]) == len(lab.json("ip", "-j", f"-{4 if family == 'inet' else 6}", "rule"))
        assert len(now.rules[family]) >= count
        assert [rule.priority for rule in now.rules[family]] == sorted(
            rule.priority for rule in now.rules[family]
        )
    assert any(rule.ip_proto == 6 for rule in now.rules["inet"])
    assert {rule.action for rule in now.rules["inet"]} >= {rules.FR_ACT_TO_TBL, rules.FR_ACT_GOTO, 6, 8}


@pytest.mark.parametrize("words", [("example.com",), ("10.0.0.0/8",), ("",)])
def test_bad_destination(words):
    done = sretool("net", "route", *words)
    assert (done.code, done.out) == (64, "")
    assert "getent ahosts" in done.err
    assert done.err.count("\n") == 1
