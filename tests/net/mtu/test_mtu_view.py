"""What people and scripts are told, from made-up measurements; and bytes from the network, mutated."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.command.run import Look
from sretool.net.mtu import view
from sretool.net.mtu.checks import CHECKS, wrong
from sretool.net.mtu.live import LiveSizes, _checksum, _Sent
from sretool.net.mtu.model import Advice, BlackHole, Connection, Hop, Mtu, Place, Uneven, WayBack
from sretool.probe.network import Reply
from sretool.probe.resolve import Address
from sretool.report.answer import Finding
from sretool.report.check import Verdict, judge
from sretool.report.table import Lines, Table, plain_text
from sretool.report.terminal import Terminal

HOLE = BlackHole(Place(2, "10.0.2.1"), Place(3, "10.0.3.1"), 1400, 1401, True, "forward", None)


def measured(**changed: Any) -> Mtu:
    hops = [Hop(ttl, f"10.0.{ttl}.1", [f"10.0.{ttl}.1"], 1.0, 1500, None) for ttl in (1, 2, 3)]
    values: dict[str, Any] = {
        "target": "db", "address": "10.0.3.1", "source_address": "10.0.0.1", "interface": None,
        "methods": ["udp-recverr", "icmp-raw"], "cannot_see": [], "port": 33434, "path_mtu_bytes": 1500,
        "widest_way_bytes": None, "reached": True, "end_reason": "measured", "end_address": None,
        "target_ttl": 3, "target_ttl_exact": True, "asked_bytes": 1500, "link": "eth0",
        "link_mtu_bytes": 1500, "route_mtu_bytes": None, "kernel_mtu_bytes": 1500, "cached_mtu_bytes": None,
        "cached_expires_s": None, "tcp_mtu_probing": 0, "black_hole": None, "further_black_holes": [],
        "uneven": None, "way_back": None, "advertised": [], "connections": [], "hops": hops, "total": 3,
        "probes_sent": 33,
        "stray_replies": 0, "network_ms": 3.0,
    }  # fmt: skip
    return Mtu(**{**values, **changed})


def connection(packet: int, retransmits: int = 0, process: str | None = None) -> Connection:
    mss = packet - 52
    return Connection(
        "10.0.0.1", 40000, 5432, "established", 1500, mss, packet, retransmits, packet > 1400, 7, process
    )


def judged(data: Mtu) -> tuple[dict[str, Verdict], list[Finding]]:
    verdicts = list(judge(CHECKS, data))
    return {verdict.id: verdict for verdict, _ in verdicts}, [one for _, found in verdicts for one in found]


def text(data: Mtu) -> str:
    data.checks = list(judged(data)[0].values())
    blocks = view.mtu(data, Look((), Terminal(False, 80, None, False, True), False))
    lines = []
    for block in blocks:
        if isinstance(block, Lines):
            lines += [plain_text(line) for line in block.lines]
        else:
            assert isinstance(block, Table)
            lines += [" ".join(column.cell(row) for column in block.columns) for row in block.rows]
    return "\n".join(lines)


def test_nothing_is_said_of_a_healthy_path() -> None:
    verdicts, findings = judged(measured())
    assert findings == []
    assert {verdict.outcome for verdict in verdicts.values()} == {"clear", "not-applicable"}
    assert "path MTU 1500 bytes; 33 packets" in text(measured())
    assert "our link takes 1500 (eth0)" in text(measured())


def test_a_black_hole_and_who_hangs() -> None:
    data = measured(
        black_hole=HOLE,
        path_mtu_bytes=1400,
        connections=[connection(1500, 3, "postgres"), connection(1500, 0, "psql"), connection(1200)],
    )
    (finding,) = judged(data)[1]
    assert finding.severity == "critical"
    assert "between hop 2 (10.0.2.1) and the target (10.0.3.1)" in finding.summary
    assert (
        "2 live TCP connections to it (postgres[7], psql[7]) hang with the first full segment"
        in finding.summary
    )
    assert "1 of them already" in finding.summary
    assert [item.value for item in finding.evidence if "full segment" in item.what] == [1500, 1500]
    shown = text(data)
    assert "nothing over 1400 gets here" in shown
    assert "3 live TCP connections to it, packets of up to 1500 bytes; 2 of them hang" in shown


def test_one_that_hangs_now() -> None:
    data = measured(black_hole=HOLE, path_mtu_bytes=1400, connections=[connection(1500, 2)])
    assert "1 live TCP connection to it hangs now" in judged(data)[1][0].summary


def test_what_only_echoes_tell_may_be_the_way_back() -> None:
    unsure = BlackHole(Place(2, "10.0.2.1"), None, 1400, 1500, False, "unknown", None)
    (finding,) = judged(measured(black_hole=unsure, path_mtu_bytes=1400, methods=["icmp-raw"]))[1]
    assert "or on the way back" in finding.summary
    assert "between them is not known" in finding.summary


def test_one_witness_is_no_proof() -> None:
    found = judged(measured(black_hole=HOLE, path_mtu_bytes=None, reached=False, end_reason="silent"))[1]
    assert [(one.id, one.severity) for one in found] == [("mtu.black-hole", "warning")]
    assert "only one hop behind it answers" in found[0].summary
    hops = [Hop(ttl, "10.0.9.1", ["10.0.9.1"], 1.0, 1400, None) for ttl in (2, 3, 4)]
    more = measured(black_hole=HOLE, path_mtu_bytes=None, reached=False, end_reason="silent", hops=hops)
    assert judged(more)[1][0].severity == "critical"


def test_uneven_ways() -> None:
    data = measured(uneven=Uneven([4, 5], 1500, 8, 3, 6))
    (finding,) = judged(data)[1]
    assert (finding.id, finding.severity) == ("mtu.uneven-ways", "warning")
    assert "3 of 8 packets of 1500 bytes to hops 4, 5 were lost" in finding.summary
    assert "some flows lose packets of 1500 bytes" in text(data)
    assert judged(measured(port=None))[0]["mtu.uneven-ways"].outcome == "unknown"


def test_unknown_is_never_clear() -> None:
    for reason in ("silent", "unsettled", "interrupted", "deadline", "unreachable"):
        data = measured(path_mtu_bytes=None, end_reason=reason, reached=False, target_ttl=None)
        assert judged(data)[0]["mtu.black-hole"].outcome == "unknown", reason
        assert "path MTU not known" in text(data)
    assert "1500 bytes get as far as hop 3" in text(
        measured(path_mtu_bytes=None, reached=False, end_reason="silent")
    )
    blind = measured(methods=["udp-recverr"])
    assert judged(blind)[0]["mtu.way-back"].outcome == "unknown"
    assert "way back not known" in text(blind)


def test_the_way_back() -> None:
    (finding,) = judged(measured(way_back=WayBack(1404, 1405, True)))[1]
    assert (finding.id, finding.severity) == ("mtu.way-back", "warning")


def test_what_the_kernel_has_learnt() -> None:
    data = measured(kernel_mtu_bytes=1300, cached_mtu_bytes=1300, cached_expires_s=60.0)
    assert [found.id for found in judged(data)[1]] == ["mtu.learnt-too-small"]
    assert "the kernel had learnt 1300" in text(data)
    same = measured(cached_mtu_bytes=1400, path_mtu_bytes=1400)
    assert [found.id for found in judged(same)[1]] == ["mtu.reduced"]


@pytest.mark.parametrize(
    ("mtu", "asked", "passes", "family", "words"),
    [
        (0, 1500, None, 4, "not what fits"),
        (1500, 1500, 1400, 4, "for a packet of 1500"),
        (1450, 1500, 1400, 4, "only 1400 get past it"),
        (552, 1500, 552, 4, "less than the 576"),
        (1200, 1500, 1200, 6, "less than the 1280"),
        (1400, 1500, 1400, 4, ""),
        (1400, 1500, None, 6, ""),
    ],
)
def test_wrong_advice(mtu: int, asked: int, passes: int | None, family: int, words: str) -> None:
    said = wrong(Advice("10.0.2.1", 2, mtu, asked, passes), family)
    assert words in said
    assert bool(said) == bool(words)


def echoes(family: int, method: Any) -> LiveSizes:
    """A network whose sockets are never used: what it does with what they receive."""
    network = object.__new__(LiveSizes)
    network._target = Address(family, "10.0.3.1" if family == 4 else "fd00::1", 0)
    network.echo = method
    network._ident = 0x1234
    network._echoes = {5: _Sent(5, None, b"TOKENTOK\0\0\0\5", 0.0)}  # type: ignore[arg-type]
    return network


EXACT = struct.pack("!BBHHH", 0, 0, 0, 0x1234, 5) + b"TOKENTOK\0\0\0\5" + bytes(40)
HEADER = b"\x45" + bytes(19)


def test_an_echo_reply_is_ours_by_sequence_identifier_and_token() -> None:
    network = echoes(4, "icmp-raw")
    found = network._read_echo(HEADER + EXACT, [], error=False)
    assert found is not None
    assert (found.probe, found.address, found.icmp_type) == (5, "10.0.3.1", 0)
    assert network._read_echo(HEADER + EXACT[:8] + b"X" + EXACT[9:], [], error=False) is None
    assert network._read_echo(HEADER + EXACT[:4] + b"\x99" + EXACT[5:], [], error=False) is None
    assert network._read_echo(HEADER + b"\x08" + EXACT[1:], [], error=False) is None


@given(
    st.binary(max_size=120),
    st.booleans(),
    st.sampled_from(["icmp-raw", "icmp-datagram"]),
    st.sampled_from([4, 6]),
)
def test_any_bytes_are_a_reply_or_nothing(data: bytes, error: bool, method: str, family: int) -> None:
    found = echoes(family, method)._read_echo(data, [], error=error)
    assert found is None or isinstance(found, Reply)


@given(st.integers(0, len(HEADER + EXACT) - 1), st.integers(0, 255), st.integers(0, 60))
def test_mutated_replies(at: int, byte: int, cut: int) -> None:
    frame = bytearray(HEADER + EXACT)
    frame[at] = byte
    found = echoes(4, "icmp-raw")._read_echo(bytes(frame[: len(frame) - cut]), [], error=False)
    assert found is None or found.probe == 5


def test_the_checksum_is_that_of_rfc_1071() -> None:
    assert _checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
