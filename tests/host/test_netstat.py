from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError, SretoolError
from sretool.host import netstat
from sretool.host.fake import Fake
from sretool.host.live import Live

NETSTAT = b"TcpExt: ListenOverflows ListenDrops\nTcpExt: 3 4\nIpExt: InOctets\nIpExt: 18446744073709551615\n"
SNMP = b"Tcp: RtoAlgorithm MaxConn OutSegs RetransSegs\nTcp: 1 -1 1000 12\n"


def test_names_pair_with_values():
    assert netstat.parse(NETSTAT) == {
        "TcpExt.ListenOverflows": 3,
        "TcpExt.ListenDrops": 4,
        "IpExt.InOctets": 2**64 - 1,
    }
    assert netstat.parse(SNMP)["Tcp.MaxConn"] == -1
    assert netstat.parse(b"") == {}


@pytest.mark.parametrize(
    "raw",
    [
        b"TcpExt: A B\nTcpExt: 1\n",
        b"TcpExt: A\n",
        b"TcpExt: A\nIpExt: 1\n",
        b"TcpExt: A\nTcpExt: x\n",
        b"no colon\nno colon\n",
    ],
)
def test_what_does_not_pair_is_refused(raw):
    with pytest.raises(ParseError):
        netstat.parse(raw)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda tail: NETSTAT + tail)))
def test_any_bytes_give_counters_or_parse_error(raw):
    try:
        found = netstat.parse(raw)
    except ParseError:
        return
    assert all(isinstance(value, int) for value in found.values())


def test_one_bad_file_costs_only_itself():
    errors: list[SretoolError] = []
    found = netstat.read(Fake({netstat.FILES[0]: b"TcpExt: A\n", netstat.FILES[1]: SNMP}), errors)
    assert found["Tcp.OutSegs"] == 1000
    assert [error.code for error in errors] == ["parse"]


def test_increase_is_unknown_when_backwards_or_missing():
    assert netstat.increase({"a": 5}, {"a": 3}, "a") == 2
    assert netstat.increase({"a": 3}, {"a": 5}, "a") is None
    assert netstat.increase({"a": 3}, {}, "a") is None
    assert netstat.increase({}, {"a": 3}, "a") is None


@pytest.mark.oracle
def test_agrees_with_nstat(tmp_path):
    import json
    import shutil

    if shutil.which("nstat") is None:
        pytest.skip("nstat is not here")
    errors: list[SretoolError] = []
    before = netstat.read(Live(), errors)
    done = subprocess.run(
        ["nstat", "-aszj"],
        env={"NSTAT_HISTORY": str(tmp_path / "history"), "PATH": "/usr/bin:/usr/sbin:/sbin:/bin"},
        capture_output=True,
        check=True,
    )
    after = netstat.read(Live(), errors)
    theirs = json.loads(done.stdout)["kernel"]
    assert not errors
    for name in ("TcpExt.ListenOverflows", "TcpExt.ListenDrops", "Tcp.OutSegs", "Tcp.RetransSegs"):
        assert before[name] <= theirs[name.replace(".", "")] <= after[name]


def test_every_line_of_this_kernel_parses():
    for path in netstat.FILES:
        if Path(path).exists():
            assert netstat.parse(Path(path).read_bytes(), path)
