"""Rounds: watches, reports and event streams, on the simulated network and on this host."""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics

import pytest
from cli import sretool
from hypothesis import given
from hypothesis import strategies as st
from lab_netns import Namespace
from paths import straight
from sim_network import SimNetwork
from trace_sim import traced

from sretool.net.trace.checks import CHECKS
from sretool.net.trace.loss import Asked, verdicts
from sretool.probe.stats import Samples
from sretool.report.check import judge

MS = st.floats(0.001, 5000, allow_nan=False)


@given(st.lists(MS, min_size=1, max_size=60))
def test_figures_agree_with_a_plain_reference(values: list[float]) -> None:
    samples = Samples()
    for value in values:
        samples.add(value)
    assert samples.mean == pytest.approx(statistics.fmean(values))
    assert (samples.min, samples.max, samples.last) == (min(values), max(values), values[-1])
    if len(values) == 1:
        assert (samples.stdev, samples.jitter) == (None, None)
        assert samples.percentile(0.5) == values[0]
        return
    assert samples.stdev == pytest.approx(statistics.stdev(values), abs=1e-6)
    # statistics.quantiles "inclusive" is Hyndman and Fan's type 7
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    for share, place in ((0.5, 49), (0.95, 94), (0.99, 98)):
        assert samples.percentile(share) == pytest.approx(cuts[place])
    jitter = 0.0
    for before, now in itertools.pairwise(values):
        jitter += (abs(now - before) - jitter) / 16
    assert samples.jitter == pytest.approx(jitter, abs=1e-9)


def test_the_leaders_faults_are_not_ours() -> None:
    two = Samples()
    for value in (0.0, 10.0):
        two.add(value)
    assert two.stdev == pytest.approx(7.0711, abs=1e-4)
    steady = Samples()
    for _ in range(10):
        steady.add(100.0)
    assert steady.jitter == 0.0
    swinging = Samples()
    for number in range(400):
        swinging.add(100.0 + 10 * (number % 2))
    assert swinging.jitter == pytest.approx(10, abs=1e-3)  # what RFC 3550 tends to


def test_ten_rounds() -> None:
    path = straight(4)
    network = SimNetwork(path)
    trace = traced(path, network, rounds=10)
    assert (trace.rounds, trace.reached, trace.end_ttl, trace.total) == (10, True, 4, 4)
    assert [hop.sent for hop in trace.hops] == [12] * 4
    for hop in trace.hops:
        assert (hop.loss_ratio, hop.loss_verdict, hop.in_flight) == (0.0, "none", 0)
        assert hop.loss_high_ratio == pytest.approx(1.959964**2 / (hop.sent + 1.959964**2), abs=1e-3)
        assert hop.jitter_ms == pytest.approx(0, abs=0.01)
    # a round asks every hop of the path once, and none beyond it
    assert len(network.sent) == 90 + 9 * 4


def test_a_target_that_falls_silent_during_a_watch() -> None:
    path = straight(4)
    path.end.burst = 3 * 27 + 2  # type: ignore[union-attr]
    recent = traced(path, rounds=8)
    assert (recent.reached, recent.end_ttl, recent.end_round) == (True, 4, 3)
    path.end.burst = 3 * 27 + 2  # type: ignore[union-attr]
    trace = traced(path, rounds=16)
    assert (trace.reached, trace.end_reason, trace.end_ttl) == (False, "silent", 3)
    assert trace.hops[3].received == 5


def test_an_answer_that_is_later_than_a_round_is_no_loss() -> None:
    path = straight(3, 600.0)  # the target answers after 1.8 s, a round takes one
    trace = traced(path, rounds=5, timeout_s=3.0)
    assert trace.reached
    assert [hop.loss_ratio for hop in trace.hops] == [0.0, 0.0, 0.0]
    assert trace.hops[2].rtt_max_ms == pytest.approx(1800, abs=5)


def test_a_router_that_limits_its_answers_is_told_from_loss() -> None:
    path = straight(5)
    path.hops[1][0].lose = [number for number in range(3, 40) if number % 2]
    trace = traced(path, rounds=30)
    assert [hop.loss_verdict for hop in trace.hops] == ["none", "rate-limited", "none", "none", "none"]


def test_loss_that_goes_on_to_the_target_is_loss() -> None:
    verdict = verdicts(
        [Asked(100, 0, True), Asked(100, 10, True), Asked(100, 12, True), Asked(100, 9, False)]
    )
    assert verdict == ["none", "forward", "forward", "forward"]


@pytest.mark.parametrize(
    ("hops", "expected"),
    [
        ([Asked(0, 0, True)], ["unknown"]),
        ([Asked(3, 3, True), Asked(3, 0, True)], ["silent", "none"]),
        ([Asked(3, 1, True), Asked(3, 0, True)], ["unknown", "none"]),  # too few to tell
        ([Asked(3, 2, True), *[Asked(3, 0, True)] * 8], ["rate-limited", *["none"] * 8]),
        ([Asked(50, 0, True), Asked(50, 20, True)], ["none", "unknown"]),  # the target limits its errors
        ([Asked(50, 0, True), Asked(50, 20, False)], ["none", "forward"]),  # echo replies are not limited
    ],
)
def test_what_loss_means(hops: list[Asked], expected: list[str]) -> None:
    assert verdicts(hops) == expected


@given(st.lists(st.builds(lambda n, k: Asked(n, min(n, k), True), st.integers(0, 99), st.integers(0, 99))))
def test_a_verdict_needs_evidence(hops: list[Asked]) -> None:
    for place, (hop, verdict) in enumerate(zip(hops, verdicts(hops))):
        if verdict == "rate-limited":
            assert any(later.lost * hop.sent < hop.lost * later.sent for later in hops[place + 1 :])
        if verdict == "forward":
            assert hop.lost
            assert all(later.lost for later in hops[place + 1 :] if later.lost < later.sent)


def test_another_host_on_one_flow_is_a_change_and_told_once() -> None:
    path = straight(4)
    network = SimNetwork(path)
    from sretool.net.trace.build import Asked as About
    from sretool.net.trace.build import build
    from sretool.net.trace.drive import Drive
    from sretool.net.trace.engine import Tracer
    from sretool.net.trace.round import Plan

    tracer = Tracer(Plan(path.target, 4))
    drive = Drive(network, [tracer])
    drive.run()
    for number in range(8):
        if number == 3:
            path.hops[1][0].address = "10.99.7.7"
        drive.begin_round(0.7)
        drive.run(until=network.now() + 1)
    about = About("t", "10.99.0.254", flow="fixed")
    (change,) = build(tracer, about, network.now()).changes
    assert (change.ttl, change.was, change.now) == (2, ["10.99.0.2"], ["10.99.7.7"])
    assert build(tracer, About("t", "10.99.0.254"), network.now()).changes == []


def test_a_path_that_loses_reaches_its_target_all_the_same() -> None:
    path = straight(5)
    rng = random.Random(7)
    for hop in path.hops[2:]:
        hop[0].lose = [number for number in range(99) if rng.random() < 0.3]
    path.end.lose = [number for number in range(999) if rng.random() < 0.3]  # type: ignore[union-attr]
    trace = traced(path, rounds=60, asked={"flow": "fixed"})
    assert (trace.reached, trace.end_ttl) == (True, 5)
    assert trace.hops[2].loss_verdict == "forward"
    assert trace.changes == []
    (finding,) = [found for _, found in judge(CHECKS, trace) if found]
    assert finding[0].id == "trace.target-loss"
    assert "begins at hop 3 (10.99.0.3)" in finding[0].summary


def test_a_report_is_one_answer() -> None:
    done = sretool("net", "trace", "--report", "-c", 4, "--sample", 0.05, "--json", "127.0.0.1")
    data = done.json["data"]
    assert (done.code, data["rounds"], data["reached"]) == (0, 4, True)
    assert data["hops"][0]["sent"] == data["hops"][0]["received"] == 6
    assert math.isclose(data["hops"][0]["loss_high_ratio"], 0.3903, abs_tol=1e-3)


def test_events_are_lines_and_the_last_says_how_it_ended() -> None:
    done = sretool("net", "trace", "-w", "-c", 3, "--sample", 0.05, "--jsonl", "127.0.0.1", "127.0.0.2")
    lines = [json.loads(text) for text in done.out.splitlines()]
    kinds = [line["type"] for line in lines]
    assert kinds[-3:] == ["path", "path", "end"]
    replies = [line for line in lines if line["type"] == "reply"]
    assert {line["target"] for line in replies} == {"127.0.0.1", "127.0.0.2"}
    assert len(replies) == 2 * 5
    assert {line["round"] for line in replies} == {1, 2, 3}
    assert lines[-1]["schema"] == "sretool.net.trace/1"
    assert (lines[-1]["exit_code"], done.code) == (0, 0)


def test_a_watch_shows_every_round() -> None:
    done = sretool("net", "trace", "-w", "-c", 3, "--sample", 0.05, "127.0.0.1")
    assert done.code == 0
    assert done.out.count("reached at hop 1") == 3
    assert "3 rounds" in done.out


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--report", "-w"], "exclude"),
        (["--report", "--sample", "0"], "period"),
        (["-c", "3"], "--watch"),
        (["--first-ttl", "9", "--max-ttl", "3"], "--max-ttl"),
        (["--source", "198.51.100.77"], "198.51.100.77"),
        (["--netns", "no-such-name"], "no-such-name"),
        (["-i", "no-such-dev"], "no-such-dev"),
    ],
)
def test_what_cannot_be_asked(args: list[str], word: str) -> None:
    done = sretool("net", "trace", *args, "127.0.0.1")
    assert done.code == 64, done
    assert done.err.count("\n") == 1
    assert word in done.err


def test_many_targets_cost_as_much_as_the_slowest() -> None:
    hosts = [f"127.0.1.{number}" for number in range(1, 41)]
    done = sretool("net", "trace", "--json", *hosts)
    data = done.json["data"]
    assert done.code == 0
    assert [data["target"], *(other["target"] for other in data["others"])] == hosts
    assert all(other["reached"] for other in data["others"])


@pytest.mark.lab
def test_one_of_two_without_a_route_costs_only_its_own_part() -> None:
    with Namespace() as alone:
        done = sretool("net", "trace", "--json", "203.0.113.9", "127.0.0.1", netns=alone.name)
    assert (done.json["data"]["target"], done.json["data"]["reached"]) == ("127.0.0.1", True)
    assert done.json["status"] == "partial"
    assert [(error["code"], error["what"]) for error in done.json["errors"]] == [("no-route", "203.0.113.9")]


def test_the_deadline_ends_rounds_in_order() -> None:
    done = sretool(
        "net", "trace", "--report", "-c", 100, "--sample", 0.2, "--deadline", 0.9, "--json", "127.0.0.1"
    )
    assert done.json["data"]["rounds"] >= 2
    assert done.json["data"]["end_reason"] == "reached"
    assert [error["code"] for error in done.json["errors"]] == ["deadline"]
