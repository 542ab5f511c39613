from __future__ import annotations

import errno
from typing import Any

import pytest
from paths import PORT_UNREACHABLE, TIME_EXCEEDED, Node, Path, address, router, straight
from sim_network import SimNetwork
from trace_sim import traced

from sretool.net.trace.build import Asked, build
from sretool.net.trace.checks import CHECKS
from sretool.net.trace.drive import Drive
from sretool.net.trace.engine import Tracer
from sretool.net.trace.model import Trace
from sretool.net.trace.round import Plan
from sretool.probe.network import SendFailed
from sretool.report.check import judge


def found(trace: Trace) -> dict[str, str]:
    return {finding.id: finding.severity for _, fs in judge(CHECKS, trace) for finding in fs}


def outcome(trace: Trace, id: str) -> str:
    return next(verdict.outcome for verdict in trace.checks if verdict.id == id)


def refusing(at: int, icmp: tuple[int, int], family: int = 4) -> Path:
    """Router `at` answers its own TTL and refuses everything that goes farther."""
    path = straight(at + 5, family=family)
    path.hops = path.hops[:at]
    path.end = Node(address(at, family), [at * 10.0], icmp)
    return path


def looping() -> Path:
    """Two routers send everything to each other; each answers its first six, as Linux does."""
    path = straight(4)
    path.hops = path.hops[:3]
    a, b = (router(ttl, 40.0 + ttl, burst=6) for ttl in (4, 5))
    path.hops += [[a], [b]] * 20
    return path


SHUFFLED = straight(6)
for hop, ms in zip(SHUFFLED.hops, (50.0, 40.0, 30.0, 20.0, 10.0)):
    hop[0].rtts_ms = [ms, ms + 1, ms + 2]

# scenario -> (path, plan, what the answer says, findings, longest network time in ms)
SCENARIOS: dict[str, tuple[Path, dict[str, Any], dict[str, Any], dict[str, str], float]] = {
    "all answer": (
        straight(12),
        {},
        {"reached": True, "end_reason": "reached", "end_ttl": 12, "total": 12, "end_ttl_exact": True},
        {},
        120 * 1.1,
    ),
    "all answer over IPv6": (
        straight(12, family=6),
        {},
        {"reached": True, "end_ttl": 12, "end_answer": "port-unreachable"},
        {},
        120 * 1.1,
    ),
    "the target is the first hop": (straight(1), {}, {"end_ttl": 1, "total": 1}, {}, 10 * 1.1),
    "two hops silent": (straight(12, silent=(4, 7)), {}, {"end_ttl": 12, "reached": True}, {}, 350),
    "all hops but the target silent": (
        straight(12, silent=tuple(range(1, 12))),
        {},
        {"end_ttl": 12, "reached": True},
        {},
        350,
    ),
    "target silent": (
        straight(12, target_silent=True),
        {},
        {"reached": False, "end_reason": "silent", "end_ttl": 11, "end_address": address(11), "total": 30},
        {"trace.target-silent": "critical"},
        1200,
    ),
    "nothing answers": (
        Path("10.99.255.1", [], None),
        {},
        {"end_reason": "silent", "end_ttl": None, "end_address": None},
        {"trace.target-silent": "critical"},
        1200,
    ),
    "out of order": (SHUFFLED, {}, {"end_ttl": 6, "reached": True}, {}, 60 * 1.1),
    "the service answers": (
        Path("10.99.255.1", straight(3).hops, Node("10.99.255.1", [30.0], None, datagram=True)),
        {},
        {"end_answer": "datagram", "reached": True, "end_ttl": 3},
        {},
        33,
    ),
    "port unreachable from another address of the target": (
        Path("10.99.255.1", straight(3).hops, Node("10.99.77.1", [30.0], PORT_UNREACHABLE[4])),
        {},
        {"reached": True, "end_address": "10.99.77.1"},
        {},
        33,
    ),
    "loop": (
        looping(),
        {},
        {"end_reason": "loop", "loop": [address(4), address(5)], "reached": False},
        {"trace.loop": "critical"},
        1200,
    ),
    "farther than the last TTL": (
        straight(12),
        {"max_ttl": 8},
        {"end_reason": "ttl-exhausted", "end_ttl": 8, "total": 8},
        {"trace.ttl-exhausted": "warning"},
        88,
    ),
    "farther, with a silent hop": (
        straight(12, silent=(3,)),
        {"max_ttl": 8},
        {"end_reason": "ttl-exhausted"},
        {"trace.ttl-exhausted": "warning"},
        350,
    ),
    "host unreachable, said by a router": (
        refusing(5, (3, 1)),
        {},
        {"end_reason": "unreachable", "end_answer": "host-unreachable", "end_address": address(5)},
        {"trace.target-unreachable": "critical"},
        110,
    ),
    "no route, IPv6": (
        refusing(5, (1, 0), family=6),
        {},
        {"end_reason": "unreachable", "end_answer": "no-route", "end_address": address(5, 6)},
        {"trace.target-unreachable": "critical"},
        110,
    ),
    "admin-prohibited by a router": (
        refusing(5, (3, 13)),
        {},
        {"end_reason": "prohibited", "end_answer": "admin-prohibited", "end_ttl": 6},
        {"trace.prohibited": "critical"},
        110,
    ),
    "admin-prohibited by a router that answers six times": (
        refusing(5, (3, 13)),
        {},
        {"end_reason": "prohibited"},
        {"trace.prohibited": "critical"},
        350,
    ),
    "rejected by the target itself": (
        Path("10.99.255.1", straight(3).hops, Node("10.99.255.1", [30.0], (3, 10))),
        {},
        {"reached": True, "end_answer": "host-prohibited"},
        {"trace.prohibited": "info"},
        33,
    ),
    "only later TTLs": (straight(6), {"first_ttl": 4}, {"end_ttl": 6, "total": 3}, {}, 66),
    "one query": (straight(12), {"queries": 1}, {"end_ttl": 12}, {}, 132),
}
SCENARIOS["admin-prohibited by a router that answers six times"][0].end.burst = 6  # type: ignore[union-attr]


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    path, plan, expected, findings, most_ms = SCENARIOS[name]
    trace = traced(path, **plan)
    assert {key: getattr(trace, key) for key in expected} == expected
    assert found(trace) == findings
    assert trace.network_ms <= most_ms
    assert [hop.ttl for hop in trace.hops] == list(range(trace.first_ttl, trace.first_ttl + trace.total))


def test_every_hop_has_the_time_of_its_path() -> None:
    trace = traced(straight(12))
    for hop in trace.hops:
        assert hop.rtt_min_ms == hop.rtt_avg_ms == hop.rtt_max_ms == pytest.approx(hop.ttl * 10, abs=0.01)
        assert (hop.sent, hop.received, hop.loss_ratio, hop.duplicates) == (3, 3, 0.0, 0)
        assert len(hop.hosts) == 1
        assert hop.hosts[0].answer == ("port-unreachable" if hop.ttl == 12 else "time-exceeded")


def test_a_silent_hop_has_no_figures_but_loss() -> None:
    hop = traced(straight(5, silent=(2,))).hops[1]
    assert (hop.rtt_min_ms, hop.rtt_avg_ms, hop.rtt_max_ms, hop.hosts) == (None, None, None, [])
    assert (hop.sent, hop.received, hop.loss_ratio) == (3, 0, 1.0)


def test_several_hosts_at_one_hop() -> None:
    path = straight(4)
    path.hops[1] = [router(2, 25.0, leg=1), router(2, 20.0, leg=2)]
    hop = traced(path).hops[1]
    assert {host.address: host.replies for host in hop.hosts} == {
        address(2, leg=1): 1,
        address(2, leg=2): 2,
    } or {host.address: host.replies for host in hop.hosts} == {address(2, leg=1): 2, address(2, leg=2): 1}
    assert hop.hosts[0].address == address(2, leg=2)  # the quickest first
    assert hop.rtt_min_ms == pytest.approx(20, abs=0.01)
    assert hop.rtt_max_ms == pytest.approx(25, abs=0.01)
    assert sum(host.replies for host in hop.hosts) == hop.received == 3


def test_duplicates_are_counted_apart() -> None:
    path = straight(4)
    path.hops[1][0].copies = 3
    trace = traced(path)
    assert (trace.hops[1].received, trace.hops[1].duplicates, trace.hops[1].loss_ratio) == (3, 6, 0.0)
    assert trace.hops[1].rtt_max_ms == pytest.approx(20, abs=0.01)


def test_a_reply_without_a_probe_is_reported_and_not_assigned() -> None:
    path = straight(4)
    path.hops[1][0].stray = True
    trace = traced(path)
    assert [stray.address for stray in trace.strays] == [address(2)] * 3
    assert trace.hops[1].received == 0
    assert trace.reached


def test_a_rate_limited_router_is_no_problem() -> None:
    path = straight(6)
    path.hops[2][0].burst = 1
    trace = traced(path)
    assert trace.hops[2].received == 1
    assert trace.hops[2].loss_ratio == pytest.approx(2 / 3, abs=0.001)
    assert found(trace) == {}


def test_a_target_that_answers_six_times_is_not_lossy() -> None:
    path = straight(12)
    path.end.burst = 2  # type: ignore[union-attr]
    trace = traced(path)
    assert (trace.hops[-1].sent, trace.hops[-1].received) == (3, 2)
    assert outcome(trace, "trace.target-loss") == "unknown"
    assert found(trace) == {}
    assert trace.network_ms <= 3 * 120 * 1.1


def test_a_target_traced_a_moment_ago_is_found_all_the_same() -> None:
    # its tokens are spent: it is silent to the burst, and answers one packet a second later
    path = straight(12)
    network = SimNetwork(path)
    burst = 3 * (30 - 11)
    path.end.lose = list(range(burst))  # type: ignore[union-attr]
    trace = traced(path, network)
    assert (trace.reached, trace.end_ttl, trace.end_ttl_exact) == (True, 12, True)
    assert outcome(trace, "trace.target-loss") == "unknown"
    assert found(trace) == {}
    assert trace.network_ms <= 1200


def test_a_target_behind_a_silent_hop_that_answers_only_later() -> None:
    path = straight(12, silent=(11,))
    path.end.lose = list(range(3 * 19))  # type: ignore[union-attr]
    trace = traced(path)
    assert (trace.reached, trace.end_ttl, trace.end_ttl_exact) == (True, 30, False)


def test_loss_between_answers_is_loss() -> None:
    path = straight(12)
    path.end.lose = [1, 4, 6, 9, 14, 20, 23, 30, 31, 40]  # type: ignore[union-attr]
    trace = traced(path)
    assert found(trace) == {"trace.target-loss": "warning"}
    assert trace.target_answered.count(False) == 10


def test_a_router_that_refuses_one_of_two_ways_does_not_end_the_path() -> None:
    path = straight(6)
    path.hops[2] = [router(3, 5.0), Node(address(3, leg=1), [5.0], (3, 13))]
    path.hops[3][0].rtts_ms = [90.0]
    path.hops[4][0].rtts_ms = [95.0]
    path.end.rtts_ms = [180.0]  # type: ignore[union-attr]
    trace = traced(path)
    assert (trace.end_reason, trace.end_ttl) == ("reached", 6)
    assert found(trace) == {}


def test_our_own_kernel_says_unreachable() -> None:
    path = Path("10.99.255.1", [], Node("10.99.0.254", [50.0], (3, 1)))
    trace = traced(path)
    (finding,) = [f for _, fs in judge(CHECKS, trace) for f in fs]
    assert finding.id == "trace.target-unreachable"
    assert "this host itself" in finding.summary


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOBUFS])
def test_a_failed_send_is_no_loss(number: int) -> None:
    path = straight(6)
    network = SimNetwork(path, fails={3: number, 4: number})
    tracer = Tracer(Plan(path.target, 4))
    Drive(network, [tracer]).run()
    trace = build(tracer, Asked("t", "10.99.0.254"), network.now())
    assert [failure.errno for failure in tracer.failures] == [number, number]
    assert (trace.hops[1].sent, trace.hops[1].received, trace.hops[1].loss_ratio) == (1, 1, 0.0)
    assert trace.reached


def test_a_hop_that_could_not_be_asked_is_unknown() -> None:
    path = straight(6)
    network = SimNetwork(path, fails=dict.fromkeys((3, 4, 5), errno.ENOBUFS))
    hop = traced(path, network).hops[1]
    assert (hop.ttl, hop.sent, hop.received, hop.loss_ratio) == (2, 0, 0, None)


def test_when_nothing_can_be_sent_that_is_the_error() -> None:
    path = straight(6)
    with pytest.raises(SendFailed) as caught:
        traced(path, SimNetwork(path, fails=dict.fromkeys(range(90), errno.EPERM)))
    assert caught.value.exit_code == 3


def test_interruption_keeps_what_is_known() -> None:
    path = straight(12)
    trace = traced(path, SimNetwork(path, interrupt_at=0.055))
    assert trace.end_reason == "interrupted"
    assert [hop.received for hop in trace.hops[:7]] == [3, 3, 3, 3, 3, 0, 0]
    assert trace.hops[0].loss_ratio == 0.0
    assert trace.hops[8].loss_ratio is None  # still on its way
    assert found(trace) == {}
    assert outcome(trace, "trace.target-silent") == "unknown"


def test_the_deadline_keeps_what_is_known() -> None:
    path = straight(12)
    network = SimNetwork(path)
    trace = traced(path, network, stop_at=network.started + 0.055)
    assert trace.end_reason == "deadline"
    assert trace.network_ms == pytest.approx(55, abs=1)
    assert [hop.received for hop in trace.hops[:7]] == [3, 3, 3, 3, 3, 0, 0]
    assert found(trace) == {}


def test_more_than_a_burst_is_paced() -> None:
    path = Path("10.99.255.1", [], None)
    network = SimNetwork(path)
    traced(path, network, max_ttl=100, queries=3, timeout_s=0.1)
    # 300 probes: a hundred at once, the rest at 1,000 a second
    assert len(network.sent) == 304
    assert network.clock - network.started == pytest.approx(0.2 + 0.115, abs=0.01)


def test_sending_stops_when_a_near_target_has_answered() -> None:
    path = straight(1, 0.001)
    network = SimNetwork(path)
    traced(path, network)
    assert len(network.sent) == 3


def test_a_slow_hop_that_has_answered_once_is_waited_for() -> None:
    # its control plane takes 90 ms, 200 for the second: more than twice the target's 60
    path = straight(6)
    path.hops[2][0].rtts_ms = [90.0, 200.0, 90.0]
    trace = traced(path)
    assert trace.hops[2].received == 3


def test_a_router_that_forwards_the_last_ttl_is_no_loop() -> None:
    path = straight(6, target_silent=True)
    path.hops[3] = path.hops[2]
    trace = traced(path)
    assert trace.end_reason == "silent"


def test_one_router_at_every_ttl_is_a_loop() -> None:
    path = straight(4)
    path.hops = path.hops[:2] + [[router(3, 30.0)]] * 28
    trace = traced(path)
    assert (trace.end_reason, trace.loop) == ("loop", [address(3)])


def test_time_exceeded_by_the_target_does_not_reach_it() -> None:
    path = straight(4)
    path.hops.append([Node(path.target, [40.0], TIME_EXCEEDED[4])])
    path.end = None
    assert not traced(path).reached


def test_when_the_end_is_found_late_nothing_is_asked_again() -> None:
    # the second attempt is due while a silent hop is still waited for
    path = straight(3, 100.0, silent=(2,))
    path.end.lose = list(range(3 * 28))  # type: ignore[union-attr]
    network = SimNetwork(path)
    trace = traced(path, network)
    assert trace.reached
    assert len(network.sent) == 90 + 2
    assert 900 < trace.network_ms < 1150


def test_network_time_ends_with_the_last_reply() -> None:
    path = straight(4)
    network = SimNetwork(path)
    tracer = Tracer(Plan(path.target, 4))
    calls = []

    def meanwhile() -> None:
        calls.append(network.clock)
        network.clock += 0.5

    Drive(network, [tracer]).run(meanwhile)
    assert len(calls) == 1
    trace = build(tracer, Asked("t", "10.99.0.254"), network.now())
    assert trace.network_ms == pytest.approx(40, abs=1)
    assert trace.hops[3].hosts[0].rtts_ms == [pytest.approx(40, abs=0.01)] * 3


def test_a_near_target_leaves_no_time_for_anything_else() -> None:
    path = straight(2, 1.0)
    calls: list[int] = []
    Drive(SimNetwork(path), [Tracer(Plan(path.target, 4))]).run(lambda: calls.append(1))
    assert calls == []
