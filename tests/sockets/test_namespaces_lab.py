"""`sockets list --all-netns` over namespaces that the test makes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from cli import NOBODY, sretool
from lab_netns import Namespace

from sretool.errors import SretoolError
from sretool.host.live import Live
from sretool.host.recorder import Recorder
from sretool.host.recording import Recording
from sretool.sockets import read
from sretool.sockets.filter.parse import parse
from sretool.sockets.model import Socket
from sretool.sockets.read import namespaces

pytestmark = pytest.mark.lab

SERVER = """
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(1)
c = socket.socket(); c.connect(s.getsockname()); t = s.accept()[0]
c.close(); t.close()  # c is in time-wait, which no process holds
s2 = socket.socket(); s2.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"d0")
s2.bind(("127.0.0.1", int(sys.argv[1]) + 1)); s2.listen(1)
u = socket.socket(socket.AF_UNIX); u.bind("\\0" + sys.argv[1]); u.listen(1)
print("ready", flush=True); sys.stdin.read()
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[tuple[Namespace, Namespace, int, int]]:
    with Namespace() as one, Namespace() as two:
        one.batch("link add d9 type veth peer name d8\nlink add d0 type veth peer name d1\n")
        two.batch("link add d0 type veth peer name d1\n")
        yield one, two, one.python(SERVER, 7101).pid, two.python(SERVER, 7201).pid


def rows(source: Any, text: str = "", **more: Any) -> tuple[list[Socket], list[SretoolError]]:
    ask = read.Ask(everywhere=True, filter=parse(text) if text else None, **more)
    now = read.sample(source, ask)
    return read.build_list(now).sockets, now.errors


def test_each_socket_has_its_namespace_and_process(lab: tuple[Namespace, Namespace, int, int]) -> None:
    one, two, first, second = lab
    done = sretool("sockets", "list", "--all-netns", "--json", "sport >= 7101 sport <= 7202 state listen")
    assert done.code == 0
    found = {row["local_port"]: row for row in done.json["data"]["sockets"]}
    assert {port: row["netns"] for port, row in found.items()} == {
        **dict.fromkeys((7101, 7102), one.name),
        **dict.fromkeys((7201, 7202), two.name),
    }
    assert {port: row["pid"] for port, row in found.items()} == {
        **dict.fromkeys((7101, 7102), first),
        **dict.fromkeys((7201, 7202), second),
    }
    assert {row["netns_inode"] for row in found.values()} == {os.stat(ns.path).st_ino for ns in (one, two)}
    # interfaces have other numbers there
    assert {port: row["interface"] for port, row in found.items() if row["interface"]} == {
        7102: "d0",
        7202: "d0",
    }


def test_filters_mean_the_same_everywhere(lab: tuple[Namespace, Namespace, int, int]) -> None:
    _, two, first, _ = lab
    assert [row.local_port for row in rows(Live(), "dev d0")[0]] == [7102, 7202]
    assert [row.local_port for row in rows(Live(), f"dev d0 pid = {first}")[0]] == [7102]
    assert [row.local_port for row in rows(Live(), f"state listen netns = {two.name}")[0]] == [7201, 7202]
    found, errors = rows(Live(), "dev nowhere")
    assert found == []
    assert [error for error in errors if "nowhere" in error.what] == []


def test_sockets_without_a_process_are_there_too(lab: tuple[Namespace, Namespace, int, int]) -> None:
    found, _ = rows(
        Live(), "state time-wait ( sport = :7101 or dport = :7101 or dport = :7201 or sport = :7201 )"
    )
    assert {row.netns for row in found} <= {lab[0].name, lab[1].name}  # a minute may be over
    assert {row.pid for row in found} <= {None}


def test_other_families(lab: tuple[Namespace, Namespace, int, int]) -> None:
    found, _ = rows(Live(), "src @7101 or src @7201", tcp_states=0, udp_states=0, others={"unix": 0x1FFE})
    assert {row.local_address: row.netns for row in found} == {"@7101": lab[0].name, "@7201": lab[1].name}


def test_the_screen_names_the_namespace(lab: tuple[Namespace, Namespace, int, int]) -> None:
    text = sretool("sockets", "list", "--all-netns", "sport = :7201").out
    assert text.split()[0] == "NETNS"
    assert lab[1].name in text
    assert "NETNS" not in sretool("sockets", "list").out


def test_without_the_right_there_is_one_error(lab: tuple[Namespace, Namespace, int, int]) -> None:
    done = sretool("sockets", "list", "--all-netns", "--json", netns=lab[0].name, uid=NOBODY)
    assert 7101 in {row["local_port"] for row in done.json["data"]["sockets"]}
    assert 7201 not in {row["local_port"] for row in done.json["data"]["sockets"]}
    [error] = [one for one in done.json["errors"] if one["what"] == "other network namespaces"]
    assert error["code"] == "permission-denied"
    assert "CAP_SYS_ADMIN" in error["message"]


def test_a_namespace_that_vanishes_costs_its_own_part(lab: tuple[Namespace, Namespace, int, int]) -> None:
    one, two, _, _ = lab
    with Namespace() as third:
        here, elsewhere = namespaces.places(Live(), [])
        assert here is not None
        assert {one.path, two.path, third.path} <= {place.path for place in elsewhere}
    # `elsewhere` still has the third
    errors: list[SretoolError] = []
    parts = namespaces.read(Live(), elsewhere, read.Ask(), None, errors)
    known = {part.place.path for part in parts if part.place is not None}
    assert {one.path, two.path} <= known
    assert third.path not in known
    gone = [error for error in errors if error.code == "missing"]
    assert any("vanished" in error.message for error in gone)


def test_a_recording_gives_the_same_rows(lab: tuple[Namespace, Namespace, int, int]) -> None:
    recorder = Recorder(Live())
    read.sample(recorder, read.EVERYTHING)
    recorded = Recording("made", recorder.moment, None)
    text = "state listen sport >= 7101 sport <= 7202"
    found, errors = rows(recorded, text)
    assert [(row.netns, row.local_port, row.pid) for row in found] == [
        (row.netns, row.local_port, row.pid) for row in rows(Live(), text)[0]
    ]
    assert len(found) == 4
    assert [error for error in errors if error.code == "not-recorded"] == []
