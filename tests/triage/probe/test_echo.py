"""Who is asked how often, when, and what counts as an answer; on a network with a clock of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import SretoolError
from sretool.probe.network import Probe, Reply, SendFailed
from sretool.report.check import judge
from sretool.triage.probe import echo
from sretool.triage.probe.checks import GATEWAYS
from sretool.triage.probe.model import Asked, Gateway, Gateways


class Gateways_:  # noqa: N801
    """Answers each probe after `rtts[n]` seconds by `answers[n]`; None: never."""

    def __init__(self, rtts: list[float | None], address: str = "10.0.0.1", **answer: object) -> None:
        self.clock = 5.0
        self.sent: list[tuple[float, Probe]] = []
        self._rtts, self._address, self._answer = rtts, address, answer
        self._due: list[Reply] = []

    def now(self) -> float:
        return self.clock

    def send(self, probe: Probe) -> float:
        rtt = self._rtts[len(self.sent) % len(self._rtts)]
        self.sent.append((self.clock, probe))
        if rtt is not None:
            fields = {"kind": "icmp", "icmp_type": 0, "icmp_code": 0, **self._answer}
            self._due.append(Reply(self.clock + rtt, probe.id, self._address, **fields))  # type: ignore[arg-type]
        return self.clock

    def receive(self, until: float) -> list[Reply]:
        self._due.sort(key=lambda reply: reply.at)
        first = self._due[0].at if self._due else float("inf")
        self.clock = max(self.clock, min(first, until))
        ready = [reply for reply in self._due if reply.at <= self.clock]
        self._due = [reply for reply in self._due if reply.at > self.clock]
        return ready


def test_probes_are_paced_and_the_last_is_waited_for() -> None:
    network, target = Gateways_([0.02]), echo.Target(0, "10.0.0.1", 4)
    echo.ask(network, [target], 10, 0.9, 0.5)
    gaps = [later[0] - sooner[0] for sooner, later in zip(network.sent, network.sent[1:])]
    assert gaps == pytest.approx([0.09] * 9)
    assert target.sent == len(target.rtts_s()) == 10
    assert network.clock == pytest.approx(5 + 0.81 + 0.02)  # no longer than there is something to wait for


def test_who_is_silent_costs_one_timeout() -> None:
    network, target = Gateways_([None]), echo.Target(0, "10.0.0.1", 4)
    echo.ask(network, [target], 10, 0.9, 0.5)
    assert (target.sent, target.answers) == (10, [])
    assert network.clock == pytest.approx(5 + 0.81 + 0.5)


@pytest.mark.parametrize(
    ("answer", "address", "counts"),
    [
        ({}, "10.0.0.1", True),
        ({"icmp_type": 3, "icmp_code": 3}, "10.0.0.1", True),  # UDP: port unreachable
        ({"icmp_type": 3, "icmp_code": 13}, "10.0.0.1", True),
        ({"icmp_type": 3, "icmp_code": 1}, "10.0.0.2", False),  # this host says that ARP failed
        ({"icmp_type": 3, "icmp_code": 3}, "10.0.0.7", False),
        ({"icmp_type": 11, "icmp_code": 0}, "10.0.0.1", False),
        ({"kind": "datagram", "icmp_type": None, "icmp_code": None}, "10.0.0.1", True),
    ],
)
def test_what_counts_as_an_answer(answer: dict[str, object], address: str, counts: bool) -> None:
    network, target = Gateways_([0.01], address, **answer), echo.Target(0, "10.0.0.1", 4)
    echo.ask(network, [target], 3, 0.1, 0.2)
    assert len(target.answers) == (3 if counts else 0)


def test_what_waited_for_arp_tells_nothing_of_delay() -> None:
    """All that was sent in the first half second is answered at once when the neighbour is known."""
    waits = [max(0.001, 0.5 - 0.09 * number) for number in range(10)]
    network, target = Gateways_(list(waits)), echo.Target(0, "10.0.0.1", 4)
    echo.ask(network, [target], 10, 0.9, 0.5)
    assert len(target.rtts_s()) == 10
    assert target.settled_s() == pytest.approx([0.001] * 4)


def test_what_could_not_be_sent_is_not_lost() -> None:
    class Full(Gateways_):
        def send(self, probe: Probe) -> float:
            raise SendFailed(1, "10.0.0.1", "Operation not permitted")

    target = echo.Target(0, "10.0.0.1", 4)
    echo.ask(Full([0.1]), [target], 3, 0.1, 0.2)
    assert target.sent == 0
    assert isinstance(target.failure, SretoolError)


RTTS = st.lists(st.floats(0.01, 100), max_size=10)
STATES = st.sampled_from([None, "reachable", "stale", "failed", "incomplete", "permanent"])


@given(RTTS, STATES, st.sampled_from(["icmp-raw", "icmp-datagram", "udp-recverr"]), st.integers(0, 10))
def test_a_gateway_that_lives_is_never_critical(
    rtts: list[float], state: str | None, method: str, more: int
) -> None:
    one = Asked(Gateway("10.0.0.1", "eth0"), method, len(rtts) + more, len(rtts), rtts, "", state)  # type: ignore[arg-type]
    for verdict, findings in judge(GATEWAYS, Gateways([one])):
        for finding in findings:
            dead = not rtts and more and state in ("failed", "incomplete")
            assert (finding.severity == "critical") == bool(dead)
        if not rtts and verdict.id == "path.gateway-latency":
            assert verdict.outcome == "unknown"  # never clear


def test_loss_by_udp_is_never_told() -> None:
    one = Asked(Gateway("10.0.0.1", "eth0"), "udp-recverr", 10, 6, [1.0] * 5, "", "reachable")
    [(loss, found), (latency, _)] = judge(GATEWAYS, Gateways([one]))
    assert (loss.outcome, found, latency.outcome) == ("unknown", [], "clear")
