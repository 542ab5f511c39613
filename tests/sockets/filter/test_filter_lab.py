"""Filters against the kernel's own answer, and against ss, over real sockets in a namespace."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import filters
import pytest
from cli import NOBODY, sretool
from hypothesis import HealthCheck, given, settings
from lab_netns import Inside, Namespace

from sretool.host import netlink
from sretool.host.recorder import Recorder
from sretool.host.recording import Recording
from sretool.sockets import read
from sretool.sockets.filter import tree as t
from sretool.sockets.filter.judge import Names, judge
from sretool.sockets.filter.kernel import bytecode, plan
from sretool.sockets.filter.parse import parse
from sretool.sockets.model import Socket, endpoint
from sretool.sockets.read import diag

pytestmark = pytest.mark.lab

# listeners on several addresses and ports, marked and bound to lo; connections in several states, also
# of IPv4 through an IPv6 socket; UDP
SOCKETS = """
import socket, sys, time
keep = []
def listen(address, port, family=socket.AF_INET, mark=0, device=b"", only=None):
    s = socket.socket(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if mark: s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    if device: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
    if only is not None: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    s.bind((address, port)); s.listen(7); keep.append(s)
    return s
def pair(server, address, family=socket.AF_INET, port=0, mark=0):
    c = socket.socket(family); c.bind((("::" if ":" in address else "0.0.0.0"), port))
    if mark: c.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    c.connect((address, server.getsockname()[1])); s = server.accept()[0]
    keep.extend((c, s))
    return c, s
plain = listen("127.0.0.1", 9000)
listen("127.0.0.2", 9000, mark=1)
marked = listen("127.0.0.1", 9001, mark=0x11)
device = listen("0.0.0.0", 9003, device=b"lo")
dual = listen("::", 9200, socket.AF_INET6, only=0)
listen("::1", 80, socket.AF_INET6)
listen("127.0.0.1", 0)
c, s = pair(plain, "127.0.0.1"); c.sendall(b"x" * 1000)
c, s = pair(marked, "127.0.0.1", port=65535, mark=0x10)
c, s = pair(dual, "127.0.0.1"); pair(dual, "::1", socket.AF_INET6)
c, s = pair(plain, "127.0.0.1", port=32768); keep.remove(c); c.close()
c, s = pair(device, "127.0.0.1"); keep.remove(c); c.close(); s.recv(1); keep.remove(s); s.close()
c, s = pair(marked, "127.0.0.1", mark=1); keep.remove(c); c.close(); s.recv(1); keep.remove(s); s.close()
u = socket.socket(type=socket.SOCK_DGRAM); u.bind(("127.0.0.1", 53)); keep.append(u)
v = socket.socket(type=socket.SOCK_DGRAM); v.connect(("127.0.0.1", 53)); v.send(b"y"); keep.append(v)
w = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); w.bind(("::1", 53)); keep.append(w)
while " 05 " not in open("/proc/net/tcp").read(): time.sleep(0.01)  # FIN-WAIT-2: its FIN is acknowledged
print("ready", flush=True); sys.stdin.read()
"""
NAMES = Names({1: "lo"}, {})


@pytest.fixture(scope="module")
def lab() -> Iterator[Namespace]:
    with Namespace() as ns:
        ns.python(SOCKETS)
        yield ns


class Everything:
    """All sockets, with the cookie that the kernel knows each by. Those in time-wait live for a minute,
    which may be less than a run of these tests on a loaded machine.
    """

    def __init__(self, lab: Namespace) -> None:
        self.source = Inside(lab.path)
        self.rows: list[tuple[int, Socket]] = []
        self.read()

    def read(self) -> None:
        now = read.sample(self.source, read.Ask(info=True))
        assert now.errors == []
        cookies = [record[0][11] for table in now.tables for record in table.records]
        self.rows = list(zip(cookies, read.build_list(now, info=True, more=True).sockets))

    def agree(
        self, answer: Callable[[], list[Any]], expected: Callable[[int, Socket], Any], tree: t.Node
    ) -> None:
        """What `answer` gives is what is `expected` of the sockets that fit, in any order."""
        fits = judge(tree, NAMES)

        def both() -> tuple[list[Any], list[Any]]:
            return sorted(answer()), sorted(expected(cookie, row) for cookie, row in self.rows if fits(row))

        found, wanted = both()
        if found != wanted:
            self.read()
            found, wanted = both()
        assert found == wanted


@pytest.fixture(scope="module")
def everything(lab: Namespace) -> Everything:
    return Everything(lab)


def kept_by_the_kernel(lab: Namespace, tree: t.Node) -> list[int]:
    """Its answer to the mask and the program, nothing judged afterwards."""
    states, program, _ = plan(tree)
    code = bytecode(program, NAMES)
    found = []
    for protocol in ("tcp", "udp"):
        for family in diag.FAMILIES:
            request = diag.request(protocol, family, states, info=False, memory=False)
            if code is not None:
                request = diag.narrowed(request, code)
            frames = netlink.dump(request, lab.path).frames
            found += [record[0][11] for record in diag.decode(frames, protocol, family, states)]
    return found


# the kernel walks its whole hash table for each, which takes tens of milliseconds
several = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_the_sockets_are_of_all_kinds(everything: Everything) -> None:
    rows = [row for _, row in everything.rows]
    assert {row.state for row in rows} >= {"listen", "established", "close-wait", "unconnected"}
    assert {row.mark for row in rows} >= {0, 1, 0x10, 0x11}
    assert None not in {row.mark for row in rows}
    assert {row.interface for row in rows} == {None, "lo"}
    assert any(row.local_address == "::ffff:127.0.0.1" for row in rows)


@given(tree=filters.trees(filters.KERNEL))
@several
def test_the_kernel_and_we_agree_on_what_both_know(
    lab: Namespace, everything: Everything, tree: t.Node
) -> None:
    assert plan(tree).rest == t.ALL
    everything.agree(lambda: kept_by_the_kernel(lab, tree), lambda cookie, _: cookie, tree)


@given(tree=filters.trees(filters.ANY))
@several
def test_the_kernel_leaves_out_nothing_that_fits(
    lab: Namespace, everything: Everything, tree: t.Node
) -> None:
    fits = judge(tree, NAMES)

    def left_out() -> set[int]:
        kept = set(kept_by_the_kernel(lab, tree))
        return {cookie for cookie, row in everything.rows if fits(row)} - kept

    if left_out():
        everything.read()
    assert not left_out()


@given(tree=filters.trees(filters.ANY))
@settings(several, max_examples=20)
def test_rows_are_those_that_fit(everything: Everything, tree: t.Node) -> None:
    def answer() -> list[Any]:
        now = read.sample(everything.source, read.Ask(info=True, filter=tree))
        rows = read.build_list(now, info=True, more=True).sockets
        if now.keeps is None:  # owners were looked for of no more than those that fit
            assert now.owners is not None
            assert set(now.owners.by_inode) == {row.inode for row in rows if row.pid is not None}
        return [(row.protocol, row.local_port, row.remote_port or 0, row.pid or 0) for row in rows]

    everything.agree(
        answer, lambda _, row: (row.protocol, row.local_port, row.remote_port or 0, row.pid or 0), tree
    )


SS = [
    "sport = :9000",
    "sport = :9000 and src 127.0.0.1",
    "src 127.0.0.2:9000",
    "src 127.0.0.0/8 dst *:9000",
    "dport = :9000 or sport = :9200",
    "not ( sport = :9000 or dport = :9000 )",
    "! dport gt 0",
    "sport >= 9001 and sport le 9200",
    "sport neq 9000 & dport != 9000",
    "src [::1]",
    "dst [::1/64]:9200",
    "src 127.0.0.1 sport = :9200",
    "sport = :domain or sport ge 60000",
    "dev lo",
    "fwmark = 0x10/0xf0",
    "fwmark != 0x11",
    "autobound sport != :32768",
]


def of_ss(lab: Namespace, *argv: str) -> list[tuple[str, str]]:
    """Local and remote end of its rows. It has three ways to write that there is no peer, and one of its
    own for the any of a dual-stack socket.
    """
    found = []
    for line in lab.run("ss", "-Hna", *argv).splitlines():
        local, remote = line.split()[-2:]
        found.append((local.replace("*:", "[::]:"), "*" if remote.endswith(":*") else remote))
    return found


def ends(_: int, row: Socket) -> tuple[str, str]:
    address = row.local_address if row.interface is None else f"{row.local_address}%{row.interface}"
    return endpoint(address, row.local_port), endpoint(row.remote_address, row.remote_port)


@pytest.mark.oracle
@pytest.mark.skipif(shutil.which("ss") is None, reason="ss is not here")
@pytest.mark.parametrize("text", SS)
def test_rows_are_those_of_ss(lab: Namespace, everything: Everything, text: str) -> None:
    for flag, protocol in (("-t", "tcp"), ("-u", "udp")):
        tree = t.all_of([parse(text), t.Field("protocol", "=", protocol)])
        everything.agree(lambda flag=flag: of_ss(lab, flag, text), ends, tree)  # type: ignore[misc]


@pytest.mark.oracle
@pytest.mark.skipif(shutil.which("ss") is None, reason="ss is not here")
@given(tree=filters.trees(filters.KERNEL))
@settings(several, max_examples=40)
def test_rows_of_any_filter_are_those_of_ss(lab: Namespace, everything: Everything, tree: t.Node) -> None:
    if any(
        # ss refuses an interface that is not there, compares the bytes of addresses of two families, and
        # takes a port for autobound only when it is so to the kernel and in the range, also under a not
        term in (t.Device("none"), t.Autobound())
        or (isinstance(term, t.Host) and term.address and (not term.address[0] or term.bits < 8))
        for term in t.terms(tree)
    ):
        return
    written = filters.text(tree)
    tcp = t.all_of([tree, t.Field("protocol", "=", "tcp")])
    everything.agree(lambda: of_ss(lab, "-t", written), ends, tcp)


def test_the_command(lab: Namespace) -> None:
    done = sretool("sockets", "list", "state", "listen", "sport", "=", ":9000", "--json", netns=lab.name)
    assert (done.code, done.json["errors"]) == (0, [])
    assert sorted(row["local_address"] for row in done.json["data"]["sockets"]) == ["127.0.0.1", "127.0.0.2"]
    done = sretool("sockets", "list", "process = python and not state time-wait", "--json", netns=lab.name)
    assert {row["process"] for row in done.json["data"]["sockets"]} != {None}
    done = sretool("sockets", "list", "rtt_ms > 0 and recv_q_bytes > 1", "--json", netns=lab.name)
    [row] = done.json["data"]["sockets"]
    assert (row["recv_q_bytes"], row["local_port"]) == (1000, 9000)
    assert row["rtt_ms"] > 0
    done = sretool("sockets", "list", "process = nobody-has-it", netns=lab.name)
    assert (done.code, done.out) == (0, "no socket matches\n")


def test_marks_are_for_those_who_may_see_them(lab: Namespace) -> None:
    done = sretool("sockets", "list", "fwmark = 1", "--json", netns=lab.name, uid=NOBODY)
    assert (done.code, done.json["status"]) == (3, "error")
    [error] = done.json["errors"]
    assert (error["code"], error["what"]) == ("permission-denied", "fwmark")


def test_a_recording_gives_the_same_rows(lab: Namespace) -> None:
    recorder = Recorder(Inside(lab.path))
    read.sample(recorder, read.EVERYTHING)
    recorded = Recording("made", recorder.moment, None)
    for text in (
        "sport = :9000",
        "fwmark = 0x11",
        "dev lo",
        "process = python state established",
        "autobound",
    ):
        ask = read.Ask(filter=parse(text))
        live, replayed = (read.sample(source, ask) for source in (Inside(lab.path), recorded))
        assert (live.errors, replayed.errors) == ([], [])
        rows = read.build_list(live).sockets
        assert read.build_list(replayed).sockets == rows
        assert rows
