from __future__ import annotations

import pytest

from sretool.probe import icmp


@pytest.mark.parametrize(
    ("family", "type", "code", "said"),
    [
        (4, 11, 0, "time-exceeded"),
        (6, 3, 0, "time-exceeded"),
        (4, 11, 1, "reassembly-time-exceeded"),
        (4, 3, 3, "port-unreachable"),
        (6, 1, 4, "port-unreachable"),
        (4, 3, 13, "admin-prohibited"),
        (6, 1, 1, "admin-prohibited"),
        (6, 2, 0, "packet-too-big"),
        (4, 12, 1, "parameter-problem"),
        (4, 3, 99, "unknown-3-99"),
        (6, 200, 7, "unknown-200-7"),
    ],
)
def test_words(family: int, type: int, code: int, said: str) -> None:
    assert icmp.words(family, type, code) == said


def test_the_sets_name_only_words_there_are() -> None:
    every = {icmp.words(family, kind, code) for family in (4, 6) for kind in (1, 3) for code in range(16)}
    assert every >= icmp.PROHIBITED | (icmp.FROM_THE_END - {icmp.ECHO_REPLY})
    assert not icmp.FROM_THE_END & icmp.PROHIBITED
    assert icmp.TIME_EXCEEDED not in icmp.FROM_THE_END | icmp.PROHIBITED


@pytest.mark.parametrize(("family", "code"), [(4, 1), (4, 13), (4, 77), (6, 0), (6, 77)])
def test_whoever_says_unreachable_refuses_whatever_the_code(family: int, code: int) -> None:
    said = icmp.words(family, icmp.UNREACHABLE_TYPE[family], code)
    assert said not in icmp.FROM_THE_END
