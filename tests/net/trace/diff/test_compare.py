"""Two paths compared: what is found, what is only chance, what cannot be told, and that it is symmetric."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saved_paths import line, path

from sretool.net.trace.diff.align import align
from sretool.net.trace.diff.checks import CHECKS, leg_lost, limits, rtt_shifted
from sretool.net.trace.diff.compare import compare
from sretool.net.trace.diff.model import Limits
from sretool.net.trace.ecmp.model import Ecmp, EcmpHop, Node
from sretool.report.check import judge
from sretool.snapshot.diff.paths import rows

NONE = (None,) * 4
SIX = ("r1", "r2", "r3", "r4", "r5", "t")


def found(before: Any, after: Any) -> dict[str, Any]:
    """Verdict by check, and the findings' summaries under their severity."""
    diff = compare(before, after, limits(CHECKS))
    verdicts = list(judge(CHECKS, [diff]))
    return {
        **{verdict.id: verdict for verdict, _ in verdicts},
        "ids": [finding.id for _, findings in verdicts for finding in findings],
        "said": [(one.severity, one.summary) for _, findings in verdicts for one in findings],
    }


def kinds(before: Any, after: Any) -> list[tuple[str, str]]:
    return [(change.kind, change.where) for change in rows(compare(before, after))]


def test_the_same_path_is_no_change() -> None:
    one = path(line(*SIX))
    assert kinds(one, one) == []
    assert found(one, one)["ids"] == []


def test_one_router_more_is_one_difference() -> None:
    before = path(line(*SIX, step_ms=1))
    after = path(line("r1", "r2", "new", "r3", "r4", "r5", "t", step_ms=1))
    assert kinds(before, after) == [
        ("path-length", ""),
        ("hop-came", "hop 3"),
        ("hops-moved", "hops 3 to 6"),
    ]
    told = found(before, after)
    assert told["ids"] == ["trace.path-changed"]
    assert "new came in at hop 3, and it is 1 hop longer" in told["said"][0][1]
    assert ("hop-gone", "hop 3") in kinds(after, before)


def test_another_router_at_a_hop_and_a_silent_one() -> None:
    before, after = path(line(*SIX)), path(line("r1", "x2", "x3", "r4", "-", "t"))
    assert kinds(before, after) == [
        ("hop-replaced", "hop 2"), ("hop-replaced", "hop 3"), ("hop-silent", "hop 5"),
    ]  # fmt: skip
    assert "at hops 2 to 3 x2 > x3 instead of r2 > r3" in found(before, after)["said"][0][1]


def test_another_leg_of_a_balanced_hop_is_chance_until_it_is_not() -> None:
    one, two = (
        path(line(*SIX, count=1), sent=1),
        path(line("r1", "r2", "x3", "r4", "r5", "t", count=1), sent=1),
    )
    assert found(one, two)["ids"] == []  # one probe each: two legs would look just so
    assert ("hop-replaced", "hop 3") in kinds(one, two)
    three = [path(line("r1", name, "t")) for name in ("r2", "x2")]
    assert found(*three)["ids"] == ["trace.path-changed"]
    three[0].flow = three[1].flow = "fixed"  # one draw each, however many probes
    assert found(*three)["ids"] == []
    assert "another leg" in found(*three)["trace.path-changed"].reason
    three[0].source_port = three[1].source_port = 61000  # the same draw: balancers hash the same
    assert found(*three)["ids"] == ["trace.path-changed"]
    three[1].port = 53
    assert found(*three)["ids"] == []


def test_a_leg_that_is_gone() -> None:
    both = {"a": [30.0] * 6, "b": [30.1] * 6}
    before = path([{"r1": [10.0] * 12}, both, {"t": [40.0] * 12}], sent=12)
    after = path([{"r1": [10.0] * 12}, {"a": [30.0] * 12}, {"t": [40.0] * 12}], sent=12)
    assert found(before, after)["ids"] == [leg_lost.id]
    assert found(after, before)["ids"] == []
    assert kinds(after, before) == [("leg-came", "hop 2")]
    few = path([{"r1": [10.0] * 3}, {"a": [30.0], "b": [30.1] * 2}, {"t": [40.0] * 3}])
    same = path([{"r1": [10.0] * 3}, {"a": [30.0] * 3}, {"t": [40.0] * 3}])
    assert found(few, same)["ids"] == []
    assert kinds(few, same) == [("leg-lost", "hop 2")]


def ways(*hops: dict[str, int]) -> Any:
    """A trace with --ecmp: by hop how many flows each host answered; `hops` are of the first flow alone."""
    made = path([{next(iter(hop)): [10.0 * ttl]} for ttl, hop in enumerate(hops, 1)], sent=1, flow="fixed")
    nodes = [
        EcmpHop(
            ttl,
            "unknown",
            [Node(name, "time-exceeded", list(range(n)), *NONE) for name, n in hop.items()],
            [],
            0,
            0,
        )
        for ttl, hop in enumerate(hops, 1)
    ]
    empty: dict[str, Any] = dict.fromkeys(Ecmp.__struct_fields__)
    made.ecmp = Ecmp(**{**empty, "hops": nodes})
    return made


def test_with_every_way_known_its_flows_are_what_counts() -> None:
    both = ways({"r1": 6}, {"a": 8, "b": 8}, {"t": 6})
    assert found(both, ways({"r1": 6}, {"a": 11}, {"t": 6}))["ids"] == [leg_lost.id]
    assert found(both, ways({"r1": 6}, {"b": 2, "a": 9}, {"t": 6}))["ids"] == []  # another first flow
    few = found(ways({"r1": 6}, {"a": 2, "b": 1}, {"t": 6}), ways({"r1": 6}, {"a": 3}, {"t": 6}))
    assert few["ids"] == []
    other = ways({"r1": 6}, {"x": 6}, {"y": 6}, {"t": 6})
    assert found(ways({"r1": 6}, {"v": 6}, {"w": 6}, {"t": 6}), other)["ids"] == ["trace.path-changed"]


def test_one_flow_beside_every_way_meets_one_of_them() -> None:
    one = path(line("r1", "a", "t"), flow="fixed")
    told = found(one, ways({"r1": 6}, {"b": 8, "a": 8}, {"t": 6}))
    assert (told["ids"], told["trace.leg-lost"].outcome) == ([], "unknown")
    assert found(one, ways({"r1": 6}, {"x": 6}, {"t": 6}))["trace.path-changed"].outcome == "unknown"
    assert found(one, ways({"r1": 6}, {"x": 30}, {"t": 6}))["ids"] == ["trace.path-changed"]


def test_a_shift_is_one_finding_where_it_begins() -> None:
    before, after = path(line(*SIX)), path(line(*SIX, late_from=4, late_ms=30))
    told = found(before, after)
    assert told["ids"] == ["trace.rtt-shifted"]
    assert "from hop 4 on: 40.1 ms before, 70.1 ms now; 60.1 and 90.1 ms at the end" in told["said"][0][1]
    assert found(after, before)["ids"] == []
    assert kinds(after, before) == [("rtt", "hop 4")]


def test_a_slow_hop_on_the_way_and_a_rise_below_the_floor_are_none() -> None:
    slow = line(*SIX)
    slow[2] = {"r3": [300.0, 310.0, 320.0]}
    assert kinds(path(line(*SIX)), path(slow)) == []
    assert kinds(path(line(*SIX)), path(line(*SIX, late_from=2, late_ms=3.5))) == []


def test_three_answers_at_the_target_alone_are_too_few() -> None:
    before, after = path(line(*SIX)), path(line(*SIX, late_from=6, late_ms=200))
    verdict = found(before, after)[rtt_shifted.id]
    assert verdict.outcome == "unknown"
    assert "too few" in verdict.reason
    many = [path(line(*SIX, count=8, late_from=6, late_ms=late), sent=8) for late in (0, 200)]
    assert found(*many)["ids"] == ["trace.rtt-shifted"]


def test_jitter_as_large_as_the_difference_is_noise() -> None:
    times = ([10.0, 60.0, 20.0, 50.0, 30.0], [40.0, 35.0, 15.0, 55.0, 70.0])
    before, after = (path([{"r1": rtts}, {"t": rtts}], sent=5) for rtts in times)
    assert found(before, after)["ids"] == []


def test_loss_begins_when_the_intervals_part() -> None:
    def lossy(lost: int, sent: int = 40) -> Any:
        hops = line("r1", "r2", "t", count=sent)
        hops[1] = {"r2": hops[1]["r2"][lost:]}
        hops[2] = {"t": hops[2]["t"][lost:]}
        return path(hops, sent=sent, rounds=10)

    told = found(lossy(0), lossy(12))
    assert told["ids"] == ["trace.loss-began"]
    assert "30% of the probes" in told["said"][0][1]
    assert "from hop 2 on" in told["said"][0][1]
    assert found(lossy(0), lossy(3))["ids"] == []
    assert kinds(lossy(12), lossy(0)) == [("loss", "hop 2")]
    assert found(lossy(12), lossy(0))["ids"] == []


def test_a_target_that_only_limits_its_answers_loses_nothing_for_sure() -> None:
    limited = path([*line("r1", "r2"), {"t": [30.0, 30.1]}])
    limited.target_answered = [True, True, False, False]
    assert found(path(line("r1", "r2", "t")), limited)["trace.loss-began"].outcome == "unknown"


def test_the_end() -> None:
    up = path(line(*SIX))
    down = path(line("r1", "r2", "r3", *"-" * 27), reached=False)
    told = found(up, down)
    [(severity, said)] = told["said"]
    assert severity == "critical"
    assert said == (
        "db-1 (192.0.2.9) is not reached any more: silent after hop 3 (r3); before reached at hop 6, "
        "port-unreachable, port 33434 closed"
    )
    assert kinds(up, down) == [("end", "")]  # what lies behind the last answer is not known, nor changed
    assert found(down, up)["ids"] == []
    opened, closed = (path(line(*SIX), protocol="tcp", port=443, port_state=s) for s in ("open", "closed"))
    assert found(opened, closed)["said"][0][0] == "critical"
    assert found(closed, opened)["ids"] == []
    refused = path(line("r1", "r2"), reached=False, end_reason="prohibited", end_answer="admin-prohibited")
    assert found(down, refused)["said"][0][0] == "warning"


def test_a_loop_is_compared_up_to_where_it_closes() -> None:
    round_and_round = line("r1", "r2", *("a", "b") * 14)
    looping = path(round_and_round, reached=False, end_reason="loop", loop=["a", "b"])
    assert kinds(path(line(*SIX)), looping) == [
        ("end", ""), ("hop-replaced", "hop 3"), ("hop-replaced", "hop 4"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "unknown"),
    [
        ({"protocol": "icmp"}, {"end", "loss", "rtt", "path"}),
        ({"port": 443}, {"end", "path"}),
        ({"source_address": "192.0.2.2"}, {"rtt", "path"}),
        ({"address": "2001:db8::9"}, {"end", "loss", "rtt", "path"}),
        ({"end_reason": "deadline"}, {"end", "loss"}),
        ({"method": "udp-raw"}, set()),
    ],
)
def test_traces_made_otherwise_are_not_compared_in_that(more: dict[str, Any], unknown: set[str]) -> None:
    before, after = (
        path(line(*SIX)),
        path(line("r1", "x", "r3", "r4", "r5", "t", late_from=3, late_ms=50), **more),
    )
    after.port_state = "open"
    told = found(before, after)
    outcomes = {
        id_.partition(".")[2].partition("-")[0]: verdict.outcome
        for id_, verdict in told.items()
        if id_.startswith("trace.")
    }
    assert {name for name, outcome in outcomes.items() if outcome == "unknown"} - {"leg"} == unknown


NAMES = st.sampled_from(["r1", "r2", "r3", "r4", "r5", "-"])
HOPS = st.lists(
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.lists(st.floats(0, 500), min_size=1, max_size=4),
        max_size=3,
    ),
    max_size=8,
)
FLOWS = st.sampled_from(["fixed", "per-probe"])
MIRROR = {
    "hop-came": "hop-gone",
    "hop-gone": "hop-came",
    "leg-came": "leg-lost",
    "leg-lost": "leg-came",
    "hop-silent": "hop-answers",
    "hop-answers": "hop-silent",
}


@st.composite
def paths(draw: Any) -> Any:
    hops = draw(HOPS)
    reached = bool(hops) and bool(hops[-1]) and draw(st.booleans())
    made = path(hops, sent=12, reached=reached, flow=draw(FLOWS), rounds=draw(st.integers(1, 2)))
    made.end_reason = "reached" if reached else draw(st.sampled_from(["silent", "loop", "prohibited"]))
    made.target_answered = draw(st.lists(st.booleans(), max_size=9))
    return made


@given(paths())
def test_nothing_differs_from_itself(one: Any) -> None:
    assert kinds(one, one) == []
    assert found(one, one)["ids"] == []


@given(paths(), paths())
def test_the_other_way_round_it_is_mirrored(one: Any, two: Any) -> None:
    there, back = (list(rows(compare(*pair))) for pair in ((one, two), (two, one)))
    seen = [(change.kind, str(change.before), str(change.after), change.chance) for change in there]
    mirrored = [
        (MIRROR.get(change.kind, change.kind), str(change.after), str(change.before), change.chance)
        for change in back
    ]
    assert sorted(map(str, seen)) == sorted(map(str, mirrored))
    found(one, two)


@given(st.lists(NAMES, max_size=9), st.lists(NAMES, max_size=9))
def test_every_hop_stands_once_and_in_order(old: list[str], new: list[str]) -> None:
    one, two = path(line(*old), reached=True), path(line(*new), reached=True)
    steps = align(one, two)
    assert [step.before.ttl for step in steps if step.before] == list(range(1, len(old) + 1))
    assert [step.after.ttl for step in steps if step.after] == list(range(1, len(new) + 1))


def test_the_floor_is_that_of_hystart() -> None:
    assert [Limits().floor_ms(rtt) for rtt in (0.2, 32, 80, 128, 1000)] == [4, 4, 10, 16, 16]
