"""Sockets that come and go between two dumps."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Any

from cli import environment, sretool
from msgspec import structs

from sretool.host.fake import Fake
from sretool.sockets import read
from sretool.sockets.changes import by_key, compare
from sretool.sockets.model import Socket


def a_socket(
    state: str = "established", inode: int | None = 7, remote: int | None = 443, **more: Any
) -> Socket:
    address = None if remote is None else "192.0.2.2"
    whose = (inode, 0, "root", 9, "curl", None, None, None)
    row = Socket("tcp", "inet", state, 0, 0, None, None, "192.0.2.1", 5000, address, remote, None, 0, *whose)
    return structs.replace(row, **more)


def told(before: list[Socket], now: list[Socket]) -> list[tuple[str, dict[str, Any]]]:
    return [(one.change, one.was) for one in compare(by_key(before), by_key(now), "")]


def test_what_opened_changed_and_closed() -> None:
    assert told([], [a_socket()]) == [("added", {})]
    assert told([a_socket()], [a_socket()]) == []
    assert told([a_socket()], [a_socket(recv_q_bytes=5, pid=10)]) == []
    assert told([a_socket()], [a_socket("time-wait", None)]) == [("changed", {"state": "established"})]
    assert told([a_socket("time-wait", None)], []) == [("removed", {})]


def test_a_new_connection_between_the_same_ends_is_another_one() -> None:
    assert told([a_socket(inode=7)], [a_socket(inode=8)]) == [("removed", {}), ("added", {})]


def test_listeners_that_share_a_port_are_told_apart() -> None:
    pair = [a_socket("listen", 7, None), a_socket("listen", 8, None)]
    assert told(pair, pair[:1]) == [("removed", {})]


def test_connections_of_this_host_as_they_come_and_go() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        words = ("sockets", "list", "--changes", "--jsonl", "--sample", "0.1", "--port", str(port))
        argv = [sys.executable, "-m", "sretool", *words]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment()) as process:
            assert process.stdout is not None
            try:
                assert json.loads(process.stdout.readline())["type"] == "begin"
                with socket.create_connection(("127.0.0.1", port)):
                    opened = [json.loads(process.stdout.readline()) for _ in range(2)]
                assert {one["change"] for one in opened} == {"added"}
                ends = {(one["row"]["local_port"] == port, one["row"]["state"]) for one in opened}
                assert ends == {(True, "established"), (False, "established")}
                closed = json.loads(process.stdout.readline())
                assert closed["change"] == "changed"
                assert closed["was"] == {"state": "established"}
            finally:
                process.kill()


def test_a_period_is_needed_and_a_deadline_ends_it() -> None:
    done = sretool("sockets", "list", "--changes", "--sample", "0")
    assert (done.code, "needs a period" in done.err) == (64, True)
    done = sretool("sockets", "list", "--changes", "--jsonl", "--port", "1", "--deadline", "0.1")
    assert [json.loads(line)["type"] for line in done.out.splitlines()] == ["begin", "end"]


def test_rows_of_a_host_without_sockets_are_none() -> None:
    assert by_key(read.build_list(read.sample(Fake({}), read.Ask())).sockets) == {}
