from __future__ import annotations

import io

import pytest
from paths import Path, straight
from ways import diamond, leg, searched

from sretool.net.trace.ecmp.model import LegSocket
from sretool.net.trace.ecmp.view import ways
from sretool.report.table import write


def shown(
    path: Path, columns: int | None = 80, *, unicode: bool = True, ports: int = 0, **more: object
) -> str:
    ecmp, _ = searched(path, **more)  # type: ignore[arg-type]
    for stretch in ecmp.diamonds:
        for each in stretch.legs:
            each.sockets = [
                LegSocket("tcp", "10.99.0.254", 40000 + n, "established", 812 + n // 5, "nginx")
                for n in range(ports)
            ]
    out = io.StringIO()
    write(ways(ecmp), out, columns, unicode)
    return out.getvalue()


def unwrapped(text: str) -> str:
    return text.replace("\n  ", " ")


def test_a_leg_that_loses() -> None:
    path = diamond(2, before=1, after=2, seed=4)
    leg(path, 1, 1).drop = 0.3
    text = shown(path, ports=14)
    lines = text.splitlines()
    assert lines[0].split() == ["TTL", "ADDRESS", "SHARE", "AVG", "ms", "END", "ms", "LOSS", "VERDICT"]
    (bad,) = (line for line in lines if line.endswith("loses packets"))
    assert bad.split()[0] == "10.99.2.2"
    (good,) = (line for line in lines if line.endswith("ok"))
    assert "0% (0%–4%)" in good
    text = unwrapped(text)
    assert "hop 2: 2 legs, balanced by flow; loss by the answers of 10.99.255.1, 100 probes" in text
    assert "our own connections on 10.99.2.2: nginx (812) ports 40000, 40001," in text
    assert "; nginx (813) ports 40005," in text
    assert "and 2 more connections" in text
    assert "no further legs, with 95% for each router" in text


def test_one_way() -> None:
    text = shown(straight(3))
    assert "one way: no hop has a second host, with 95% for each router" in text
    assert "LOSS" not in text


def test_silent_hops_are_folded() -> None:
    assert "3–5  no answer" in shown(straight(8, silent=(3, 4, 5)))


def test_what_is_not_known_is_said() -> None:
    text = unwrapped(shown(diamond(16), flows=64))
    assert "there may be more: " in text
    assert "more --flows would tell" in text
    assert "no further legs" not in text
    text = unwrapped(shown(diamond(2, burst=6, per_s=1.0), transport="udp"))
    assert "what the legs lose is not known: 10.99.255.1 limits its answers" in text
    assert "not known" in text


def test_by_packet() -> None:
    text = shown(diamond(2, by="packet"))
    assert text.count("by packet") == 3
    assert "LOSS" not in text


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("family", [4, 6])
def test_no_row_is_wider_than_the_terminal(columns: int, family: int) -> None:
    path = diamond(4, family=family)
    leg(path, 0).address = "fd99:1111:2222:3333:4444:5555:6666:7777" if family == 6 else "100.100.100.100"
    leg(path, 1).drop = 0.4
    lines = [line for line in shown(path, columns).splitlines() if not line.startswith("(no room for")]
    assert max(map(len, lines)) <= columns


def test_ascii() -> None:
    path = diamond(2)
    leg(path, 1).drop = 0.4
    assert shown(path, unicode=False).isascii()
