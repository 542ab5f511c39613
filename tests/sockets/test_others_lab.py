"""UNIX, packet, netlink, UDP-Lite and MPTCP sockets in a namespace, beside ss."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, sretool
from lab_netns import Inside, Namespace

from sretool.host.recorder import Recorder
from sretool.host.recording import Recording
from sretool.sockets import read
from sretool.sockets.read import others

pytestmark = pytest.mark.lab

SOCKETS = """
import os, socket, sys
keep = []
path, name = sys.argv[1], "\\0sretool\\0x"
def unix(kind, where=None):
    s = socket.socket(socket.AF_UNIX, kind); keep.append(s)
    if where: s.bind(where)
    return s
server = unix(socket.SOCK_STREAM, path); server.listen(3)
client = unix(socket.SOCK_STREAM); client.connect(path); keep.append(server.accept()[0])
client.send(b"hello")
waiting = unix(socket.SOCK_STREAM); waiting.connect(path)
unix(socket.SOCK_SEQPACKET, name).listen(1)
unix(socket.SOCK_DGRAM, path + ".dgram")
log = unix(socket.SOCK_DGRAM); log.connect(path + ".dgram")
keep.extend(socket.socketpair())
arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)); arp.bind(("lo", 0x0806))
keep.append(arp)
keep.append(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)))
keep.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)); keep[-1].bind((4321, 1))
lite = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136); lite.bind(("127.0.0.1", 7)); keep.append(lite)
try:
    many = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); many.bind(("127.0.0.1", 8)); many.listen(5)
    keep.append(many)
except OSError:
    pass
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253); keep.append(raw)
print("ready", flush=True); sys.stdin.read()
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Namespace, Path, int]]:
    path = tmp_path_factory.mktemp("unix") / "app.sock"
    with Namespace() as ns:
        yield ns, path, ns.python(SOCKETS, path).pid


def listed(lab: tuple[Namespace, Path, int], *args: object) -> list[dict[str, Any]]:
    done = sretool("sockets", "list", *args, "--json", netns=lab[0].name)
    assert done.code == 0, done.err
    rows: list[dict[str, Any]] = done.json["data"]["sockets"]
    return rows


def ss(lab: tuple[Namespace, Path, int], *args: str) -> list[list[str]]:
    if shutil.which("ss") is None:
        pytest.skip("ss is not here")
    return [line.split() for line in lab[0].run("ss", "-Hn", *args).splitlines()]


STATES = {"LISTEN": "listen", "ESTAB": "established", "UNCONN": "unconnected"}
TYPES = {"u_str": "unix-stream", "u_dgr": "unix-dgram", "u_seq": "unix-seqpacket"}


@pytest.mark.oracle
def test_unix_rows_are_those_of_ss(lab: tuple[Namespace, Path, int]) -> None:
    expected = sorted(
        (TYPES[kind], STATES[state], int(received), int(sent), local, int(inode), int(peer))
        for kind, state, received, sent, local, inode, _, peer in ss(lab, "-xa")
    )
    found = sorted(
        (
            *(row["protocol"], row["state"]),
            row["accept_queue"] if row["state"] == "listen" else row["recv_q_bytes"],
            row["accept_queue_limit"] if row["state"] == "listen" else row["send_q_bytes"],
            *(row["local_address"] or "*", row["inode"], row["peer_inode"] or 0),
        )
        for row in listed(lab, "--unix")
    )
    assert found == expected
    assert len(found) == 9


def test_unix_sockets_have_their_ends(lab: tuple[Namespace, Path, int]) -> None:
    _, path, pid = lab
    rows = listed(lab, "--unix")
    [server] = [row for row in rows if row["state"] == "listen" and row["local_address"] == str(path)]
    assert (server["accept_queue"], server["accept_queue_limit"], server["pid"]) == (1, 3, pid)
    [client] = [row for row in rows if row["remote_address"] == str(path) and row["pid"] and row["peer_pid"]]
    assert (client["local_address"], client["local_port"], client["remote_port"]) == (None, None, None)
    assert (client["pid"], client["peer_pid"], client["peer_process"]) == (pid, pid, client["process"])
    assert [row["protocol"] for row in rows if row["local_address"] == "@sretool@x"] == ["unix-seqpacket"]
    # the side of the server that nobody accepted yet is not listed
    assert len(listed(lab, "--unix", f"src {path}")) == 2
    assert len(listed(lab, "--unix", f"dst unix:{path}")) == 1
    assert len(listed(lab, "--unix", "state listen")) == len(listed(lab, "--unix", "--state", "listen")) == 2
    assert len(listed(lab, "--unix", "recv_q_bytes >= 5")) == 1
    assert listed(lab, "--unix", f"peer_pid = {pid} process != {client['process']}") == []


@pytest.mark.oracle
def test_packet_rows_are_those_of_ss(lab: tuple[Namespace, Path, int]) -> None:
    rows = listed(lab, "--packet")
    assert [(row["protocol"], row["local_address"], row["interface"], row["pid"]) for row in rows] == [
        ("packet-dgram", "all", None, lab[2]),
        ("packet-raw", "arp", "lo", lab[2]),
    ]
    found = sorted(
        f"{'*' if row['local_address'] == 'all' else '[2054]'}:{row['interface'] or '*'}" for row in rows
    )
    assert found == sorted(row[-2] for row in ss(lab, "-0a"))


@pytest.mark.oracle
def test_netlink_rows_are_those_of_ss(lab: tuple[Namespace, Path, int]) -> None:
    rows = listed(lab, "--netlink")
    [ours] = [row for row in rows if row["local_port"] == 4321]
    assert (ours["local_address"], ours["pid"], ours["state"]) == ("route", lab[2], "unconnected")
    kernel = sorted(row["local_address"] for row in rows if row["local_port"] == 0)
    names = others.NETLINK
    assert kernel == sorted(
        names[int(row[-2].partition(":")[0])]
        for row in ss(lab, "-f", "netlink", "-a")
        if row[-2].endswith(":0")
    )
    assert all(row["inode"] is None for row in rows if row["local_port"] == 0)


def test_the_inet_protocols_beside_tcp_and_udp(lab: tuple[Namespace, Path, int]) -> None:
    [lite] = listed(lab, "--udplite", "sport = :7")
    assert (lite["protocol"], lite["state"], lite["pid"]) == ("udplite", "unconnected", lab[2])
    assert listed(lab, "--udplite", "sport = :8") == []
    done = sretool("sockets", "list", "--mptcp", "--json", netns=lab[0].name)
    for row in done.json["data"]["sockets"]:
        assert (row["protocol"], row["state"], row["accept_queue_limit"]) == ("mptcp", "listen", 5)


def test_what_the_kernel_cannot_list_is_named_and_costs_itself(lab: tuple[Namespace, Path, int]) -> None:
    done = sretool("sockets", "list", "--all", "--json", netns=lab[0].name)
    rows = done.json["data"]["sockets"]
    families = {row["family"] for row in rows}
    assert families >= {"unix", "packet", "netlink", "inet"}
    raw = [row["local_port"] for row in rows if row["protocol"] == "raw"]
    lacking = {error["what"]: error["hint"] for error in done.json["errors"]}
    assert raw == [253] or lacking["inet-diag/raw/4"] == "the modules are inet_diag and raw_diag"
    if "vsock-diag" in lacking:
        alone = sretool("sockets", "list", "--vsock", netns=lab[0].name)
        assert (alone.code, alone.out) == (3, "")
        assert "vsock_diag" in alone.err


def test_screen(lab: tuple[Namespace, Path, int]) -> None:
    text = sretool("sockets", "list", "--unix", netns=lab[0].name).out
    assert str(lab[1]) in text
    assert "@sretool@x" in text
    text = sretool("sockets", "list", "--packet", netns=lab[0].name).out
    assert "arp%lo" in text
    text = sretool("sockets", "list", "--netlink", netns=lab[0].name).out
    assert "route:kernel" in text


def test_a_recording_gives_the_same_rows(lab: tuple[Namespace, Path, int]) -> None:
    source = Inside(lab[0].path)
    recorder = Recorder(source)
    assert [error for error in read.sample(recorder, read.EVERYTHING).errors if "diag" in error.what] == []
    recorded = Recording("made", recorder.moment, None)
    ask = read.Ask(tcp_states=0, udp_states=0, others=dict.fromkeys(("unix", "packet", "udplite"), 0x1FFE))
    rows = read.build_list(read.sample(source, ask)).sockets
    assert read.build_list(read.sample(recorded, ask)).sockets == rows
    assert len(rows) == 12


def test_an_ordinary_user_sees_sockets_without_their_processes(lab: tuple[Namespace, Path, int]) -> None:
    done = sretool("sockets", "list", "--unix", "--json", netns=lab[0].name, uid=NOBODY)
    assert len(done.json["data"]["sockets"]) == 9
    [error] = done.json["errors"]
    assert (error["code"], error["message"]) == ("permission-denied", "the process of 9 sockets is unknown")
