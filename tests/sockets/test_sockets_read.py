from __future__ import annotations

import errno

import frames
import msgspec
from engine_replies import DOCKER_REPLY, ID, SHORT
from hypothesis import given
from hypothesis import strategies as st

from sretool.command import Look
from sretool.errors import SretoolError
from sretool.host import engines
from sretool.host.fake import Fake
from sretool.host.source import Stat
from sretool.report.table import table_lines
from sretool.report.terminal import Terminal
from sretool.sockets import read
from sretool.sockets.model import Sockets
from sretool.sockets.read.build import state_name
from sretool.sockets.view import listing

NGINX = "/system.slice/nginx.service"


def host(v4: bytes = b"", v6: bytes = b"", udp: bytes = b"", **more) -> Fake:
    """Sockets by table; nginx (812) and its worker (813) hold inode 1000, sshd (900) 2000."""
    files = {
        "/proc/812/comm": "nginx\n",
        "/proc/812/cgroup": f"0::{NGINX}\n",
        "/proc/813/comm": "nginx\n",
        "/proc/813/cgroup": f"0::{NGINX}\n",
        "/proc/900/comm": b"\x1b[31mssh\xffd\n",
        "/proc/900/cgroup": "0::/system.slice/ssh.service\n",
        "/proc/1/comm": "systemd\n",
        "/proc/1/cgroup": "0::/init.scope\n",
        **more.pop("files", {}),
    }
    links = {
        "/proc/1/fd/40": "socket:[2000]",
        "/proc/812/fd/6": "socket:[1000]",
        "/proc/813/fd/6": "socket:[1000]",
        "/proc/813/fd/7": "socket:[1001]",
        "/proc/900/fd/3": "socket:[2000]",
        "/proc/900/fd/4": "/dev/null",
    }
    tables = {"tcp/4": v4, "tcp/6": v6, "udp/4": udp, "udp/6": b""}
    netlink = {f"inet-diag/{name}": [raw + frames.DONE] for name, raw in tables.items()}
    netlink["route/links"] = [frames.LINKS]
    facts = {"user 0": "root", "user 33": "www-data", **more.pop("facts", {})}
    return Fake(files, links=more.pop("links", links), netlink=netlink, facts=facts, **more)


def rows(source, ask=read.Ask(), **narrow):
    now = read.sample(source, ask)
    return read.build_list(now, read.Narrow(**narrow), info=ask.info).sockets, now.errors


def test_owner_is_the_lowest_pid_but_init_only_if_alone():
    v4 = frames.socket_message(local_port=80, inode=1000) + frames.socket_message(local_port=22, inode=2000)
    found, errors = rows(host(v4))
    assert errors == []
    assert [(row.local_port, row.pid, row.unit) for row in found] == [
        (22, 900, "ssh.service"),
        (80, 812, "nginx.service"),
    ]
    assert found[0].process == "\x1b[31mssh\\xffd"
    assert found[1].cgroup == NGINX


def test_a_listener_has_queues_of_connections_and_a_stream_of_bytes():
    v4 = frames.socket_message(queues=(3, 128)) + frames.socket_message(
        remote="192.0.2.9", remote_port=5, local_port=81, state=1, queues=(10, 20), retransmits=4
    )
    listener, stream = rows(host(v4))[0]
    assert (listener.accept_queue, listener.accept_queue_limit) == (3, 128)
    assert (listener.recv_q_bytes, listener.send_q_bytes) == (None, None)
    assert (listener.remote_address, listener.remote_port) == (None, None)
    assert (stream.accept_queue, stream.recv_q_bytes, stream.send_q_bytes) == (None, 10, 20)
    assert (stream.remote_address, stream.remote_port, stream.retransmits) == ("192.0.2.9", 5, 4)


def test_time_wait_has_no_owner_and_is_no_gap():
    v4 = frames.socket_message(state=6, inode=0, remote="192.0.2.9", remote_port=5)
    [row], errors = rows(host(v4))
    assert (row.state, row.inode, row.uid, row.user, row.pid) == ("time-wait", None, None, None, None)
    assert errors == []


def test_unknown_state_and_interface_stay_visible():
    v4 = frames.socket_message(state=2, interface=2) + frames.socket_message(local_port=81, interface=9)
    found, _ = rows(host(v4))
    assert [(row.state, row.interface) for row in found] == [("syn-sent", "eth0"), ("listen", "if9")]
    assert state_name("tcp", 42) == "unknown-42"
    assert state_name("udp", 3) == "unknown-3"


def test_mapped_address_is_shown_as_such():
    [row], _ = rows(
        host(v6=frames.socket_message("::ffff:10.0.0.1", state=1, remote="::ffff:10.0.0.2", remote_port=9))
    )
    assert (row.family, row.local_address, row.remote_address) == (
        "inet6",
        "::ffff:10.0.0.1",
        "::ffff:10.0.0.2",
    )


def test_filters_by_owner():
    v4 = frames.socket_message(local_port=80, inode=1000) + frames.socket_message(local_port=22, inode=2000)
    assert [row.local_port for row in rows(host(v4), unit="nginx")[0]] == [80]
    assert [row.local_port for row in rows(host(v4), unit="ssh.service")[0]] == [22]
    # a worker holds what its master is shown for
    ask = read.Ask(pid=813)
    assert [(row.local_port, row.pid) for row in rows(host(v4), ask, pid=813)[0]] == [(80, 813)]
    ask = read.Ask(process="ngin*")
    assert [row.local_port for row in rows(host(v4), ask, process="ngin*")[0]] == [80]


def test_a_port_counts_at_either_end():
    v4 = frames.socket_message(local_port=443) + frames.socket_message(
        local_port=40000, remote="192.0.2.1", remote_port=443, state=1
    )
    assert len(rows(host(v4), read.Ask(port=443))[0]) == 2
    assert rows(host(v4), read.Ask(port=444))[0] == []


def test_hidden_owners_are_one_error_with_their_count():
    links = {"/proc/812/fd/6": "socket:[1000]"}
    v4 = b"".join(frames.socket_message(local_port=p, inode=p) for p in (1000, 1001, 1002))
    found, errors = rows(host(v4, links=links, facts={"identity": {"uid": 65534}}))
    assert [row.pid for row in found] == [812, None, None]
    [error] = errors
    assert (error.code, error.message) == ("permission-denied", "the process of 2 sockets is unknown")


def test_a_hidden_owner_has_the_unit_of_its_socket():
    v4 = frames.socket_message(inode=5, attributes=frames.attribute(21, (4242).to_bytes(8, "little")))
    stat = Stat(0o40755, 4242, 1, 0, 0, 0, 0.0)
    source = host(
        v4,
        facts={"identity": {"uid": 65534}},
        files={"/sys/fs/cgroup/cgroup.controllers": "", f"/sys/fs/cgroup{NGINX}/cgroup.procs": ""},
        stats={f"/sys/fs/cgroup{NGINX}": stat},
    )
    [row], _ = rows(source)
    assert (row.pid, row.unit, row.cgroup) == (None, "nginx.service", NGINX)


def test_a_container_goes_by_its_name():
    raw = frames.socket_message(local_port=80, inode=1000) + frames.socket_message(local_port=22, inode=2000)
    inside = {f"/proc/{pid}/cgroup": f"0::/docker/{ID}\n" for pid in (812, 813)}
    named = {f"engine docker {engines.DOCKER_SOCKET}": DOCKER_REPLY}
    for facts, name in ((named, "shop-web-1"), ({}, None)):
        found, errors = rows(host(raw, files=inside, facts=facts))
        assert [(row.local_port, row.container, row.container_name) for row in found] == [
            (22, None, None),
            (80, SHORT, name),
        ]
        assert errors == []
        look = Look(("local_port", "unit"), Terminal(False, None, 24, False, True), False)
        (table,) = listing(Sockets(found, 2), look)
        assert list(table_lines(table, None, str))[2].split() == ["80", f"container:{name or SHORT}"]


def test_a_table_that_cannot_be_read_costs_itself():
    source = host(frames.socket_message())
    source._netlink["inet-diag/udp/4"] = errno.ENOENT
    source._netlink["inet-diag/tcp/6"] = [b"\1\2\3"]
    found, errors = rows(source)
    assert len(found) == 1
    assert sorted(error.code for error in errors) == ["parse", "unsupported"]


def test_nothing_recorded_is_not_no_sockets():
    source = Fake(
        {},
        netlink=dict.fromkeys([f"inet-diag/{p}/{f}" for p in ("tcp", "udp") for f in (4, 6)], errno.ENODATA),
    )
    now = read.sample(source, read.Ask(owners=False))
    assert {error.code for error in now.errors} == {"not-recorded"}


def test_tcp_info_only_when_asked():
    raw = frames.socket_message(
        state=1, attributes=frames.attribute(2, bytes(68) + (2500).to_bytes(4, "little"))
    )
    [row], _ = rows(host(raw))
    assert b"rtt_ms" not in msgspec.json.encode(row)
    [row], _ = rows(host(raw), read.Ask(info=True))
    assert (row.rtt_ms, row.rtt_min_ms, row.retransmits_total) == (2.5, None, None)


@given(st.binary(max_size=200))
def test_hostile_frames_cost_only_their_table(raw):
    source = host(frames.socket_message())
    source._netlink["inet-diag/tcp/6"] = [raw]
    found, errors = rows(source)
    assert all(isinstance(error, SretoolError) for error in errors)
    assert len([row for row in found if row.family == "inet"]) == 1
