"""Tracing simulated paths with exact times: every figure is known beforehand."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from cli import NOBODY, Outcome, environment, sretool
from lab_tun import TunLab
from paths import Node, address, router, straight
from waiting import until_asleep

pytestmark = pytest.mark.lab

CLOSE_MS = 2.0


def trace(lab: TunLab, *args: Any, **more: Any) -> Outcome:
    return sretool("net", "trace", "--json", *args, lab.path.target, netns=lab.netns, **more)


def off_by(data: dict[str, Any], lab: TunLab) -> float:
    """The farthest that any hop's quickest RTT is from the simulated one."""
    return max(
        abs(hop["rtt_min_ms"] - node.rtts_ms[0])
        for hop in data["hops"]
        for node in lab.path.nodes(hop["ttl"])[:1]
        if hop["rtt_min_ms"] is not None
    )


@pytest.mark.parametrize(("family", "uid"), [(4, None), (4, NOBODY), (6, None), (6, NOBODY)])
def test_every_hop_and_its_time(family: int, uid: int | None) -> None:
    with TunLab(straight(12, family=family)) as lab:
        # a machine that is busy with something else delays packets: the best of a few is the tool's
        tries = []
        for _ in range(5):
            outcome = trace(lab, uid=uid)
            assert outcome.code == 0, outcome
            data = outcome.json["data"]
            assert [[host["address"] for host in hop["hosts"]] for hop in data["hops"]] == [
                *([address(ttl, family)] for ttl in range(1, 12)),
                [lab.path.target],
            ]
            assert all(hop["received"] == 3 for hop in data["hops"])
            tries.append((off_by(data, lab), data["network_ms"]))
            if off_by(data, lab) < CLOSE_MS and data["network_ms"] <= 120 * 1.1:
                return
        pytest.fail(f"(largest error ms, network ms) of each try: {tries}")


def test_two_silent_hops_do_not_cost_their_timeout() -> None:
    with TunLab(straight(12, silent=(4, 7))) as lab:
        data = min((trace(lab).json["data"] for _ in range(3)), key=lambda data: data["network_ms"])
    assert data["reached"]
    assert [hop["ttl"] for hop in data["hops"] if not hop["hosts"]] == [4, 7]
    assert data["network_ms"] <= 350


def test_a_silent_target_is_given_up() -> None:
    with TunLab(straight(12, target_silent=True)) as lab:
        outcome = trace(lab, uid=NOBODY)
    data = outcome.json["data"]
    assert (outcome.code, data["end_reason"], data["end_ttl"]) == (2, "silent", 11)
    assert 1000 <= data["network_ms"] <= 1200 * 1.25
    assert "hop 11" in outcome.json["findings"][0]["summary"]


@pytest.mark.parametrize("family", [4, 6])
def test_quotes_of_eight_bytes_are_enough(family: int) -> None:
    path = straight(5, family=family)
    for hop in path.hops:
        hop[0].quote = "short"
    with TunLab(path) as lab:
        data = trace(lab).json["data"]
    assert data["reached"]
    assert all(hop["received"] == 3 for hop in data["hops"])
    assert data["strays"] == []


@pytest.mark.parametrize("family", [4, 6])
def test_a_quote_of_something_else_is_never_assigned(family: int) -> None:
    path = straight(5, family=family)
    path.hops[2][0].quote = "corrupt"
    with TunLab(path) as lab:
        outcome = trace(lab)
        text = sretool("net", "trace", lab.path.target, netns=lab.netns)
    data = outcome.json["data"]
    assert (data["hops"][2]["received"], data["hops"][2]["hosts"]) == (0, [])
    assert [stray["address"] for stray in data["strays"]] == [address(3, family)] * 3
    assert "3 replies matched no probe" in text.out


def test_loss_duplicates_and_several_hosts() -> None:
    path = straight(6)
    path.hops[1][0].lose = [1]
    path.hops[2][0].copies = 2
    path.hops[3] = [router(4, 40.0, leg=leg) for leg in (1, 2, 3)]
    with TunLab(path) as lab:
        data = trace(lab, "--method", "sockets").json["data"]
    hops = data["hops"]
    assert (hops[1]["received"], hops[1]["loss_ratio"]) == (2, pytest.approx(1 / 3, abs=0.001))
    assert (hops[2]["received"], hops[2]["duplicates"]) == (3, 3)
    assert {host["address"] for host in hops[3]["hosts"]} == {address(4, leg=leg) for leg in (1, 2, 3)}
    assert data["reached"]


def test_the_service_answers() -> None:
    for family in (4, 6):
        path = straight(3, family=family)
        path.end = Node(path.target, [30.0], None, datagram=True)
        with TunLab(path) as lab:
            data = trace(lab).json["data"]
        assert (data["reached"], data["end_ttl"], data["end_answer"]) == (True, 3, "datagram")


def test_a_lossy_target_is_found() -> None:
    path = straight(12)
    path.end.lose = [1, 4, 6, 9, 14, 20, 23, 30, 31, 40]  # type: ignore[union-attr]
    with TunLab(path) as lab:
        outcome = trace(lab)
    assert outcome.code == 1
    assert [found["id"] for found in outcome.json["findings"]] == ["trace.target-loss"]


def test_the_deadline_gives_what_is_known() -> None:
    with TunLab(straight(12, 50.0)) as lab:
        outcome = trace(lab, "--deadline", "0.28")
    data = outcome.json["data"]
    assert (outcome.code, outcome.json["status"], data["end_reason"]) == (3, "partial", "deadline")
    assert outcome.json["errors"][0]["code"] == "deadline"
    assert data["network_ms"] <= 280 * 1.25
    assert data["hops"][0]["received"] == 3
    assert data["hops"][11]["received"] == 0


@pytest.mark.parametrize("how", ["--json", "text"])
def test_interruption_gives_what_is_known(how: str) -> None:
    with TunLab(straight(3, target_silent=True)) as lab:
        flags = ["--json"] if how == "--json" else []
        process = subprocess.Popen(
            [
                "ip", "netns", "exec", lab.netns, sys.executable, "-m", "sretool", "net", "trace", *flags,
                "--timeout", "60", lab.path.target,
            ],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
        )  # fmt: skip
        # once the burst is out and answered, the process holds its sockets and sleeps in epoll
        end = time.monotonic() + 20
        while time.monotonic() < end:
            sockets = 0
            for fd in os.listdir(f"/proc/{process.pid}/fd"):
                try:
                    sockets += os.readlink(f"/proc/{process.pid}/fd/{fd}").startswith("socket:")
                except OSError:
                    continue
            if sockets >= 90:
                break
            time.sleep(0.01)
        until_asleep(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 130, err
    if how == "text":
        assert re.search(rf"^ *2 +{re.escape(address(2))} +3/3", out, re.M), out
        assert "interrupted" in out
        return
    answer = json.loads(out)
    assert (answer["exit_code"], answer["status"]) == (130, "partial")
    assert (answer["data"]["end_reason"], answer["data"]["end_ttl"]) == ("interrupted", 2)


@pytest.mark.oracle
def test_traceroute_sees_the_same() -> None:
    path = straight(8, silent=(3,))
    with TunLab(path) as lab:
        try:
            theirs = subprocess.run(
                ["ip", "netns", "exec", lab.netns, "traceroute", "-n", "-q1", "-w1", path.target],
                capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"needs traceroute: {error}")
        ours = trace(lab).json["data"]["hops"]
    rows = re.findall(r"^ *(\d+)  (\S+)", theirs, re.M)
    assert [(str(hop["ttl"]), hop["hosts"][0]["address"] if hop["hosts"] else "*") for hop in ours] == rows
