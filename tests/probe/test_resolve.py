from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from sretool.errors import Unresolvable, UsageError
from sretool.probe.resolve import Address, resolve


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", Address(4, "127.0.0.1", 0)),
        ("::1", Address(6, "::1", 0)),
        ("0:0:0:0:0:0:0:1", Address(6, "::1", 0)),
        ("::ffff:192.0.2.1", Address(4, "192.0.2.1", 0)),
        ("fe80::1%lo", Address(6, "fe80::1", 1)),
    ],
)
def test_addresses_need_no_resolver(host: str, expected: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "Thread", None)
    assert resolve(host, None, 0.0) == [expected]


def test_a_zone_is_shown() -> None:
    (address,) = resolve("fe80::1%lo", None, 0.0)
    assert address.text == "fe80::1%lo"
    assert address.link_local
    assert not resolve("2001:db8::1", None, 0.0)[0].link_local


@pytest.mark.parametrize(
    "host",
    [
        "", "a b", "a\x1b[31mb", "a\nb", "\x7f", "-v", "a" * 64, "a." * 127 + "a", "a..b.c\u2603" + "x" * 80,
        "\udcff", "fe80::1%nope", "1::2::3", "a\0b",
    ],
)  # fmt: skip
def test_what_no_host_can_be(host: str) -> None:
    with pytest.raises(UsageError):
        resolve(host, None, 0.1)


def test_the_other_family() -> None:
    with pytest.raises(UsageError, match="IPv4 address"):
        resolve("127.0.0.1", 6, 0.1)
    with pytest.raises(UsageError, match="IPv6 address"):
        resolve("::1", 4, 0.1)


def _answers(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    real = socket.getaddrinfo

    def fake(host: bytes, port: None, family: int, type: int, proto: int, flags: int) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return real(host, port, family, type, proto, flags)
        return answer()

    monkeypatch.setattr(socket, "getaddrinfo", fake)


def test_a_resolver_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    _answers(monkeypatch, lambda: release.wait(30) and [])
    began = time.monotonic()
    try:
        with pytest.raises(Unresolvable, match="did not answer"):
            resolve("web.example", None, 0.05)
        assert time.monotonic() - began < 10
    finally:
        release.set()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (socket.EAI_NONAME, "no address"),
        (socket.EAI_AGAIN, "no name server"),
        (socket.EAI_FAIL, "name server failed"),
        (-12345, "error -12345"),
    ],
)
def test_why_there_is_no_address(monkeypatch: pytest.MonkeyPatch, number: int, said: str) -> None:
    def fail() -> Any:
        raise socket.gaierror(number, "x")

    _answers(monkeypatch, fail)
    with pytest.raises(Unresolvable, match=said) as caught:
        resolve("web.example", None, 5)
    assert caught.value.exit_code == 3


def test_the_order_of_the_resolver_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("2001:db8::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 0)),
    ]
    _answers(monkeypatch, lambda: rows)
    assert [address.ip for address in resolve("web.example", None, 5)] == ["2001:db8::1", "192.0.2.1"]
