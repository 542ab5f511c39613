"""Changes of rtnetlink tables: from frames, and as a kernel tells them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import frames
import pytest
from cli import NOBODY, environment, reachable, sretool
from lab_netns import Namespace

from sretool.errors import Inconsistent, SretoolError
from sretool.host.fake import Fake
from sretool.host.netlink import Groups
from sretool.net import changes
from sretool.net.neigh import follow as neighbours
from sretool.net.neigh.read import Wanted
from sretool.net.routes import follow as routes
from sretool.net.routes.read import EVERY

NEW, GONE, NEW_ROUTE, GONE_ROUTE = 28, 29, 24, 25


class Heard:
    """Frames that come one after the other, or what is raised in their place."""

    def __init__(self, *items: bytes | SretoolError) -> None:
        self.items = list(items)
        self.closed = False

    def receive(self, timeout_s: float | None) -> bytes | None:
        if not self.items:
            return None
        item = self.items.pop(0)
        if isinstance(item, SretoolError):
            raise item
        return item

    def close(self) -> None:
        self.closed = True


class Telling(Fake):
    """A host whose tables change."""

    heard: Heard

    def subscribe(self, protocol: int, groups: Any) -> Heard:
        return self.heard


def host(*items: bytes | SretoolError, neighbours: bytes = frames.DONE) -> Telling:
    source = Telling({}, netlink={"route/links": [frames.LINKS], "route/neigh": [neighbours]})
    source.heard = Heard(*items)
    return source


def neighbour(state: int, lladdr: bytes = b"\2\0\0\0\0\1", kind: int = NEW) -> bytes:
    body = struct.pack("=BxxxiHBB", 2, 2, state, 0, 1) + frames.attribute(1, b"\xc0\0\2\1")
    return frames.message(kind, body + (frames.attribute(2, lladdr) if lladdr else b""))


def route(kind: int = NEW_ROUTE, flags: int = 0, family: int = 2) -> bytes:
    body = struct.pack("=BBBBBBBBI", family, 24, 0, 0, 254, 3, 0, 1, 0)
    raw = bytearray(frames.message(kind, body + frames.attribute(1, b"\xc0\0\2\0")))
    struct.pack_into("=H", raw, 6, flags)
    return bytes(raw)


def test_a_row_comes_changes_and_goes() -> None:
    source = host(
        neighbour(2) + neighbour(2), neighbour(4), neighbour(4, b"\2\0\0\0\0\2"), neighbour(32, b"", GONE)
    )
    told = list(neighbours.follow(source, Wanted(), [], None))
    assert [(one.change, one.was) for one in told] == [
        ("added", {}),
        ("changed", {"state": "reachable"}),
        ("changed", {"lladdr": "02:00:00:00:00:01"}),
        ("removed", {}),
    ]
    assert {(one.row.dst, one.row.dev) for one in told} == {("192.0.2.1", "eth0")}
    assert source.heard.closed


def test_what_was_there_is_not_added() -> None:
    source = host(neighbour(4), neighbours=neighbour(2))
    assert [one.change for one in neighbours.follow(source, Wanted(), [], None)] == ["changed"]


def test_only_what_is_wanted_is_told() -> None:
    source = host(neighbour(2), neighbour(32, b""))
    told = list(neighbours.follow(source, Wanted(states=frozenset({"failed"})), [], None))
    assert [(one.change, one.row.state) for one in told] == [("changed", "failed")]


def test_of_routes_the_kernel_says_what_happened() -> None:
    source = host(route(), route(flags=changes.NLM_F_REPLACE), route(GONE_ROUTE), route(family=28))
    told = list(routes.follow(source, ("inet", "inet6"), EVERY, [], None))
    assert [one.change for one in told] == ["added", "changed", "removed"]
    assert {one.row.dst for one in told} == {"192.0.2.0/24"}


def test_a_device_that_comes_later_has_a_name() -> None:
    link = frames.link_message(7, "late0", b"")
    body = struct.pack("=BxxxiHBB", 2, 7, 2, 0, 1) + frames.attribute(1, b"\xc0\0\2\1")
    (one,) = neighbours.follow(host(link, frames.message(NEW, body)), Wanted(), [], None)
    assert one.row.dev == "late0"


def test_losses_and_damage_are_noted_and_the_rest_is_told() -> None:
    errors: list[SretoolError] = []
    source = host(Inconsistent("netlink groups", "lost"), neighbour(2)[:-3], neighbour(4))
    told = list(neighbours.follow(source, Wanted(), errors, None))
    assert [one.row.state for one in told] == ["stale"]
    assert [error.code for error in errors] == ["inconsistent", "parse"]


@contextlib.contextmanager
def following(ns: Namespace, *words: str, uid: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """The command, once it hears of changes."""
    drop = [*reachable(), "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    argv = [
        "ip",
        "netns",
        "exec",
        ns.name,
        *(drop if uid is not None else ()),
        sys.executable,
        "-m",
        "sretool",
        *words,
    ]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        first = process.stdout.readline() if "--jsonl" in words else process.stderr.readline()
        assert "begin" in first or "changes" in first, first
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.lab
def test_routes_of_a_kernel_are_told_in_order() -> None:
    with Namespace() as ns:
        ns.batch("link add v0 type veth peer name v1\nlink set v0 up\naddr add 192.0.2.1/24 dev v0")
        words = ("net", "routes", "--changes", "--jsonl", "-4", "--count", "3", "--dev", "v0")
        with following(ns, *words, uid=NOBODY) as process:
            ns.batch(
                "route add 198.51.100.0/24 via 192.0.2.9\n"
                "route replace 198.51.100.0/24 via 192.0.2.8\n"
                "route del 198.51.100.0/24"
            )
            out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        *told, end = map(json.loads, out.splitlines())
        assert [(one["change"], one["row"]["gateway"]) for one in told] == [
            ("added", "192.0.2.9"),
            ("changed", "192.0.2.8"),
            ("removed", "192.0.2.8"),
        ]
        assert (end["type"], end["status"], end["schema"]) == ("end", "ok", "sretool.net.routes/1")
        assert told[0]["at"] <= told[2]["at"] <= end["collected_at"]


@pytest.mark.lab
def test_neighbours_of_a_kernel_as_text_until_interrupted() -> None:
    with Namespace() as ns:
        ns.batch("link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up")
        ns.batch("addr add 192.0.2.1/24 dev v0")
        with following(ns, "net", "neigh", "--changes") as process:
            ns.batch("neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev v0 nud permanent")
            ns.batch("neigh replace 192.0.2.9 lladdr 02:00:00:00:00:02 dev v0 nud permanent")
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(2)]
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        assert process.returncode == 130
        assert lines[0].endswith("added    192.0.2.9 dev v0 at 02:00:00:00:00:01 permanent\n")
        assert "changed  192.0.2.9 dev v0 at 02:00:00:00:00:02" in lines[1]
        assert lines[1].endswith("(was lladdr 02:00:00:00:00:01)\n")


@pytest.mark.lab
def test_links_of_a_kernel() -> None:
    with Namespace() as ns, following(ns, "net", "links", "--changes", "--jsonl") as process:
        ns.batch("link add v0 type veth peer name v1\nlink add br0 type bridge\nlink set v0 up")
        ns.batch("link set v0 master br0\nlink set v1 up\nlink set v0 nomaster\nlink del v0")
        assert process.stdout is not None
        told: list[dict[str, Any]] = []
        while not told or (told[-1]["change"], told[-1]["row"]["ifname"]) != ("removed", "v0"):
            told.append(json.loads(process.stdout.readline()))
        of_v0 = [one for one in told if one["row"]["ifname"] == "v0"]
        assert [of_v0[0]["change"], of_v0[-1]["change"]] == ["added", "removed"]
        # a port that leaves its bridge has not gone
        assert {one["change"] for one in of_v0[1:-1]} == {"changed"}
        masters = [one["row"]["master"] for one in of_v0]
        assert masters[0] is None
        assert masters[-1] is None
        assert "br0" in masters
        states = [one["was"]["carrier"] for one in of_v0 if "carrier" in one["was"]]
        assert False in states


@pytest.mark.lab
def test_a_buffer_that_ran_over_is_said() -> None:
    with Namespace() as ns:
        heard = Groups(0, (7,), ns.path)
        try:
            heard._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            ns.batch("link add v0 type veth peer name v1\nlink set v0 up\naddr add 192.0.2.1/24 dev v0")
            ns.batch("\n".join(f"route add 198.51.{i // 200}.{i % 200}/32 dev v0" for i in range(1000)))
            with pytest.raises(Inconsistent, match="some are not told"):  # at once, or behind what was kept
                all(heard.receive(0) for _ in range(1000))
        finally:
            heard.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--json"], "more than one document"),
        (["--sort", "dst"], "come in their own order"),
        (["--limit", "3"], "come in their own order"),
        (["--from", os.devnull], "does not change"),
    ],
)
def test_what_changes_cannot_be_is_refused(words: list[str], says: str) -> None:
    done = sretool("net", "routes", "--changes", *words)
    assert done.code == 64
    assert says in done.err + done.out


def test_it_ends_with_its_deadline() -> None:
    done = sretool("net", "routes", "--changes", "--jsonl", "--deadline", "0.05")
    begin, *_, end = map(json.loads, done.out.splitlines())
    assert (done.code, begin["type"], end["type"], end["status"]) == (0, "begin", "end", "ok")
