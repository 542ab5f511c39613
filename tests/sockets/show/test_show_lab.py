"""Against the kernel: ss as the oracle, and each fault for real, in namespaces of our own."""

from __future__ import annotations

import gzip
import re
import shutil

import msgspec
import pytest
from cli import NOBODY, sretool
from lab_netns import Namespace
from waiting import until

pytestmark = pytest.mark.lab

# of each a pair whose traffic is over, unread bytes in the first; half closed; over; UDP; listeners
QUIET = """
import socket, sys
keep = []
def pair(address, port, family):
    listener = socket.create_server((address, port), family=family)
    client = socket.create_connection((address, port))
    server = listener.accept()[0]
    keep.extend((listener, client, server))
    return client, server
for address, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
    client, server = pair(address, 5001, family)
    client.sendall(b"x" * 20000); server.recv(5000); server.sendall(b"y" * 100); client.recv(100)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client, server = pair(address, 5002, family)
    client.close(); keep.remove(client)
    client, server = pair(address, 5003, family)
    client.close(); server.recv(1); server.close(); keep.remove(client); keep.remove(server)
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("127.0.0.1", 5004)); keep.append(u)
v = socket.socket(type=socket.SOCK_DGRAM); v.connect(("127.0.0.1", 5004)); v.send(b"z" * 100); keep.append(v)
print("ready", flush=True); sys.stdin.read()
"""

# 5101: nobody reads. 5102, 5103: sends 300 KB more for each line on stdin, to the one it names.
FAULTS = """
import socket, sys, threading
pairs, keep = {}, []
for port in (5101, 5102, 5103, 5104, 5105):
    listener = socket.create_server(("127.0.0.1", port))
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_TCP, 13, b"reno")  # TCP_CONGESTION
    client.connect(("127.0.0.1", port))
    pairs[port] = client, listener.accept()[0]
    keep.append(listener)
def drain(server):
    while server.recv(1 << 16): pass
for port in (5102, 5103):
    threading.Thread(target=drain, args=(pairs[port][1],), daemon=True).start()
stuck = pairs[5101][0]
stuck.setblocking(False)
try:
    while True: stuck.send(bytes(1 << 16))
except BlockingIOError: pass
print("ready", flush=True)
for line in sys.stdin:
    # in a thread: where nothing is acknowledged the send buffer is soon full
    threading.Thread(target=pairs[int(line)][0].sendall, args=(bytes(300_000),), daemon=True).start()
    print("sent", flush=True)
"""


@pytest.fixture(scope="module")
def quiet():
    with Namespace() as ns:
        # half closed for longer than these tests take
        ns.run("sh", "-c", "echo 600 > /proc/sys/net/ipv4/tcp_fin_timeout")
        ns.python(QUIET)
        yield ns


@pytest.fixture(scope="module")
def faults():
    with Namespace() as ns:
        ns.run("ip", "link", "set", "lo", "mtu", "1500")  # on lo a segment would be 32 KB
        ns.process = ns.python(FAULTS)
        yield ns


def shown(ns: Namespace, *args: object, code: int = 0) -> dict:
    done = sretool("sockets", "show", *args, "--json", netns=ns.name)
    assert done.code == code, done.err
    return done.json


# ss -i -> where we have it; the times are compared apart, because they go on
EXACT = {
    "rto": "tcp.round_trip.rto_ms",
    "ato": "tcp.round_trip.ato_ms",
    "mss": "tcp.sizes.mss_bytes",
    "pmtu": "tcp.sizes.pmtu_bytes",
    "rcvmss": "tcp.sizes.rcv_mss_bytes",
    "advmss": "tcp.sizes.advertised_mss_bytes",
    "cwnd": "tcp.sending.cwnd_segments",
    "ssthresh": "tcp.sending.ssthresh_segments",
    "bytes_sent": "tcp.sending.sent_bytes",
    "bytes_retrans": "tcp.sending.retransmitted_bytes",
    "bytes_acked": "tcp.sending.acked_bytes",
    "bytes_received": "tcp.receiving.received_bytes",
    "segs_out": "tcp.sending.segments",
    "segs_in": "tcp.receiving.segments",
    "data_segs_out": "tcp.sending.data_segments",
    "data_segs_in": "tcp.receiving.data_segments",
    "delivered": "tcp.delivery.delivered_segments",
    "unacked": "tcp.loss.unacked_segments",
    "rcv_rtt": "tcp.round_trip.rcv_rtt_ms",
    "rcv_space": "tcp.receiving.space_bytes",
    "rcv_ssthresh": "tcp.receiving.window_limit_bytes",
    "minrtt": "tcp.round_trip.rtt_min_ms",
    "snd_wnd": "tcp.sending.window_bytes",
    "rcv_wnd": "tcp.receiving.window_bytes",
}
TIMES = {
    "lastsnd": "tcp.sending.last_sent_ms",
    "lastrcv": "tcp.receiving.last_received_ms",
    "lastack": "tcp.receiving.last_ack_ms",
}
SKMEM = ("receive_bytes", "receive_limit_bytes", "transmitting_bytes", "send_limit_bytes", "reserved_bytes")
SKMEM += ("send_bytes", "options_bytes", "backlog_bytes", "drops")


def at(row: dict, path: str):
    for part in path.split("."):
        row = row[part]
    return row


def by_cookie(ns: Namespace) -> dict[str, str]:
    lines = [line for kind in "tu" for line in ns.run("ss", f"-HOa{kind}inmoe").splitlines()]
    return {re.search(r" sk:(\w+)", line)[1]: line for line in lines if " sk:" in line}


def agree_on_the_rest(row: dict, line: str, said: dict[str, str]) -> None:
    for name, path in TIMES.items():
        assert abs(at(row, path) - int(said.get(name, 0))) < 60_000
    trip, agreed, sending = row["tcp"]["round_trip"], row["tcp"]["negotiated"], row["tcp"]["sending"]
    rtt, var = map(float, re.search(r" rtt:([\d.]+)/([\d.]+)", line).groups())
    assert (trip["rtt_ms"], trip["rtt_var_ms"]) == pytest.approx((rtt, var))
    if scales := re.search(r" wscale:(\d+),(\d+)", line):
        assert [agreed["snd_wscale"], agreed["rcv_wscale"]] == list(map(int, scales.groups()))
    assert agreed["timestamps"] == (" ts " in line)
    assert agreed["sack"] == (" sack " in line)
    assert f" {row['congestion']['algorithm']} " in line
    for words, path in (
        ("send", "cwnd_rate"),
        ("pacing_rate", "pacing_rate"),
        ("delivery_rate", "delivery_rate"),
    ):
        if rate := re.search(rf" {words} (\d+)bps", line):
            assert sending[f"{path}_bytes_per_s"] * 8 == pytest.approx(float(rate[1]), rel=1e-5)
    if timer := re.search(r" timer:\((\w+),", line):
        assert {"on": "retransmit"}.get(timer[1], timer[1]) == row["timer"]["name"]


@pytest.mark.oracle
def test_every_field_is_that_of_ss(quiet):
    if shutil.which("ss") is None:
        pytest.skip("ss is not here")
    rows = [
        row
        for port in (5001, 5002, 5004)
        for row in shown(quiet, f":{port}", "--sample", 0)["data"]["sockets"]
    ]
    theirs = by_cookie(quiet)
    compared = set()
    for row in rows:
        line = theirs[row["cookie"]]
        if row["memory"] is not None:
            skmem = [int(number) for number in re.findall(r"\d+", re.search(r" skmem:\((.*?)\)", line)[1])]
            assert [row["memory"][name] for name in SKMEM] == skmem, line
        if row["tcp"] is None:
            continue
        said = dict(re.findall(r" (\w+):(-?[\d.]+)\b", line))
        for name, path in EXACT.items():
            ours = at(row, path)
            if name in said:
                assert ours == pytest.approx(float(said[name]), rel=1e-5), (name, line)
                compared.add(name)
            elif name not in ("ssthresh", "rcv_wnd"):  # left out when above 65535; or older than that field
                assert not ours, (name, line)
        agree_on_the_rest(row, line, said)
    assert compared >= {"rto", "mss", "pmtu", "cwnd", "bytes_sent", "bytes_received", "minrtt", "rcv_space"}
    assert {row["socket"]["family"] for row in rows} == {"inet", "inet6"}


def test_what_is_over_has_a_screen():
    with Namespace() as ns:  # of its own: the kernel forgets it after a minute
        ns.python(QUIET)
        text = sretool("sockets", "show", ":5003", "-v", "--sample", 0, netns=ns.name).out
    assert "time-wait: over, closed here first" in text
    assert "is gone in" in text
    assert "0 of 128 connections" in text


def test_what_is_half_closed_and_udp_have_screens(quiet):
    halves = sretool("sockets", "show", ":5002", "-v", "--sample", 0, netns=quiet.name).out
    assert "does not close" in halves
    assert "closed here, not by the peer" in halves
    udp = sretool("sockets", "show", ":5004", "--sample", 0, netns=quiet.name).out
    assert "unconnected: takes datagrams of anyone" in udp
    assert "takes datagrams of this peer only" in udp
    assert "of memory received and not read" in udp
    many = sretool("sockets", "show", ":5001", "--sample", 0, netns=quiet.name).out
    assert "6 sockets fit" in many


def test_targets(quiet):
    rows = shown(quiet, ":5001", "--sample", 0)["data"]["sockets"]
    one = next(
        row for row in rows if row["socket"]["remote_port"] == 5001 and row["socket"]["family"] == "inet6"
    )
    socket = one["socket"]
    ends = f"[::1]:{socket['local_port']}-[::1]:5001"
    for target in ((ends,), (f"inode:{socket['inode']}",), (f"[::1]:{socket['local_port']}", "[::1]:5001")):
        found = shown(quiet, *target, "--sample", 0)["data"]
        assert [row["cookie"] for row in found["sockets"]] == [one["cookie"]], target
    assert one["route"]["type"] == "local"
    assert one["timer"] is None or one["timer"]["name"] in ("keepalive", "delayed-ack")
    held = shown(quiet, f"pid:{socket['pid']}", "--sample", 0)["data"]["sockets"]
    assert {row["socket"]["pid"] for row in held} == {socket["pid"]}
    assert len(held) > 8


def test_a_process_in_another_network_namespace(quiet):
    pid = shown(quiet, ":5004", "--sample", 0)["data"]["sockets"][0]["socket"]["pid"]
    done = sretool("sockets", "show", pid, "--sample", 0.1, "--json")
    assert done.code == 0, done.err
    data = done.json["data"]
    assert data["netns"] == f"/proc/{pid}/ns/net"
    assert {row["cookie"] for row in data["sockets"]} == {
        row["cookie"] for row in shown(quiet, f"pid:{pid}", "--sample", 0)["data"]["sockets"]
    }
    assert all(row["route"]["type"] == "local" for row in data["sockets"] if row["socket"]["remote_port"])
    blind = sretool("sockets", "show", f"pid:{pid}", uid=NOBODY)
    assert (blind.code, blind.out) == (3, "")
    assert "sudo" in blind.err


@pytest.mark.parametrize(
    ("target", "code", "said"),
    [
        (":5999", 3, "no TCP or UDP socket uses this port"),
        ("127.0.0.1:5001-127.0.0.1:1", 3, "no TCP or UDP socket fits it"),
        ("inode:1", 3, "no TCP or UDP socket has this inode"),
        ("nonsense", 64, "names no socket"),
    ],
)
def test_what_is_not_there_is_one_line(quiet, target, code, said):
    done = sretool("sockets", "show", target, netns=quiet.name)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert said in done.err


def test_an_ordinary_user(quiet):
    done = sretool("sockets", "show", ":5002", "--sample", 0, "--json", uid=NOBODY, netns=quiet.name)
    assert (done.code, done.json["status"]) == (0, "partial")
    assert done.json["data"]["sockets"][0]["socket"]["pid"] is None
    assert done.json["errors"][0]["code"] == "permission-denied"


def test_a_recording_shows_the_same(quiet, tmp_path):
    saved = sretool("snapshot", "save", tmp_path / "r.tar.gz", "--sample", 0.2, netns=quiet.name)
    assert saved.code == 0, saved.err
    live = shown(quiet, ":5002")["data"]["sockets"]
    done = sretool("--from", tmp_path / "r.tar.gz", "sockets", "show", ":5002", "--json")
    assert done.code == 0, done.err
    assert done.json["errors"] == []
    rows = done.json["data"]["sockets"]
    assert [row["cookie"] for row in rows] == [row["cookie"] for row in live]
    for ours, theirs in zip(live, rows):
        assert (ours["memory"], ours["congestion"]) == (theirs["memory"], theirs["congestion"])
        assert [note["id"] for note in ours["notes"]] == [note["id"] for note in theirs["notes"]]
        assert theirs["rates"]["window_s"] > 0
        if ours["socket"]["state"] == "close-wait":
            assert (theirs["route"]["type"], theirs["route"]["method"]) == ("local", "computed")


MULTIPATH = """
import socket, sys
try: listener = socket.socket(proto=262)  # IPPROTO_MPTCP
except OSError: print("none", flush=True)
else:
    listener.bind(("127.0.0.1", 5501)); listener.listen()
    client = socket.socket(proto=262); client.connect(("127.0.0.1", 5501))
    server = listener.accept()[0]
    client.sendall(b"x" * 100); server.recv(100)
    print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.oracle
def test_a_path_of_a_multipath_connection():
    with Namespace() as ns:
        try:
            ns.python(MULTIPATH)
        except AssertionError:
            pytest.skip("this kernel has no MPTCP")
        one = sending(shown(ns, ":5501", "--sample", 0)["data"], 5501)
        assert one["options"]["upper_layer"] == "mptcp"
        path = one["options"]["mptcp"]
        assert "fully-established" in path["flags"]
        line = by_cookie(ns)[one["cookie"]] if shutil.which("ss") else ""
        if said := re.search(r" token:(\w+)\(id:(\d+)\)/(\w+)\(id:(\d+)\)", line):
            ours = (path["remote_token"], path["remote_address_id"], path["token"], path["address_id"])
            assert ours == (said[1].zfill(8), int(said[2]), said[3].zfill(8), int(said[4]))
        text = sretool("sockets", "show", ":5501", "--sample", 0, netns=ns.name).out
        assert f"of connection {path['token']}: " in text


KEYED = """
import socket, struct, sys
listener = socket.socket(); listener.bind(("127.0.0.1", 5401))
address = struct.pack(">H4s", 0, socket.inet_aton("127.0.0.1"))
key = struct.pack("=H126sBBHI80s", 2, address, 0, 0, 11, 0, bytes(range(200, 211)))  # struct tcp_md5sig
try: listener.setsockopt(socket.IPPROTO_TCP, 14, key)  # TCP_MD5SIG
except OSError: print("none", flush=True)
else:
    listener.listen(); print("ready", flush=True)
sys.stdin.read()
"""


def test_a_recording_holds_no_keys(tmp_path):
    with Namespace() as ns:
        try:
            ns.python(KEYED)
        except AssertionError:
            pytest.skip("this kernel has no TCP-MD5")
        assert shown(ns, ":5401", "--sample", 0)["data"]["sockets"][0]["options"]["md5_keys"] == 1
        saved = sretool("snapshot", "save", tmp_path / "r.tar.gz", "--sample", 0, netns=ns.name)
        assert saved.code == 0, saved.err
    with gzip.open(tmp_path / "r.tar.gz") as file:
        assert bytes(range(200, 211)) not in file.read()
    done = sretool("--from", tmp_path / "r.tar.gz", "sockets", "show", ":5401", "--json")
    assert done.json["data"]["sockets"][0]["options"]["md5_keys"] == 1


def sending(data: dict, port: int) -> dict:
    """The end that sends to the port."""
    [one] = [row for row in data["sockets"] if row["socket"]["remote_port"] == port]
    return one


def test_a_receiver_that_does_not_read(faults):
    answer = shown(faults, ":5101", "--sample", 0.3)
    notes = {note["id"]: note for row in answer["data"]["sockets"] for note in row["notes"]}
    assert notes["zero-window"]["text"].startswith("the peer's window is zero: it does not read")
    assert notes["receiver-limited"]["text"].startswith("receiver-limited 100% of busy time in the sample")
    assert notes["receiver-limited"]["fields"]["tcpi_rwnd_limited_ms"] > 0
    assert "does not read" in notes["unread"]["text"]
    assert notes["unread"]["severity"] == "warning"
    [found] = answer["findings"]
    assert (found["id"], found["severity"]) == ("tcp.zero-window", "warning")
    assert found["subject"]["id"].endswith("-127.0.0.1:5101")
    done = sretool("sockets", "show", ":5101", "--sample", 0.3, "--fail-on", "warning", netns=faults.name)
    assert done.code == 1


def test_a_healthy_one_is_silent(faults):
    answer = shown(faults, ":5104", "--sample", 0.3)
    assert answer["findings"] == []
    assert [note for row in answer["data"]["sockets"] for note in row["notes"]] == []
    assert {check["outcome"] for check in answer["data"]["checks"]} == {"clear"}


def send(ns: Namespace, port: int) -> None:
    ns.process.stdin.write(f"{port}\n")
    ns.process.stdin.flush()
    assert ns.process.stdout.readline() == "sent\n"


def drop(ns: Namespace, rule: str, hook: str = "input") -> None:
    chain = f"add chain inet lab {hook} {{ type filter hook {hook} priority 0; }}"
    ns.run("nft", f"add table inet lab; {chain}; add rule inet lab {hook} {rule} drop")


def test_a_path_that_loses(faults):
    if shutil.which("nft") is None:
        pytest.skip("nft is not here")
    drop(faults, "tcp dport 5102 meta length > 1000 numgen inc mod 5 == 0")
    send(faults, 5102)

    def done() -> bool:
        one = sending(shown(faults, ":5102", "--sample", 0)["data"], 5102)
        return one["socket"]["send_q_bytes"] == 0 and one["tcp"]["sending"]["sent_bytes"] > 300_000

    until(done)
    one = sending(shown(faults, ":5102", "--sample", 0)["data"], 5102)
    found = one["tcp"]["sending"]
    assert found["retransmitted_bytes"] > 0
    assert found["retransmitted_ratio"] == pytest.approx(found["retransmitted_bytes"] / found["sent_bytes"])
    [note] = [note for note in one["notes"] if note["id"] == "retransmitting"]
    assert note["fields"]["tcpi_total_retrans"] == one["tcp"]["loss"]["retransmits_total"] >= 3


def test_a_peer_that_is_gone(faults):
    if shutil.which("nft") is None:
        pytest.skip("nft is not here")
    drop(faults, "tcp dport 5103")
    send(faults, 5103)

    def tried() -> bool:
        timer = sending(shown(faults, ":5103", "--sample", 0)["data"], 5103)["timer"]
        return timer is not None and timer["tries"] >= 3

    until(tried)
    answer = shown(faults, ":5103", "--sample", 0)
    [found] = answer["findings"]
    assert (found["id"], found["severity"]) == ("tcp.half-open", "warning")
    one = sending(answer["data"], 5103)
    [note] = [note for note in one["notes"] if note["id"] == "unanswered"]
    assert re.match(r"waiting for an acknowledgement for \d.*, \d+th try, next ", note["text"])
    assert note["severity"] == "warning"


def test_packets_that_do_not_leave_this_host(faults):
    if shutil.which("nft") is None:
        pytest.skip("nft is not here")
    drop(faults, "tcp dport 5105", "output")
    send(faults, 5105)

    def held() -> bool:
        one = sending(shown(faults, ":5105", "--sample", 0)["data"], 5105)
        return any(note["id"] == "not-leaving" for note in one["notes"])

    until(held)
    answer = shown(faults, ":5105", "--sample", 0.2)
    assert answer["findings"] == []  # the peer has to do with neither


BULK = """
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", 5201))
client = socket.socket()
client.setsockopt(socket.IPPROTO_TCP, 13, b"reno")
client.connect(("127.0.0.1", 5201))
server = listener.accept()[0]
threading.Thread(target=lambda: [None for _ in iter(lambda: server.recv(1 << 16), b"")], daemon=True).start()
print("ready", flush=True)
while True: client.sendall(bytes(1 << 16))
"""


def test_a_bottleneck_with_a_long_queue():
    with Namespace() as ns:
        ns.run("ip", "link", "set", "lo", "mtu", "1500")
        if shutil.which("tc") is None:
            pytest.skip("tc is not here")
        ns.run(
            "tc",
            "qdisc",
            "add",
            "dev",
            "lo",
            "root",
            "tbf",
            "rate",
            "4mbit",
            "burst",
            "10kb",
            "latency",
            "2s",
        )
        ns.python(BULK)

        def bloated() -> bool:
            one = sending(shown(ns, ":5201", "--sample", 0)["data"], 5201)
            return any(note["id"] == "bufferbloat" for note in one["notes"])

        until(bloated)
        one = sending(shown(ns, ":5201", "--sample", 0.3)["data"], 5201)
        trip = one["tcp"]["round_trip"]
        assert trip["rtt_ms"] - trip["rtt_min_ms"] > 60
        print([n["text"] for n in one["notes"]])


FAR = """
import socket, sys
keep = [socket.create_server(("::", 5301), family=socket.AF_INET6, dualstack_ipv6=True)]
print("ready", flush=True)
while True: keep.append(keep[0].accept()[0])
"""
NEAR = """
import socket, sys
keep = [socket.create_connection((address, 5301)) for address in sys.argv[1:]]
print("ready", flush=True); sys.stdin.read()
"""


def test_the_way_and_what_it_takes():
    with Namespace() as near, Namespace() as far:
        near.batch(
            f"""link add v0 type veth peer name v1 netns {far.name}
            link set v0 up
            addr add 10.9.0.1/24 dev v0
            addr add fe80::1/64 dev v0 nodad"""
        )
        far.batch(
            """link set v1 up
            addr add 10.9.0.2/24 dev v1
            addr add 10.8.0.1/32 dev lo
            addr add fe80::2/64 dev v1 nodad"""
        )
        near.batch("route add 10.8.0.0/24 via 10.9.0.2 mtu 1400")
        far.python(FAR)
        near.python(NEAR, "10.8.0.1", "10.9.0.2", "fe80::2%v0")
        rows = {row["socket"]["remote_address"]: row for row in shown(near, ":5301")["data"]["sockets"]}
        routed = rows["10.8.0.1"]
        way = routed["route"]
        assert (way["type"], way["gateway"], way["dev"], way["method"]) == (
            "unicast",
            "10.9.0.2",
            "v0",
            "kernel",
        )
        assert (routed["interface_mtu_bytes"], routed["tcp"]["sizes"]["pmtu_bytes"]) == (1500, 1400)
        assert [note["text"] for note in routed["notes"]] == [
            "the path takes packets of 1400 bytes, v0 would take 1500"
        ]
        direct = rows["10.9.0.2"]
        assert (direct["route"]["gateway"], direct["route"]["dev"], direct["notes"]) == (None, "v0", [])
        on_link = rows["fe80::2"]
        assert (on_link["socket"]["interface"], on_link["route"]["dev"]) == ("v0", "v0")
        local, port = on_link["socket"]["local_address"], on_link["socket"]["local_port"]
        text = sretool("sockets", "show", f"[{local}]%v0:{port}-[fe80::2]%v0:5301", netns=near.name).out
        assert "direct, v0" in text
        # of a host far away without a route any more
        near.batch("route del 10.8.0.0/24")
        gone = shown(near, "10.8.0.1", "--sample", 0)["data"]["sockets"][0]["route"]
        assert gone["type"] == "none"
        assert "no route leads to it now" in sretool("sockets", "show", "10.8.0.1", netns=near.name).out


def test_the_answer_is_of_its_schema(quiet):
    from sretool.sockets.show.model import Shown

    data = shown(quiet, f"pid:{shown(quiet, ':5004', '--sample', 0)['data']['sockets'][0]['socket']['pid']}")[
        "data"
    ]
    assert msgspec.convert(data, Shown).total == data["total"] == len(data["sockets"])
