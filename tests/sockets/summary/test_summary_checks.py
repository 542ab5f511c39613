"""The summary from crafted dumps and files: counts, limits, and each check's thresholds.

TCP memory is judged here only: its limit is the whole machine's, and reaching it would stop it.
"""

from __future__ import annotations

import errno
import io
from typing import Any

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.command import Look
from sretool.errors import ParseError
from sretool.host.fake import Fake
from sretool.host.source import Clock
from sretool.report.check import judge
from sretool.report.table import FINDINGS, write
from sretool.report.terminal import Terminal
from sretool.sockets.summary import kernel, read
from sretool.sockets.summary.build import build
from sretool.sockets.summary.checks import CHECKS
from sretool.sockets.summary.model import Summary
from sretool.sockets.summary.view import summary

BOTH = ("inet", "inet6")
SOCKSTAT = (
    "sockets: used 9\nTCP: inuse 3 orphan {orphans} tw {waiting} alloc 3 mem {pages}\nUDP: inuse 0 mem 0\n"
)
PROTOCOLS = (
    "protocol  size sockets  memory press maxhdr  slab module     cl co di ac\n"
    "TCP       2304      1     209   {press}     192   yes  kernel      y  y  y  y\n"
    "UNIX      1152      7      -1   NI       0   yes  kernel      y  n  n  n\n"
)
NETSTAT = (
    "TcpExt: TCPTimeWaitOverflow TCPAbortOnMemory TCPMemoryPressures TCPReqQFullDrop TCPReqQFullDoCookies\n"
    "TcpExt: {overflows} {aborts} {pressures} {drops} {cookies}\n"
)
SNMP = "Udp: InDatagrams RcvbufErrors\nUdp: 1 {udp}\n"
SNMP6 = "Ip6InReceives 1\nUdp6RcvbufErrors \t{udp6}\n"
ZERO = dict.fromkeys(("overflows", "aborts", "pressures", "drops", "cookies", "udp", "udp6"), 0)


def files(**more: Any) -> dict[str, bytes | str | int]:
    """A healthy host's, but for what is given; `drop` are paths it lacks."""
    given = {**ZERO, "orphans": 0, "waiting": 0, "pages": 100, "press": "no", "cookies_set": 1, **more}
    ipv4 = "/proc/sys/net/ipv4/"
    found: dict[str, bytes | str | int] = {
        f"{ipv4}ip_local_port_range": "40000\t40099\n",
        f"{ipv4}ip_local_reserved_ports": "40090-40099\n",
        f"{ipv4}tcp_mem": "1000\t2000\t4000\n",
        f"{ipv4}udp_mem": "1000\t2000\t4000\n",
        f"{ipv4}tcp_max_orphans": "1000\n",
        f"{ipv4}tcp_max_tw_buckets": "1000\n",
        f"{ipv4}tcp_tw_reuse": "2\n",
        f"{ipv4}tcp_syncookies": f"{given['cookies_set']}\n",
        f"{ipv4}tcp_max_syn_backlog": "512\n",
        f"{ipv4}tcp_fin_timeout": "60\n",
        "/proc/net/sockstat": SOCKSTAT.format(**given),
        "/proc/net/protocols": PROTOCOLS.format(**given),
        "/proc/net/netstat": NETSTAT.format(**given),
        "/proc/net/snmp": SNMP.format(**given),
        "/proc/net/snmp6": SNMP6.format(**given),
        "/proc/812/comm": "app\n",
        "/proc/812/cgroup": "0::/system.slice/app.service\n",
    }
    for path in given.get("drop", ()):
        del found[path]
    return found


def host(
    now: dict[str, Any] | None = None, tcp: bytes = b"", udp: bytes = b"", udp_before: bytes = b""
) -> Fake:
    """Two moments, a second apart; what is given is of the newer one. App (812) holds inodes 1000 to 1099."""
    links = {f"/proc/812/fd/{inode}": f"socket:[{inode}]" for inode in range(1000, 1100)}
    made = []
    for moment, datagrams in (({}, udp_before), (now or {}, udp)):
        tables = {"tcp/4": tcp, "tcp/6": b"", "udp/4": datagrams, "udp/6": b""}
        dumps = {f"inet-diag/{name}": [raw + frames.DONE] for name, raw in tables.items()}
        clock = Clock(float(len(made)), float(len(made)), float(len(made)))
        earlier = made[0] if made else None
        made.append(Fake(files(**moment), links=links, netlink=dumps, clock=clock, earlier=earlier))
    return made[1]


def answer(source: Fake, *, pair: bool = True) -> Summary:
    before = source.earlier
    assert before is not None
    return build(
        read.sample(source, read.whole(BOTH)), read.sample(before, read.compared(BOTH)) if pair else None
    )


def judged(model: Summary) -> dict[str, Any]:
    """Outcome by check, or the severities of what it found."""
    return {
        verdict.id: [finding.severity for finding in findings] or verdict.outcome
        for verdict, findings in judge(CHECKS, model)
    }


def finding(model: Summary, check: str) -> Any:
    [found] = [findings for verdict, findings in judge(CHECKS, model) if verdict.id == check]
    return found[0]


def connections(
    count: int, *, state: int = 1, first: int = 40000, to: str = "192.0.2.9", **more: Any
) -> bytes:
    return b"".join(
        frames.socket_message(
            more.get("local", "192.0.2.1"), first + number, to, 5432, state=state,
            inode=more.get("inode", 1000) and more.get("inode", 1000) + number, cookie=number + 1,
            attributes=more.get("attributes", b""),
        )
        for number in range(count)
    )  # fmt: skip


CLEAR = dict.fromkeys([rule.id for rule in CHECKS], "clear")
CLEAR["tcp.retransmissions-by-peer"] = "not-applicable"  # only asked with --by peer


def test_a_healthy_host_is_clear():
    assert judged(answer(host(tcp=connections(20)))) == CLEAR


def test_one_reading_cannot_clear_what_takes_two():
    unknown = ("tcp.syn-backlog", "udp.receive-errors", "tcp.orphans", "tcp.time-wait")
    assert judged(answer(host(), pair=False)) == {**CLEAR, **dict.fromkeys(unknown, "unknown")}


def test_what_was_not_recorded_is_unknown_and_an_error():
    source = Fake(
        dict.fromkeys(files(), errno.ENODATA),
        netlink={f"inet-diag/{name}": errno.ENODATA for name in ("tcp/4", "tcp/6", "udp/4", "udp/6")},
    )
    now = read.sample(source, read.whole(BOTH))
    assert {error.code for error in now.errors} == {"not-recorded"}
    model = build(now, now._replace(clock=Clock(0, 0, 0)), "peer", health=True)
    assert judged(model) == dict.fromkeys(CLEAR, "unknown")


@pytest.mark.parametrize(
    ("count", "outcome"), [(71, "clear"), (72, ["warning"]), (85, ["warning"]), (86, ["critical"])]
)
def test_ports_to_one_destination(count, outcome):
    # 100 in the range, 10 of them reserved; the listener's own is inside and cannot be chosen either
    assert judged(answer(host(tcp=connections(count))))["tcp.ephemeral-ports"] == outcome


def test_ports_are_counted_for_each_destination_and_a_listener_takes_one():
    listener = frames.socket_message("0.0.0.0", 40089, inode=1099)
    incoming = frames.socket_message("192.0.2.1", 40089, "192.0.2.9", 5432, state=1, inode=1098)
    tcp = listener + incoming + connections(40) + connections(40, to="192.0.2.10", first=40040)
    model = answer(host(tcp=tcp))
    assert [(row.remote_address, row.ports_used, row.ports) for row in model.destinations] == [
        ("192.0.2.10", 40, 89),
        ("192.0.2.9", 40, 89),
    ]
    assert {row.remote_address: row.incoming for row in model.peers} == {"192.0.2.9": 1, "192.0.2.10": 0}
    assert judged(model)["tcp.ephemeral-ports"] == "clear"


def test_an_unknown_range_is_unknown():
    model = answer(host({"drop": ["/proc/sys/net/ipv4/ip_local_port_range"]}, tcp=connections(80)))
    assert judged(model)["tcp.ephemeral-ports"] == "unknown"
    assert model.destinations == []


def test_mapped_addresses_are_those_of_ipv4():
    source = host(tcp=connections(2))
    mapped = frames.socket_message("::ffff:192.0.2.1", 40050, "::ffff:192.0.2.9", 5432, state=1, inode=1099)
    source._netlink["inet-diag/tcp/6"] = [mapped + frames.DONE]
    model = answer(source)
    assert [(row.remote_address, row.ports_used) for row in model.destinations] == [("192.0.2.9", 3)]


def heard(milliseconds: int) -> bytes:
    return frames.attribute(2, bytes(56) + milliseconds.to_bytes(4, "little") + bytes(100))


@pytest.mark.parametrize(
    ("count", "age_s", "outcome"),
    [(10, 60, ["warning"]), (9, 3600, "clear"), (50, 59, "clear"), (10, None, "unknown")],
)
def test_close_wait(count, age_s, outcome):
    attributes = b"" if age_s is None else heard(age_s * 1000)
    model = answer(host(tcp=connections(count, state=8, attributes=attributes)))
    assert judged(model)["tcp.close-wait"] == outcome
    assert [(row.pid, row.sockets, row.unit) for row in model.close_wait] == [(812, count, "app.service")]


def test_a_minority_of_old_ones_is_not_enough():
    tcp = connections(9, state=8, attributes=heard(10**6)) + connections(
        30, state=8, first=40020, inode=1020, attributes=heard(10)
    )
    assert judged(answer(host(tcp=tcp)))["tcp.close-wait"] == "clear"


def test_what_was_never_accepted_is_the_listeners():
    listener = frames.socket_message("0.0.0.0", 80, inode=1050)
    waiting = b"".join(
        frames.socket_message("192.0.2.1", 80, "192.0.2.9", port, state=8, inode=0, attributes=heard(90_000))
        for port in range(5000, 5012)
    )
    model = answer(host(tcp=listener + waiting))
    found = finding(model, "tcp.close-wait")
    assert found.subject.pid == 812
    assert "12 were never accepted" in found.summary
    assert model.unattributed is not None
    assert (model.unattributed.unaccepted, model.unattributed.kernel) == (12, 0)


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        ({"pages": 2000}, "clear"),
        ({"pages": 2001}, ["warning"]),
        ({"pages": 3600}, ["warning"]),
        ({"pages": 3601}, ["critical"]),
        ({"press": "yes"}, ["warning"]),
        ({"pressures": 1}, ["warning"]),
    ],
)
def test_tcp_memory(now, outcome):
    assert judged(answer(host(now)))["tcp.memory"] == outcome


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        ({"orphans": 250}, "clear"),
        ({"orphans": 251}, ["warning"]),
        ({"orphans": 501}, ["critical"]),
        ({"aborts": 1}, ["critical"]),
        ({"drop": ["/proc/sys/net/ipv4/tcp_max_orphans"]}, "unknown"),
        ({"drop": ["/proc/sys/net/ipv4/tcp_max_orphans"], "aborts": 3}, ["critical"]),
    ],
)
def test_orphans(now, outcome):
    assert judged(answer(host(now)))["tcp.orphans"] == outcome


@pytest.mark.parametrize(
    ("now", "outcome"),
    [({"waiting": 900}, "clear"), ({"waiting": 901}, ["warning"]), ({"overflows": 1}, ["warning"])],
)
def test_time_wait(now, outcome):
    assert judged(answer(host(now)))["tcp.time-wait"] == outcome


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        ({"drops": 1}, ["warning"]),
        ({"drops": 6}, ["critical"]),
        ({"cookies": 100}, ["warning"]),
        ({"cookies": 100, "cookies_set": 2}, "not-applicable"),
    ],
)
def test_syn_backlog(now, outcome):
    listener = frames.socket_message("0.0.0.0", 80, inode=1000, queues=(0, 3))
    half = b"".join(
        frames.socket_message("192.0.2.1", 80, f"198.51.100.{number}", 9, state=3, inode=0)
        for number in range(3)
    )
    model = answer(host(now, tcp=listener + half))
    assert judged(model)["tcp.syn-backlog"] == outcome
    assert [(row.name, row.waiting, row.limit, row.pid) for row in model.syn_queues] == [
        ("192.0.2.1:80", 3, 3, 812)
    ]
    if outcome != "not-applicable":
        assert finding(model, "tcp.syn-backlog").subject.id == "192.0.2.1:80"


def test_listeners_that_share_a_port_share_its_handshakes():
    pair = b"".join(
        frames.socket_message("0.0.0.0", 80, inode=inode, queues=(inode - 1000, 10)) for inode in (1000, 1001)
    )
    half = frames.socket_message("192.0.2.1", 80, "198.51.100.1", 9, state=3, inode=0)
    model = answer(host(tcp=pair + half))
    assert [(row.waiting, row.limit) for row in model.syn_queues] == [(1, 20)]
    [row] = [row for row in model.limits if row.name == "accept-queue"]
    assert (row.used, row.limit) == (1, 10)  # of the fuller one


def datagrams(drops: int, queue: int = 0, cookie: int = 7) -> bytes:
    return frames.socket_message(
        "192.0.2.1",
        53,
        state=7,
        inode=1001,
        queues=(queue, 0),
        cookie=cookie,
        attributes=frames.memory(4096, drops),
    )


@pytest.mark.parametrize(
    ("now", "before", "counted", "outcome"),
    [
        (datagrams(30), datagrams(10), 20, ["warning"]),
        (datagrams(30), datagrams(20), 10, "clear"),  # ten a second, of a queue that is emptied
        (datagrams(30, 4000), datagrams(29, 4000), 1, ["warning"]),  # nobody reads
        (datagrams(30), datagrams(10), 0, "clear"),  # dropped for another reason, as by a filter
        (datagrams(30, cookie=8), datagrams(10), 30, ["warning"]),  # opened in between
        (b"", datagrams(10), 30, ["warning"]),  # closed meanwhile: nobody to name
    ],
)
def test_udp_receive_errors(now, before, counted, outcome):
    for name in ("udp", "udp6"):
        model = answer(host({name: counted}, udp=now, udp_before=before))
        assert judged(model)["udp.receive-errors"] == outcome
        if outcome == ["warning"]:
            found = finding(model, "udp.receive-errors")
            assert (found.subject.id, found.subject.pid) == (("192.0.2.1:53", 812) if now else ("udp", None))


def test_hidden_and_kernel_sockets_are_told_apart():
    tcp = (
        connections(2, inode=5000)  # held by nobody we see
        + connections(3, state=6, inode=0, first=40010)
        + connections(4, state=1, inode=0, first=40020)
    )
    model = answer(host(tcp=tcp))
    assert model.unattributed is not None
    assert (model.unattributed.hidden, model.unattributed.kernel, model.unattributed.unaccepted) == (2, 3, 4)
    assert model.groups == []
    assert model.destinations[0].ports_used == 9


def test_protocols_that_are_not_dumped_are_counted_by_the_kernel():
    model = answer(host(tcp=connections(1)))
    assert [(row.protocol, row.sockets, row.source) for row in model.states] == [
        ("tcp", 1, "sock_diag"),
        ("UNIX", 7, "/proc/net/protocols"),
    ]
    source = host()
    source._netlink["inet-diag/tcp/4"] = errno.ENOENT  # no tcp_diag module
    assert [row.protocol for row in answer(source).states] == ["TCP", "UNIX"]


def test_the_nearest_limit_is_first_and_what_is_unknown_last():
    model = answer(
        host({"waiting": 400, "orphans": 10, "drop": ["/proc/sys/net/ipv4/udp_mem"]}, tcp=connections(45))
    )
    assert [row.name for row in model.limits] == [
        "ephemeral-ports", "time-wait", "tcp-memory", "orphans", "udp-memory",
    ]  # fmt: skip
    assert (model.limits[2].used, model.limits[2].limit) == (100 * 4096, 4000 * 4096)
    assert model.limits[-1].limit is None


def test_the_screen_fits_a_small_terminal():
    listener = frames.socket_message("0.0.0.0", 40089, inode=1099)
    tcp = (
        listener + connections(80) + connections(15, state=6, inode=0, to="2001:db8::1", local="2001:db8::2")
    )
    source = host({"waiting": 990}, tcp=b"")
    source._netlink["inet-diag/tcp/4"] = [listener + connections(80) + frames.DONE]
    source._netlink["inet-diag/tcp/6"] = [tcp[len(listener + connections(80)) :] + frames.DONE]
    model = answer(source)
    shown = ("process", "unit", "processes", "sockets", "established", "listen", "close_wait", "udp")
    out = io.StringIO()
    look = Look(shown, Terminal(True, 80, 24, False, True), False)
    blocks = [block for block in summary(model, look) if block is not FINDINGS]
    write(blocks, out, 80, True)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 26
    assert "time-wait" in lines[3 + lines[2:].index(next(line for line in lines if line.startswith("LIMIT")))]


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        (kernel.port_range, b"1"),
        (kernel.port_range, b"2 1"),
        (kernel.port_range, b"0 70000"),
        (kernel.ports, b"1-99999999"),
        (kernel.ports, b"x"),
        (kernel.three, b"1 2"),
        (kernel.sockstat, b"TCP: inuse"),
        (kernel.snmp6, b"Udp6InErrors x"),
    ],
)
def test_what_is_no_such_file(parse, raw):
    with pytest.raises(ValueError, match=r"."):
        parse(raw)


@given(st.sampled_from(sorted(files())), st.binary(max_size=80))
def test_hostile_files_cost_only_themselves(path, raw):
    source = host(tcp=connections(3))
    source._files[path] = raw
    model = answer(source)
    assert model.sockets == 3
    assert set(judged(model)) == set(CLEAR)


@given(st.data())
def test_mutated_dumps_are_counted_or_refused(data):
    raw = bytearray(connections(2, state=8, attributes=heard(90_000)) + datagrams(9))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    source = host()
    source._netlink["inet-diag/tcp/4"] = source._netlink["inet-diag/udp/4"] = [bytes(raw) + frames.DONE]
    now = read.sample(source, read.whole(BOTH))
    assert all(isinstance(error, ParseError) for error in now.errors if error.code == "parse")
    assert build(now).sockets >= 0
