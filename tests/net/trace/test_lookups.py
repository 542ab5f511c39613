"""Names and ASes of a simulated path, asked of a name server in its namespace."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as File
from typing import Any

import mmdb
import pytest
from cli import NOBODY, ROOT, Outcome, environment, sretool
from lab_tun import TunLab
from paths import Node, Split, router, straight

pytestmark = pytest.mark.lab

SERVER = """
import json, sys
from fakedns import Server, World, serve
zones, faults = json.loads(sys.argv[1])
with serve(World(zones, {"127.0.53.1": Server(tuple(zones), tuple(faults))})) as port:
    print(port, flush=True)
    sys.stdin.read()
"""
ZONES = {
    "10.in-addr.arpa.": "".join(f"{ttl}.0.99 PTR core-{ttl}.lab.\\n".replace("\\n", "\n") for ttl in (1, 2))
    + "3.0.99 PTR \\027[31m|x.lab.\n1.255.99 PTR web-1.lab.\n",
    "9.in-addr.arpa.": "9.9.9 PTR nine.lab.\n",
    "asn.lab.": '9.9.9.9.origin TXT "64500 | 9.9.9.0/24 | CH | ripencc | "\n'
    'as64500 TXT "64500 | CH | ripencc | | NINE, CH"\n',
}
BROKEN = "\\027[31m|x.lab"  # as the library writes such a name


@contextmanager
def name_server(lab: TunLab, *faults: str) -> Iterator[str]:
    """Its address and port, as --resolver takes them."""
    env = environment(PYTHONPATH=f"{ROOT}:{ROOT}/tests/support")
    server = subprocess.Popen(
        ["ip", "netns", "exec", lab.netns, sys.executable, "-c", SERVER, json.dumps([ZONES, faults])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield f"127.0.53.1#{server.stdout.readline().strip()}"
    finally:
        server.stdin.close()
        server.wait(10)
        server.stdout.close()


@pytest.fixture(scope="module")
def lab() -> Iterator[TunLab]:
    path = straight(6, 20.0)
    path.hops[3] = [Node("9.9.9.9", [80.0], (11, 0))]  # only as the source of its answers
    with TunLab(path) as lab:
        yield lab


def trace(lab: TunLab, *args: Any, **more: Any) -> Outcome:
    return sretool("net", "trace", lab.path.target, *args, netns=lab.netns, **more)


def by_address(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {host["address"]: host for hop in outcome.json["data"]["hops"] for host in hop["hosts"]}


@pytest.mark.parametrize("uid", [None, NOBODY])
def test_names_and_ases(lab: TunLab, uid: int | None) -> None:
    with name_server(lab) as server:
        outcome = trace(
            lab, "--json", "--resolve", "--asn", "--asn-zone", "asn.lab", "--resolver", server, uid=uid
        )
    assert outcome.code == 0, outcome
    assert outcome.json["status"] == "ok"
    found = by_address(outcome)
    assert {address: host["name"] for address, host in found.items()} == {
        "10.99.0.1": "core-1.lab",
        "10.99.0.2": "core-2.lab",
        "10.99.0.3": BROKEN,
        "9.9.9.9": "nine.lab",
        "10.99.0.5": None,
        "10.99.255.1": "web-1.lab",
    }
    assert found["9.9.9.9"]["origin"] == {
        "asn": 64500,
        "prefix": "9.9.9.0/24",
        "name": "NINE",
        "country": "CH",
        "source": "asn.lab",
    }
    assert found["10.99.0.1"]["origin"] is None


def test_nothing_is_asked_unless_wanted(lab: TunLab) -> None:
    found = by_address(trace(lab, "--json"))
    assert not any("name" in host or "origin" in host for host in found.values())


def test_a_dead_name_server_costs_the_grace_and_is_said(lab: TunLab) -> None:
    with name_server(lab, "drop") as server:
        plain, asked = [], []
        for _ in range(3):  # a busy machine delays either: the best of each
            began = time.monotonic()
            outcome = trace(lab, "--json")
            plain.append((time.monotonic() - began, outcome.json["data"]["network_ms"]))
            began = time.monotonic()
            outcome = trace(lab, "--json", "--resolve", "--resolver", server)
            asked.append((time.monotonic() - began, outcome.json["data"]["network_ms"]))
    assert min(asked)[0] - min(plain)[0] < 0.25 + 0.25  # the grace, loading dnspython, and noise
    assert min(ms for _, ms in asked) < min(ms for _, ms in plain) * 1.1 + 10
    assert (outcome.code, outcome.json["status"]) == (0, "partial")
    assert [(error["code"], error["what"]) for error in outcome.json["errors"]] == [("network", server)]
    assert {host["name"] for host in by_address(outcome).values()} == {None}


def test_interrupted_with_names_that_are_not_there() -> None:
    with TunLab(straight(6, target_silent=True)) as lab, name_server(lab, "drop") as server:
        process = subprocess.Popen(
            ["ip", "netns", "exec", lab.netns, sys.executable, "-m", "sretool", "net", "trace", "--csv",
             "--resolve", "--resolver", server, "--timeout", "30", lab.path.target],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        until_names_are_asked(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    rows = list(csv.DictReader(io.StringIO(out.decode(), newline=""), strict=True))
    assert {row["end_reason"] for row in rows} == {"interrupted"}
    assert rows[0]["address"] == "10.99.0.1"


def until_names_are_asked(pid: int) -> None:
    """Until the thread that asks is there, which begins with the first answer."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if len(list(File(f"/proc/{pid}/task").iterdir())) > 1:
            return
        time.sleep(0.01)
    raise AssertionError("nothing was asked")


def test_a_file_of_ases(lab: TunLab, tmp_path: File) -> None:
    path = mmdb.write(tmp_path / "as.mmdb", {"9.0.0.0/8": {"asn": "AS64501", "as_name": "Neun"}})
    for parent in (path, tmp_path):
        parent.chmod(0o755)
    outcome = trace(lab, "--csv", "--asn-file", path)
    rows = {row["address"]: row for row in csv.DictReader(io.StringIO(outcome.out, newline=""))}
    assert (rows["9.9.9.9"]["origin_asn"], rows["9.9.9.9"]["origin_name"]) == ("64501", "Neun")
    assert rows["10.99.0.1"]["origin_asn"] == ""
    assert (outcome.code, outcome.err) == (0, "")


def test_the_forms_of_a_path_with_odd_names(lab: TunLab) -> None:
    with name_server(lab) as server:
        given = ("--resolve", "--resolver", server)
        markdown = trace(lab, "--markdown", *given).out
        graph = trace(lab, "--dot", *given).out
        text = trace(lab, *given).out
    assert "`\\027[31m\\x7cx.lab`" in markdown
    assert "| `core-1.lab`" in markdown
    assert "reached at hop 6 (port closed)" in markdown
    assert f'label="{BROKEN}\\n10.99.0.3'.replace("\\027", "\\\\027") in graph
    assert '"10.99.0.2" -> "10.99.0.3"\n' in graph
    assert BROKEN in text


def test_the_hosts_that_only_ecmp_finds_have_names_too() -> None:
    path = straight(4, 10.0)
    path.hops[1:2] = [Split([[[router(2, 20.0, leg=leg)]] for leg in range(4)])]
    with TunLab(path) as lab, name_server(lab) as server:
        outcome = trace(lab, "--json", "--ecmp", "--resolve", "--resolver", server)
    nodes = {
        node["address"]: node["name"] for hop in outcome.json["data"]["ecmp"]["hops"] for node in hop["nodes"]
    }
    assert len(nodes) == 7
    assert nodes["10.99.0.2"] == "core-2.lab"
    assert nodes["10.99.3.2"] is None
    assert nodes["10.99.255.1"] == "web-1.lab"


@pytest.mark.parametrize(
    "options",
    [
        ["--resolver", "127.0.0.1"],
        ["--asn", "--asn-file", "/x"],
        ["--asn-file", "/no/such.mmdb"],
        ["--asn-zone", ""],
        ["--asn-file", ""],
        ["--resolver", ""],
        ["--resolve", "--resolver", "dns.example"],
    ],
)
def test_options_that_cannot_be_asked_send_nothing(options: list[str]) -> None:
    outcome = sretool("net", "trace", "127.0.0.1", *options)
    assert (outcome.code, outcome.out) == (64, "")
    assert outcome.err.count("\n") == 1
