"""`net route` with ports, users, interfaces, several next hops and learnt MTUs, against the kernel."""

from __future__ import annotations

import sys

import pytest
from cli import NOBODY, sretool
from lab_netns import Inside, Namespace

from sretool.net.routes import read

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
addr add fd00:a::1/64 dev v0 nodad
route add default via 10.0.0.254 dev v0
route add default via 10.0.1.254 dev v1 metric 50
route add 20.0.0.0/8 via 10.0.0.2
route add 20.1.0.0/16 nexthop via 10.0.0.5 weight 1 nexthop via 10.0.1.5 weight 3
nexthop add id 1 via 10.0.0.5 dev v0
nexthop add id 2 via 10.0.1.5 dev v1
nexthop add id 9 group 1/2
route add 20.2.0.0/16 nhid 9
route add 20.3.0.0/16 via 10.0.0.9 table 100
rule add priority 100 lookup 100
rule add priority 140 lookup main suppress_prefixlength 0
rule add priority 200 ipproto tcp dport 443 lookup 200
rule add priority 201 ipproto udp to 31.0.0.0/8 lookup 200
rule add priority 202 uidrange 1000-1999 to 32.0.0.0/8 lookup 200
rule add priority 203 oif v1 to 33.0.0.0/8 lookup 200
rule add priority 204 sport 5000-6000 to 34.0.0.0/8 lookup 200
rule add priority 205 iif v1 to 35.0.0.0/8 lookup 200
rule add priority 206 not to 0.0.0.0/1 lookup 201
route add default via 10.0.1.200 table 200
route add default via 10.0.1.201 table 201
neigh add 10.0.0.254 lladdr 02:00:00:00:00:01 dev v0 nud permanent
neigh add 10.0.0.5 dev v0 nud failed
"""


@pytest.fixture(scope="module")
def lab():
    with Namespace() as ns:
        ns.batch(LAB)
        for name in ("all", "v0", "v1"):
            ns.run("sysctl", "-qw", f"net.ipv4.conf.{name}.forwarding=1", f"net.ipv4.conf.{name}.rp_filter=0")
        yield ns


def ask(lab: Namespace, words: str, code: int = 0, **more) -> dict:
    done = sretool("net", "route", *words.split(), "--json", netns=lab.name, **more)
    assert done.code == code, done.err
    return done.json["data"]


FLOWS = [
    ("20.9.9.9", "", 140),
    ("20.3.1.1", "", 100),
    ("40.0.0.1", "", 32766),
    ("40.0.0.1", "--dport 443", 200),
    ("40.0.0.1", "--dport 443 --proto udp", 32766),
    ("40.0.0.1", "--dport 444 --proto tcp", 32766),
    ("31.0.0.1", "", 201),  # the kernel takes udp where nothing is said
    ("31.0.0.1", "--proto icmp", 32766),
    ("32.0.0.1", "--uid 1500", 202),
    ("32.0.0.1", "--uid 2000", 32766),
    ("33.0.0.1", "--oif v1", 203),
    ("33.0.0.1", "", 32766),
    ("34.0.0.1", "--sport 5500 --proto udp", 204),
    ("34.0.0.1", "--sport 6001 --proto udp", 32766),
    ("35.0.0.1", "--iif v1 --from-addr 10.0.1.77", 205),
    ("35.0.0.1", "--iif v0 --from-addr 10.0.0.77", 32766),
    ("200.0.0.1", "--dport 99 --proto udp", 206),
    ("100.0.0.1", "--dport 99 --proto udp", 32766),
    ("10.0.0.1", "", 0),
]
OF_IP = {"--dport": "dport", "--sport": "sport", "--proto": "ipproto", "--uid": "uid", "--oif": "oif",
         "--iif": "iif", "--from-addr": "from"}  # fmt: skip


NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1}


def flow_of(destination: str, options: str) -> read.Flow:
    given = dict(zip(options.split()[::2], options.split()[1::2]))
    ports = {name: int(given.get(f"--{name}", 0)) for name in ("sport", "dport")}
    protocol = NUMBERS[given["--proto"]] if "--proto" in given else 6 if any(ports.values()) else 0
    flow = read.flow_to(destination, given.get("--from-addr"), None, int(given.get("--uid", 0)))
    return flow._replace(iif=given.get("--iif"), oif=given.get("--oif"), protocol=protocol, **ports)


@pytest.mark.oracle
@pytest.mark.parametrize(("destination", "options", "rule"), FLOWS)
def test_rules_lead_to_the_kernels_answer(lab, destination, options, rule):
    flow = flow_of(destination, options)
    now, found = read.explain(Inside(lab.path), flow)
    assert (found.method, found.rule_checked, found.rule_priority) == ("kernel", True, rule)
    words = [OF_IP.get(word, word) for word in options.split()]
    if "dport" in words and "ipproto" not in words:
        words += ["ipproto", "tcp"]
    [theirs] = lab.json("ip", "-j", "route", "get", destination, *words)
    assert (found.gateway, found.prefsrc, found.dev) == (
        theirs.get("gateway"),
        theirs.get("prefsrc"),
        theirs["dev"],
    )
    computed = read.build_decision(now, flow)  # as from a recording, which has no kernel to ask
    assert (computed.method, computed.rule_checked) == ("computed", None)
    for key in ("type", "gateway", "dev", "table", "rule_priority", "rule_match", "why", "route", "hops"):
        assert getattr(computed, key) == getattr(found, key), key


def test_from_a_recording(lab, recording):
    live = ask(lab, "40.0.0.1 --dport 443")
    done = sretool("net", "route", "40.0.0.1", "--dport", 443, "--json", "--from", recording)
    assert (done.code, done.json["status"]) == (0, "ok")
    assert done.json["data"] == {**live, "method": "computed", "rule_checked": None, "prefsrc": None}


@pytest.fixture(scope="module")
def recording(lab, tmp_path_factory):
    file = tmp_path_factory.mktemp("recording") / "r.tar.gz"
    assert sretool("snapshot", "save", file, "--sample", "0", netns=lab.name).code == 0
    return file


def test_reasons_in_words(lab):
    _, found = read.explain(Inside(lab.path), flow_of("20.9.9.9", ""))
    assert found.why == [
        "rule 100 (all) was passed: 100 has no route to it",
        "20.0.0.0/8 is the longest of 2 prefixes of main that hold it (default)",
    ]
    _, found = read.explain(Inside(lab.path), flow_of("40.0.0.1", ""))
    assert found.why[1:] == [
        "rule 140 (all) was passed: it does not take default of main",
        "default is the only prefix of main that holds it",
        "of the routes to default the metric 0 wins over 50",
    ]
    assert (found.mtu, found.mtu_source, found.hops[0].neighbour) == (1500, "link", "permanent")


@pytest.mark.oracle
@pytest.mark.parametrize("network", ["20.1", "20.2"])
def test_every_next_hop_and_the_one_that_the_hash_takes(lab, network):
    lab.run("sysctl", "-qw", "net.ipv4.fib_multipath_hash_policy=1")
    found = ask(lab, f"{network}.0.1")
    assert [(hop["gateway"], hop["dev"]) for hop in found["hops"]] == [("10.0.0.5", "v0"), ("10.0.1.5", "v1")]
    assert {hop["chosen"] for hop in found["hops"]} == {None}
    assert (found["gateway"], found["hash_policy"]) == (None, "addresses, protocol and ports")
    text = sretool("net", "route", f"{network}.0.1", netns=lab.name).out
    assert f"{network}.0.1: to one of 2 next hops" in text
    assert "--sport and --dport say which" in text
    taken = set()
    for port in range(5000, 5010):
        options = f"--from-addr 10.0.0.1 --proto tcp --sport {port} --dport 80"
        _, found = read.explain(Inside(lab.path), flow_of(f"{network}.0.1", options))
        [hop] = [hop for hop in found.hops if hop.chosen]
        [theirs] = lab.json(
            *f"ip -j route get {network}.0.1 from 10.0.0.1 ipproto tcp sport {port} dport 80".split()
        )
        assert (hop.gateway, hop.dev) == (theirs["gateway"], theirs["dev"]) == (found.gateway, found.dev)
        taken.add(hop.dev)
    lab.run("sysctl", "-qw", "net.ipv4.fib_multipath_hash_policy=0")
    found = ask(lab, f"{network}.0.1")  # addresses are enough now
    assert sorted(hop["chosen"] for hop in found["hops"]) == [False, True]
    assert taken <= {"v0", "v1"}


SENT = """
import select, socket, sys
wires = {}
for name in ("w0", "w1"):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind((name, 0))
    wires[wire] = "v" + name[1]
for target in sys.argv[1:]:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect((target, 777))
    sender.send(b"x")
    seen = None
    while seen is None:
        for wire in select.select(list(wires), [], [], 10)[0] or sys.exit(f"nothing left for {target}"):
            frame = wire.recv(200)
            if frame[12:14] == b"\\x08\\x00" and socket.inet_ntoa(frame[30:34]) == target:
                seen = wires[wire]
    print(seen)
"""


def test_packets_leave_by_the_chosen_hop(lab):
    for words in ("10.0.0.6 dev v0", "10.0.1.6 dev v1"):
        lab.run("ip", "neigh", "replace", *words.split(), "lladdr", "02:00:00:00:00:06", "nud", "permanent")
    lab.run(
        *["ip", "route", "replace", "20.6.0.0/16", "nexthop", "via", "10.0.0.6", "nexthop", "via", "10.0.1.6"]
    )
    targets = [f"20.6.0.{n}" for n in range(1, 25)]
    taken = lab.run(sys.executable, "-c", SENT, *targets).split()
    for target, dev in zip(targets, taken):
        _, found = read.explain(Inside(lab.path), flow_of(target, ""))
        assert [hop.dev for hop in found.hops if hop.chosen] == [dev] == [found.dev], target
    assert set(taken) == {"v0", "v1"}


def test_a_hop_that_does_not_answer(lab):
    found = ask(lab, "20.1.0.1")
    assert [hop["trouble"] for hop in found["hops"]] == ["10.0.0.5 does not answer (failed)", None]
    done = sretool("net", "route", "20.1.0.1", "--json", "--fail-on", "warning", netns=lab.name)
    assert (done.code, [finding["id"] for finding in done.json["findings"]]) == (1, ["route.dead-leg"])
    assert sretool("net", "route", "10.0.0.5", netns=lab.name).out.startswith(
        "10.0.0.5: on the link v0, but 10.0.0.5 does not answer (failed)"
    )


def test_as_an_ordinary_user(lab):
    found = ask(lab, "40.0.0.1 --uid 1500 --mark 7 --proto tcp --sport 1 --dport 443", uid=NOBODY)
    assert (found["gateway"], found["rule_checked"], found["uid"], found["proto"]) == (
        "10.0.1.200",
        True,
        1500,
        "tcp",
    )


FRAGMENTATION_NEEDED = """
import socket, struct, sys
def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack(">H", total ^ 0xffff)
def ip(source, destination, protocol, length):
    raw = struct.pack(">BBHHHBB2x4s4s", 0x45, 0, 20 + length, 1, 0x4000, 64, protocol,
                      socket.inet_aton(source), socket.inet_aton(destination))
    return raw[:10] + checksum(raw) + raw[12:]
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect(("20.9.9.9", 9))
port = sender.getsockname()[1]
quoted = ip("10.0.0.1", "20.9.9.9", 17, 8) + struct.pack(">HHHH", port, 9, 8, 0)
icmp = struct.pack(">BBHHH", 3, 4, 0, 0, 1400) + quoted
icmp = icmp[:2] + checksum(icmp) + icmp[4:]
to = bytes.fromhex(open("/sys/class/net/v0/address").read().strip().replace(":", ""))
frame = to + b"\\2\\0\\0\\0\\0\\1" + b"\\x08\\x00" + ip("10.0.0.2", "10.0.0.1", 1, len(icmp)) + icmp
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("w0", 0))
wire.send(frame)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.oracle
def test_a_path_mtu_that_was_learnt(lab):
    lab.python(FRAGMENTATION_NEEDED)
    found = ask(lab, "20.9.9.9")
    [theirs] = lab.json("ip", "-j", "-d", "route", "get", "20.9.9.9")
    assert theirs["metrics"] == [{"mtu": 1400}]
    assert (found["mtu"], found["mtu_source"], found["route_mtu"]) == (1400, "path", None)
    assert found["hops"][0]["link_mtu"] == 1500
    assert abs(found["mtu_expires_s"] - theirs["expires"]) < 30
    text = sretool("net", "route", "20.9.9.9", netns=lab.name).out
    assert "mtu 1400 (learnt from the path, forgotten in " in text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("10.0.0.9 --iif v1", "--iif: needs the sender"),
        ("10.0.0.9 --oif nope", "--oif: no interface is named 'nope'"),
        ("10.0.0.9 --proto icmp --dport 7", "--proto: icmp has no ports"),
        ("10.0.0.9 --proto sctp", "--proto"),
        ("10.0.0.9 --dport 0", "--dport"),
    ],
)
def test_bad_options(lab, words, why):
    done = sretool("net", "route", *words.split(), netns=lab.name)
    assert (done.code, done.out) == (64, "")
    assert why in done.err


def test_addresses_of_two_families_are_refused() -> None:
    done = sretool("net", "route", "192.0.2.1", "--from-addr", "::1")
    assert done.code == 64
    assert "--from-addr: ::1 is IPv6, and 192.0.2.1 is IPv4" in done.err


@pytest.mark.lab
def test_equal_routes_are_not_told_apart_by_what_is_equal() -> None:
    with Namespace() as ns:
        ns.batch("link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up")
        done = sretool("net", "route", "ff02::1", "--json", netns=ns.name)
        assert [line for line in done.json["data"]["why"] if "metric" in line] == [
            "of 2 routes to ff00::/8 with metric 256 the kernel took one: neither prefix nor metric decides"
        ]
