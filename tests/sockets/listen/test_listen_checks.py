from __future__ import annotations

import msgspec
import pytest

from sretool.report.check import judge
from sretool.sockets.listen.checks import CHECKS, accept_queue_overflow, retransmit_rate, somaxconn_cap
from sretool.sockets.listen.model import Limits, Listener, Listening, TcpCounters


def listener(**more) -> Listener:
    given = {
        "protocol": "tcp",
        "family": "inet",
        "local_address": "0.0.0.0",
        "local_port": 8080,
        "reach": "any",
        "accept_queue": 0,
        "accept_queue_before": 0,
        "accept_queue_limit": 128,
        "drops": 0,
        "drops_per_s": 0.0,
        "pid": 812,
        "process": "app",
        "unit": "app.service",
        **more,
    }
    return msgspec.convert({**dict.fromkeys(Listener.__struct_fields__), **given}, Listener)


def model(*listeners: Listener, **tcp) -> Listening:
    counters = {"window_s": 1.0, "listen_overflows": 0, "listen_drops": 0, "listen_overflows_total": 10**6}
    counters |= {"segments_sent": 10_000, "segments_retransmitted": 0, **tcp}
    made = msgspec.convert({**dict.fromkeys(TcpCounters.__struct_fields__), **counters}, TcpCounters)
    return Listening(list(listeners), len(listeners), made, limits=Limits(128, 256, 1))


def outcome(rule, data: Listening):
    [(verdict, findings)] = judge([rule], data)
    return verdict.outcome, findings


FULL = {"accept_queue": 2, "accept_queue_before": 2, "accept_queue_limit": 1}


def test_healthy_host_is_clear_whatever_happened_since_boot():
    assert [verdict.outcome for verdict, _ in judge(CHECKS, model(listener(drops=10**6)))] == [
        "clear",
        "clear",
        "clear",
    ]


@pytest.mark.parametrize(("rate", "severity"), [(0.5, "warning"), (5.0, "warning"), (5.5, "critical")])
def test_the_listener_that_drops_is_named(rate, severity):
    quiet = listener(local_port=22, process="sshd", accept_queue=1, accept_queue_limit=0)
    _, [found] = outcome(
        accept_queue_overflow,
        model(quiet, listener(**FULL, drops_per_s=rate), listen_overflows=1, listen_drops=1),
    )
    assert (found.severity, found.subject.id, found.subject.pid) == (severity, "0.0.0.0:8080", 812)
    assert found.subject.unit == "app.service"
    assert "app[812]" in found.summary
    assert found.next == ["sretool sockets listen --port 8080"]


def test_its_own_drops_count_only_while_the_namespace_counts_too():
    # sk_drops also grows for a packet a filter threw away
    assert outcome(accept_queue_overflow, model(listener(drops_per_s=9.0))) == ("clear", [])


def test_a_stuck_listener_is_named_before_anything_is_dropped():
    _, [found] = outcome(accept_queue_overflow, model(listener(**FULL)))
    assert found.severity == "warning"
    assert "accepts nothing" in found.summary
    burst = listener(**{**FULL, "accept_queue_before": 0})
    assert outcome(accept_queue_overflow, model(burst)) == ("clear", [])


def test_full_means_what_the_kernel_means():
    # sk_acceptq_is_full is >: a queue at its limit still takes one
    assert not listener(accept_queue=128).full
    assert listener(accept_queue=129).full
    assert not listener(accept_queue=0, accept_queue_limit=0).full


def test_drops_of_nobody_are_still_found():
    _, [found] = outcome(accept_queue_overflow, model(listener(), listen_overflows=3, listen_drops=3))
    assert (found.severity, found.subject.kind) == ("warning", "host")
    _, [found] = outcome(accept_queue_overflow, model(listen_overflows=60, listen_drops=60))
    assert found.severity == "critical"


@pytest.mark.parametrize("rule", CHECKS)
def test_one_reading_is_unknown_not_clear(rule):
    data = model(window_s=None, listen_overflows=None, listen_drops=None, segments_sent=None)
    assert outcome(rule, data) == ("unknown", [])


@pytest.mark.parametrize("rule", CHECKS)
def test_unread_counters_are_unknown(rule):
    data = model(listen_overflows=None, listen_drops=None, segments_sent=None)
    assert outcome(rule, data) == ("unknown", [])


@pytest.mark.parametrize(
    ("sent", "again", "found"),
    [
        (3, 1, False),
        (900, 9, False),
        (1000, 10, False),  # exactly one percent
        (1000, 11, True),
        (0, 10, True),  # nothing but retransmissions: a black hole
        (10_000, 50, False),
    ],
)
def test_retransmit_rate(sent, again, found):
    result, findings = outcome(retransmit_rate, model(segments_sent=sent, segments_retransmitted=again))
    assert result == ("found" if found else "clear")
    assert [finding.severity for finding in findings] == ["warning"] * found


def test_thresholds_can_be_overridden():
    accept_queue_overflow.overrides["critical_per_s"] = 100
    try:
        row = listener(**FULL, drops_per_s=50.0)
        _, [found] = outcome(accept_queue_overflow, model(row, listen_overflows=50))
        assert found.severity == "warning"
    finally:
        accept_queue_overflow.overrides.clear()


BUSY = {"accept_queue": 129, "accept_queue_before": 129, "drops_per_s": 3.0}
CAPPED = {"accept_queue_limited_by": "somaxconn-or-application", "accept_queue_limit": 128}


@pytest.mark.parametrize(
    ("row", "overflows", "severity"),
    [
        ({**CAPPED, "accept_queue_peak": 129, "drops_per_s": 3.0}, 3, "warning"),
        ({**CAPPED, "accept_queue_peak": 103}, 0, "info"),
        ({**CAPPED, "accept_queue_peak": 102}, 0, None),
        ({**CAPPED, "accept_queue": 110, "accept_queue_peak": None}, 0, "info"),  # a recording
        ({**CAPPED, "accept_queue_peak": 129, "drops_per_s": 3.0}, 0, "info"),  # dropped, not for that
        ({**CAPPED, "accept_queue_limited_by": "application", "accept_queue_peak": 129}, 0, None),
        ({**CAPPED, "accept_queue_limited_by": None, "accept_queue_peak": 129}, 0, None),
        ({**CAPPED, **BUSY, "accept_queue_least": 3}, 3, "warning"),
        # nobody accepts: no length helps
        ({**CAPPED, **BUSY}, 3, None),
        ({**CAPPED, **BUSY, "accept_queue_least": 129}, 3, None),
    ],
)
def test_a_queue_that_somaxconn_caps(row, overflows, severity):
    data = model(listener(**row), listen_overflows=overflows, listen_drops=overflows)
    result, findings = outcome(somaxconn_cap, data)
    assert result == ("clear" if severity is None else "found")
    assert [finding.severity for finding in findings] == [severity] * (severity is not None)


def test_somaxconn_unread_is_unknown():
    data = model(listener())
    data.limits = Limits(None, None, None)
    assert outcome(somaxconn_cap, data) == ("unknown", [])
