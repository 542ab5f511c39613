"""What each leg loses, and who is accused of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import UNSET
from paths import Node, Path, Split, router, straight
from ways import diamond, leg, searched

from sretool.net.trace.ecmp.checks import CHECKS
from sretool.net.trace.ecmp.model import Ecmp, Leg
from sretool.report.answer import Finding
from sretool.report.check import Verdict, judge


def judged(ecmp: Ecmp | Any, path: Path) -> tuple[Verdict, list[Finding]]:
    about = SimpleNamespace(target="web", address=path.target, protocol="icmp", port=None, ecmp=ecmp)
    ((verdict, findings),) = judge(CHECKS, about)
    return verdict, findings


def legs_of(ecmp: Ecmp) -> dict[str | None, Leg]:
    (stretch,) = ecmp.diamonds
    return {each.address: each for each in stretch.legs}


@pytest.mark.parametrize(("drop", "severity"), [(0.3, "critical"), (0.12, "warning")])
def test_the_leg_that_loses_is_named(drop: float, severity: str) -> None:
    path = diamond(4)
    leg(path, 1).drop = drop
    ecmp, _ = searched(path)
    legs = legs_of(ecmp)
    assert {address for address, each in legs.items() if each.verdict == "loses"} == {"10.99.2.4"}
    bad = legs["10.99.2.4"]
    assert bad.sent == 100
    assert bad.loss_low_ratio is not None
    assert bad.loss_high_ratio is not None
    assert bad.loss_low_ratio <= drop <= bad.loss_high_ratio
    verdict, (finding,) = judged(ecmp, path)
    assert (verdict.outcome, finding.severity) == ("found", severity)
    assert finding.subject.id == "10.99.2.4"
    assert "one of 4 legs at hop 4" in finding.summary
    assert "the others lose nothing" in finding.summary


def test_a_healthy_diamond_is_clear() -> None:
    for seed in range(20):
        path = diamond(4, seed=seed)
        ecmp, _ = searched(path)
        assert judged(ecmp, path)[0].outcome == "clear"
        assert all(each.verdict == "clear" for each in legs_of(ecmp).values())


def test_loss_that_all_legs_share_is_no_legs_own() -> None:
    accused = 0
    for seed in range(40):
        path = diamond(4, seed=seed)
        path.hops[5][0].drop = 0.2  # type: ignore[index]
        ecmp, _ = searched(path)
        accused += len(judged(ecmp, path)[1])
    assert accused <= 2  # 5 % of 40


def test_a_leg_whose_router_limits_its_own_answers_loses_nothing() -> None:
    path = diamond(2)
    slow = leg(path, 0)
    slow.burst, slow.per_s = 2, 0.5
    ecmp, _ = searched(path)
    verdict, findings = judged(ecmp, path)
    assert (verdict.outcome, findings) == ("clear", [])


def test_a_target_that_limits_its_answers_tells_nothing() -> None:
    path = diamond(2, burst=6, per_s=1.0)
    ecmp, network = searched(path, transport="udp")
    verdict, findings = judged(ecmp, path)
    assert (verdict.outcome, findings) == ("unknown", [])
    assert "limits its answers" in verdict.reason
    assert all(each.loss_ratio is None and each.verdict == "unknown" for each in legs_of(ecmp).values())
    # no more than the first 20 a leg were spent on it
    assert len(network.sent) < 420


def test_behind_a_leg_nothing_gets_through() -> None:
    path = diamond(3)
    leg(path, 1).blackhole = True
    ecmp, _ = searched(path)
    legs = legs_of(ecmp)
    assert (legs["10.99.2.4"].loss_ratio, legs["10.99.2.4"].verdict) == (1.0, "loses")
    _, (finding,) = judged(ecmp, path)
    assert finding.severity == "critical"


def test_a_leg_that_swallows_everything_and_answers_nothing() -> None:
    path = diamond(2)
    leg(path, 1).drop = 1.0
    ecmp, _ = searched(path)
    legs = legs_of(ecmp)
    assert set(legs) == {"10.99.1.4", None}
    assert (legs[None].loss_ratio, legs[None].verdict) == (1.0, "loses")
    assert ecmp.diamonds[0].balancing == "per-flow"
    _, (finding,) = judged(ecmp, path)
    assert "a router that does not answer at hop 4" in finding.summary
    assert ecmp.network_ms < 5000


def test_a_leg_that_refuses() -> None:
    path = diamond(3)
    leg(path, 1).refuse = (3, 13)
    ecmp, _ = searched(path)
    assert legs_of(ecmp)["10.99.2.4"].loss_ratio == 1.0
    assert "admin-prohibited" in {node.answer for node in ecmp.hops[4].nodes}


def test_of_a_silent_target_the_last_common_router_judges() -> None:
    path = diamond(2)
    path.end = None
    leg(path, 1).drop = 0.4
    ecmp, _ = searched(path)
    assert ecmp.judged_at == "10.99.0.6"
    assert [finding.subject.id for finding in judged(ecmp, path)[1]] == ["10.99.2.4"]


def test_nobody_behind_the_legs_to_judge() -> None:
    path = diamond(2)
    path.hops, path.end = path.hops[:4], None
    ecmp, _ = searched(path)
    assert "neither the target" in ecmp.loss_unknown
    assert judged(ecmp, path)[0].outcome == "unknown"


def test_of_two_diamonds_only_the_lossy_legs_own_is_named() -> None:
    path = diamond(2, after=2)
    path.hops += [Split([[[router(6, 60.0, leg=20 + place)]] for place in range(3)]), [router(7, 70.0)]]
    leg(path, 0).drop = 0.4
    ecmp, _ = searched(path)
    assert len(ecmp.diamonds) == 2
    assert [finding.subject.id for finding in judged(ecmp, path)[1]] == ["10.99.1.4"]


def test_most_legs_losing() -> None:
    path = diamond(4)
    for number in (0, 1, 3):
        leg(path, number).drop = 0.4
    ecmp, _ = searched(path)
    assert legs_of(ecmp)["10.99.3.4"].verdict == "clear"
    assert any(each.verdict == "loses" for each in legs_of(ecmp).values())


def test_by_packet_no_leg_can_be_measured() -> None:
    path = diamond(2, by="packet")
    ecmp, _ = searched(path)
    assert judged(ecmp, path)[0].outcome == "unknown"


def test_a_hop_that_answers_every_flow_from_another_address() -> None:
    path = straight(5)
    path.hops[2] = [Node(f"10.{n >> 8}.{n & 255}.3", [30.0], (11, 0)) for n in range(2000)]
    ecmp, network = searched(path)
    assert "too many to measure" in ecmp.loss_unknown
    assert ecmp.network_ms < 3000
    assert len(network.sent) < 1500
    assert not ecmp.complete


def test_not_asked_or_one_way() -> None:
    assert judged(UNSET, straight(3))[0].outcome == "not-applicable"
    ecmp, _ = searched(straight(3))
    assert judged(ecmp, straight(3))[0].outcome == "not-applicable"


def test_never_faster_than_hosts_answer() -> None:
    """FreeBSD answers 200 echo requests a second: all of ours."""
    ecmp, _ = searched(diamond(2))
    assert sum(each.sent for each in legs_of(ecmp).values()) == 200
    assert ecmp.network_ms - ecmp.discovery_ms >= 1000 * (200 - 20) / 180


def test_times_of_legs_are_those_to_the_end() -> None:
    ecmp, _ = searched(diamond(2))
    assert all(each.rtt_min_ms == pytest.approx(70, abs=1) for each in legs_of(ecmp).values())
