from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.host.fake import Fake
from sretool.host.source import Clock
from sretool.net.softnet import read
from sretool.net.softnet.checks import CHECKS, drops, squeezed
from sretool.net.softnet.model import Limits, Softnet
from sretool.report.check import judge


def line(packets=0, dropped=0, squeezed=0, rps=0, limited=0, backlog=0, cpu=0, width=15) -> str:
    values = [packets, dropped, squeezed, 0, 0, 0, 0, 0, 0, rps, limited, backlog, cpu, 0, backlog]
    return " ".join(f"{value:08x}" for value in values[:width]) + "\n"


def host(*lines: str, seconds: float = 0, **files) -> Fake:
    at = 1000 + seconds
    made = {read.STAT: "".join(lines), "/proc/sys/net/core/netdev_max_backlog": "1000\n", **files}
    return Fake(made, clock=Clock(at, at, at))


def seen(now: Fake, before: Fake | None = None) -> Softnet:
    return read.build(read.sample(now), None if before is None else read.sample(before))


def test_what_every_cpu_did_in_the_sample():
    before = host(line(packets=100, dropped=5), line(packets=2**32 - 10, squeezed=7, cpu=3))
    now = host(
        line(packets=150, dropped=5, backlog=9),
        line(packets=10, squeezed=8, dropped=2, rps=4, limited=1, cpu=3),
        seconds=2,
    )
    data = seen(now, before)
    assert [
        (row.cpu, row.packets_per_s, row.dropped, row.squeezed, row.rps, row.flow_limited, row.backlog)
        for row in data.cpus
    ] == [(3, 10.0, 2, 1, 4, 1, 0), (0, 25.0, 0, 0, 0, 0, 9)]
    assert (data.window_s, data.total, data.limits) == (2.0, 2, Limits(1000, None, None))


def test_columns_an_older_kernel_does_not_have():
    now, before = (
        host(line(dropped=4, width=9), line(width=11), seconds=1),
        host(line(width=9), line(width=11)),
    )
    first, second = seen(now, before).cpus
    assert (first.cpu, first.dropped, first.rps, first.backlog) == (0, 4, None, None)
    assert (second.cpu, second.rps, second.flow_limited, second.backlog) == (1, 0, 0, None)


def test_a_cpu_that_came_has_no_rates():
    data = seen(host(line(), line(packets=9, cpu=1), seconds=1), host(line()))
    assert {row.cpu: row.dropped for row in data.cpus} == {0: 0, 1: None}


@pytest.mark.parametrize("content", [errno.EACCES, "1 2\n", "x y z\n", f"{'1' * 17} 0 0\n"])
def test_unread_is_unknown(content):
    source = host(seconds=1, **{read.STAT: content})
    now = read.sample(source)
    assert [error.code for error in now.errors] == [
        "permission-denied" if content == errno.EACCES else "parse"
    ]
    outcomes = [verdict.outcome for verdict, _ in judge(CHECKS, read.build(now, read.sample(host(line()))))]
    assert outcomes == ["unknown"] * 2


def test_one_reading_is_unknown():
    assert [verdict.outcome for verdict, _ in judge(CHECKS, seen(host(line())))] == ["unknown"] * 2


@pytest.mark.parametrize(
    ("rule", "name", "count", "says"),
    [
        (drops, "dropped", 20, None),
        (drops, "dropped", 21, "21 packets were dropped in 2 s"),
        (squeezed, "squeezed", 20, None),
        (squeezed, "squeezed", 21, "stopped 21 times in 2 s"),
    ],
)
def test_above_the_threshold(rule, name, count, says):
    data = seen(host(line(), line(**{name: count, "cpu": 1}), seconds=2), host(line(), line(cpu=1)))
    [(verdict, findings)] = judge([rule], data)
    assert verdict.outcome == ("clear" if says is None else "found")
    for finding in findings:
        assert (finding.severity, finding.subject.id) == ("warning", "1")
        assert says in finding.summary
    others = [verdict.outcome for verdict, _ in judge([one for one in CHECKS if one is not rule], data)]
    assert others == ["clear"]


@given(st.binary(max_size=200))
def test_any_bytes_are_an_error_or_rows(raw):
    try:
        found = read.parse(raw)
    except ParseError:
        return
    assert all(len(values) >= 3 for values in found.values())
