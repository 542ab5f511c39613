from __future__ import annotations

import ipaddress

import pytest

from sretool.net.routes.model import Route
from sretool.net.routes.read.lookup import Flow, decide
from sretool.net.routes.read.rules import Masked, Ports, Rule


def rule(priority: int, table: str = "main", **more) -> Rule:
    return Rule(**{"action": 1, "priority": priority, "table": table, **more})


def route(dst: str, table: str = "main", type: str = "unicast", **more) -> Route:
    given = {
        "gateway": None, "dev": "eth0", "protocol": "static", "scope": "global", "prefsrc": None, "metric": 0,
        "flags": [], "nexthops": [], "metrics": {}, "src": None, "tos": 0, "nhid": None, "encap": None,
        "pref": None,
    }  # fmt: skip
    return Route(**{**given, "family": "inet", "type": type, "dst": dst, "table": table, **more})


def packed(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


DEFAULT = (rule(0, "local"), rule(32766), rule(32767, "default"))
TO = Flow(packed("10.1.2.3"))


def chosen(rules, *routes, flow=TO):
    match = decide(rules, routes, flow)
    return match.outcome, match.route and match.route.dev, match.rule and match.rule.priority


def test_the_longest_prefix_wins_then_the_lowest_metric():
    routes = (
        route("default", dev="a"),
        route("10.1.0.0/16", metric=50, dev="b"),
        route("10.1.0.0/16", metric=10, dev="c"),
        route("10.0.0.0/8", dev="d"),
    )
    assert chosen(DEFAULT, *routes) == ("unicast", "c", 32766)


def test_a_rule_before_wins_over_a_longer_prefix_behind():
    rules = (rule(0, "local"), rule(100, "blue"), rule(32766))
    assert chosen(rules, route("10.1.2.3"), route("default", "blue", dev="b")) == ("unicast", "b", 100)


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_refusing_routes_end_the_search(kind):
    rules = (rule(100, "blue"), rule(32766))
    assert chosen(rules, route("10.0.0.0/8", "blue", kind), route("default"))[0] == kind


def test_throw_goes_on_with_the_next_rule():
    rules = (rule(100, "blue"), rule(32766))
    assert chosen(rules, route("10.0.0.0/8", "blue", "throw"), route("default", dev="m")) == (
        "unicast",
        "m",
        32766,
    )


def test_no_route_at_all():
    assert decide(DEFAULT, [], TO)[:3] == ("none", None, None)


def test_dead_and_tos_routes_are_passed_over():
    routes = (route("10.1.2.3", flags=["dead"]), route("10.1.0.0/16", tos=16), route("default", dev="m"))
    assert chosen(DEFAULT, *routes)[1] == "m"


def test_suppressed_prefixes():
    rules = (rule(100, suppress_prefix_length=0), rule(200, "vpn"))
    vpn = route("default", "vpn", dev="wg0")
    assert chosen(rules, route("default"), vpn)[1] == "wg0"
    assert chosen(rules, route("10.0.0.0/8", dev="lan"), vpn)[1] == "lan"


def test_goto_jumps_forward_and_a_lost_target_does_nothing():
    jump = rule(10, action=2, goto=300)
    rules = (jump, rule(20, "blue"), rule(300))
    assert chosen(rules, route("default", "blue", dev="b"), route("default", dev="m"))[1] == "m"
    rules = (jump, rule(20, "blue"), rule(301))
    assert chosen(rules, route("default", "blue", dev="b"), route("default", dev="m"))[1] == "b"
    # twice the same rule is two rules, and the second is not the first again
    assert chosen((jump, jump, rule(301)), route("default", dev="m"))[1] == "m"


@pytest.mark.parametrize(
    ("selector", "flow", "taken"),
    [
        ({"mark": 7, "mask": 0xFFFFFFFF}, TO, False),
        ({"mark": 7, "mask": 0xFFFFFFFF}, TO._replace(mark=7), True),
        ({"mark": 0x10, "mask": 0xF0}, TO._replace(mark=0x13), True),
        ({"iif": "lo"}, TO, True),
        ({"iif": "eth0"}, TO, False),
        ({"iif": "eth0"}, TO._replace(iif="eth0"), True),
        ({"iif": "lo"}, TO._replace(iif="eth0"), False),
        ({"oif": "eth0"}, TO, False),
        ({"oif": "b"}, TO._replace(oif="b"), True),
        ({"tos": 16}, TO, False),
        ({"tun_id": 7}, TO, False),
        ({"dscp": Masked(8, 0x3F)}, TO, False),
        ({"dscp": Masked(0, 0x3F)}, TO, True),
        ({"ip_proto": 6}, TO, False),
        ({"ip_proto": 6}, TO._replace(protocol=6), True),
        ({"ip_proto": 6}, TO._replace(protocol=17), False),
        ({"dport": Ports(80, 90)}, TO, False),
        ({"dport": Ports(80, 90)}, TO._replace(dport=90), True),
        ({"dport": Ports(80, 90)}, TO._replace(dport=91), False),
        ({"sport": Ports(0x100, 0x100, 0xFF00)}, TO._replace(sport=0x1FF), True),
        ({"sport": Ports(0x100, 0x100, 0xFF00)}, TO._replace(sport=0x2FF), False),
        ({"l3mdev": True}, TO, False),
        ({"l3mdev": True}, TO._replace(iif="eth0", vrf_table="blue"), True),
        ({"uids": (0, 0xFFFFFFFE)}, TO._replace(iif="eth0"), False),
        ({"uids": (1000, 1999)}, TO._replace(uid=1500), True),
        ({"uids": (1000, 1999)}, TO, False),
        ({"dst": packed("10.1.0.0"), "dst_len": 16}, TO, True),
        ({"dst": packed("10.2.0.0"), "dst_len": 16}, TO, False),
        ({"src": packed("192.0.2.0"), "src_len": 24}, TO, False),
        ({"src": packed("192.0.2.0"), "src_len": 24}, TO._replace(source=packed("192.0.2.9")), True),
        ({"dst": packed("10.2.0.0"), "dst_len": 16, "invert": True}, TO, True),
        ({"action": 3}, TO, False),
    ],
)
def test_selectors(selector, flow, taken):
    rules = (rule(100, "blue", **selector), rule(32766))
    routes = (route("default", "blue", dev="b"), route("default", dev="m"))
    assert chosen(rules, *routes, flow=flow)[1] == ("b" if taken else "m")


@pytest.mark.parametrize(("action", "outcome"), [(6, "blackhole"), (7, "unreachable"), (8, "prohibit")])
def test_refusing_rules(action, outcome):
    assert chosen((rule(5, action=action),), route("default")) == (outcome, None, 5)


def test_source_routes_of_ipv6():
    flow = Flow(packed("2001:db8::1"), packed("2001:db8:5::9"))
    routes = (
        route("2001:db8::/32", family="inet6", dev="any"),
        route("2001:db8::/32", family="inet6", src="2001:db8:5::/48", dev="five"),
        route("2001:db8::/32", family="inet6", src="2001:db8:6::/48", dev="six"),
    )
    assert chosen(DEFAULT, *routes, flow=flow)[1] == "five"
    assert chosen(DEFAULT, *routes, flow=flow._replace(source=b""))[1] == "any"
