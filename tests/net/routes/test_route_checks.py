"""Checks of routes: each on its real fault in a namespace, and silent on the healthy one."""

from __future__ import annotations

import pytest
from cli import sretool
from lab_netns import Namespace
from waiting import until

from sretool.host.fake import Fake
from sretool.net.routes import read
from sretool.net.routes.checks import CHECKS
from sretool.net.routes.read.health import MOST, Health
from sretool.report.check import judge

LAB = """
link add v0 type veth peer name w0
link add v1 type veth peer name w1
link set v0 up
link set w0 up
link set v1 up
link set w1 up
addr add 10.0.0.1/24 dev v0
addr add 10.0.1.1/24 dev v1
route add default via 10.0.0.254 dev v0
route add 20.1.0.0/16 nexthop via 10.0.0.5 nexthop via 10.0.1.5
route add 20.2.0.0/16 via 10.0.1.6 mtu 1400
route add 20.3.0.0/16 via 10.0.1.7
"""


@pytest.fixture
def lab():
    with Namespace() as ns:
        ns.batch(LAB)
        ns.run("sysctl", "-qw", *(f"net.ipv4.conf.{name}.rp_filter=0" for name in ("all", "v0", "v1")))
        yield ns


def judged(lab: Namespace, *options: str) -> tuple[dict[str, list[dict]], dict[str, str]]:
    done = sretool("net", "routes", "--json", *options, netns=lab.name)
    assert done.code == 0, done.err
    found: dict[str, list[dict]] = {}
    for finding in done.json["findings"]:
        found.setdefault(finding["id"], []).append(finding)
    return found, {check["id"]: check["outcome"] for check in done.json["data"]["checks"]}


def carrier(lab: Namespace, dev: str, there: bool) -> None:
    """Until the kernel has marked the routes: it does so some time after the link (linkwatch)."""
    wanted = "linkdown" if not there else ""
    until(lambda: ("linkdown" in lab.run("ip", "route", "show", "dev", dev)) == bool(wanted))


@pytest.mark.lab
def test_silent_on_the_healthy_one(lab):
    found, outcomes = judged(lab, "--sample", "0.1")
    assert found == {}
    assert set(outcomes.values()) == {"clear"}
    assert outcomes.keys() == {rule.id for rule in CHECKS}
    assert judged(lab)[1]["route.rp-filter-asymmetric"] == "unknown"  # one reading
    assert judged(lab, "--dev", "v0")[1]["route.none-default"] == "not-applicable"


@pytest.mark.lab
def test_no_default_route(lab):
    lab.run("ip", "route", "del", "default")
    found, _ = judged(lab)
    assert [finding["summary"] for finding in found["route.none-default"]] == [
        "no default route for IPv4: only what the other routes name is reached"
    ]
    lab.run("ip", "route", "add", "default", "via", "10.0.0.254", "table", "100")  # by a rule, perhaps
    assert judged(lab)[0] == {}


@pytest.mark.lab
def test_carrier_lost(lab):
    lab.run("ip", "link", "set", "w1", "down")
    carrier(lab, "v1", False)
    found, _ = judged(lab)
    [leg], [down] = found.pop("route.dead-leg"), found.pop("route.link-down")
    assert leg["summary"] == "20.1.0.0/16: 1 of 2 next hops does not work (10.0.1.5 dev v1)"
    assert (leg["severity"], leg["evidence"][1]["value"]) == ("warning", "the link has no carrier")
    assert down["summary"] == (
        "20.2.0.0/16 via 10.0.1.6 and 1 more route lead out of v1: the link has no carrier"
    )
    assert found == {}
    data = sretool("net", "route", "20.3.0.1", "--json", netns=lab.name).json
    assert [finding["id"] for finding in data["findings"]] == ["route.link-down"]
    text = sretool("net", "route", "20.3.0.1", netns=lab.name).out
    assert text.startswith("20.3.0.1: to 10.0.1.7 on v1, but the link has no carrier")
    lab.run("ip", "link", "set", "w1", "up")
    carrier(lab, "v1", True)
    assert judged(lab)[0] == {}


@pytest.mark.lab
def test_a_link_that_was_taken_down_leaves_a_dead_leg(lab):
    lab.run("ip", "link", "set", "v1", "down")
    found, _ = judged(lab)
    assert found.keys() == {"route.dead-leg"}
    assert found["route.dead-leg"][0]["evidence"][1]["value"] == "the link is down"


@pytest.mark.lab
def test_a_route_larger_than_its_link(lab):
    lab.run("ip", "link", "set", "v1", "mtu", "1300")
    found, _ = judged(lab)
    [finding] = found.pop("route.mtu-mismatch")
    assert finding["summary"] == (
        "20.2.0.0/16 via 10.0.1.6 takes packets of 1400 bytes, the link v1 carries 1300"
    )
    assert found == {}
    data = sretool("net", "route", "20.2.0.1", "--json", "--fail-on", "warning", netns=lab.name)
    assert (data.code, data.json["findings"][0]["id"]) == (1, "route.mtu-mismatch")


STRAY = """
import socket, struct, sys, threading
def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack(">H", total ^ 0xffff)
ends = socket.inet_aton("8.8.8.8") + socket.inet_aton("10.0.1.1")
raw = struct.pack(">BBHHHBB2x", 0x45, 0, 28, 1, 0, 64, 17) + ends
to = bytes.fromhex(open("/sys/class/net/v1/address").read().strip().replace(":", ""))
packet = raw[:10] + checksum(raw) + raw[12:] + struct.pack(">HHHH", 53, 53, 8, 0)
frame = to + b"\\2\\0\\0\\0\\0\\1" + b"\\x08\\x00" + packet
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("w1", 0))
wire.send(frame)
print("ready", flush=True)
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
while not done.wait(0.005):
    wire.send(frame)
"""


@pytest.mark.lab
def test_strict_filter_on_the_other_way_back(lab):
    flow = ("net", "route", "10.0.1.1", "--iif", "v1", "--from-addr", "8.8.8.8", "--json")
    done = sretool(*flow, netns=lab.name)
    assert (done.code, done.json["findings"], done.json["data"]["way_back"]) == (
        0,
        [],
        {"rp_filter": "off", "dst": "default", "devs": ["v0"], "passes": True},
    )
    stray = lab.python(STRAY)
    assert judged(lab, "--sample", "0.1")[0] == {}  # the filter is off
    lab.run("sysctl", "-qw", "net.ipv4.conf.v1.rp_filter=1")
    found, _ = judged(lab, "--sample", "0.3")
    [finding] = found.pop("route.rp-filter-asymmetric")
    assert "the reverse path filter dropped" in finding["summary"]
    assert "(strict, without a default route: v1)" in finding["summary"]
    assert found == {}
    done = sretool(*flow, netns=lab.name)
    assert (done.code, done.json["data"]["type"], done.json["data"]["way_back"]["passes"]) == (
        3,
        "rp-filter",
        False,
    )
    [finding] = done.json["findings"]
    assert (
        finding["summary"]
        == "packets from 8.8.8.8 that come in on v1 are dropped: the way back leads out of v0"
    )
    # loose is enough, and what comes from its own network passes the strict one
    lab.run("sysctl", "-qw", "net.ipv4.conf.v1.rp_filter=2")
    assert sretool(*flow, netns=lab.name).json["findings"] == []
    assert judged(lab, "--sample", "0.1")[0] == {}
    lab.run("sysctl", "-qw", "net.ipv4.conf.v1.rp_filter=1")
    own = sretool(*[*flow[:6], "10.0.1.9", "--json"], netns=lab.name)
    assert (own.code, own.json["findings"]) == (0, [])
    stray.stdin.close()
    stray.wait()


def test_what_could_not_be_read_is_unknown():
    now = read.sample(Fake({}), read.Ask(("inet",)))
    outcomes = {verdict.id: verdict.outcome for verdict, _ in judge(CHECKS, Health(now))}
    assert set(outcomes.values()) == {"unknown"}


def test_many_of_one_kind_are_counted():
    import frames

    down = frames.attribute(4, b"\2\0\0\0")
    rows = b"".join(
        frames.route_message(f"20.{n >> 8}.{n & 255}.0/24", flags=0x10, attributes=down)
        for n in range(MOST + 5)
    )
    source = Fake({}, netlink={"route/links": [frames.LINKS], "route/routes/4": [rows + frames.DONE]})
    now = read.sample(source, read.Ask(("inet",)))
    facts = Health(now)
    assert read.build(now, health=facts).total == MOST + 5
    found = [finding for _, findings in judge(CHECKS, facts) for finding in findings]
    assert [finding.summary for finding in found] == [
        (
            f"20.0.0.0/24 and {MOST - 1} more routes lead out of eth0: the kernel marks it linkdown; "
            "5 more routes have this fault"
        )
    ]
