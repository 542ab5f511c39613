from __future__ import annotations

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.dns.question import parse_name, parse_type, special_use
from sretool.errors import UsageError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (".", "."),
        ("example.com", "example.com."),
        ("Example.COM.", "Example.COM."),
        ("bücher.example", "xn--bcher-kva.example."),
        ("BÜCHER.example", "xn--bcher-kva.example."),
        ("faß.de", "xn--fa-hia.de."),
        ("_dmarc.example.org", "_dmarc.example.org."),
        ("*.example.org", "*.example.org."),
        ("a\\032b.example", "a\\032b.example."),
        ("x\x1b[31m.example", "x\\027[31m.example."),
        ("a" * 63 + ".example", "a" * 63 + ".example."),
    ],
)
def test_name(text: str, name: str) -> None:
    assert str(parse_name(text)) == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("a..b", "empty label"),
        (".a", "empty label"),
        ("a" * 64 + ".example", "63"),
        ("é" * 70, "63"),
        (".".join(["a" * 63] * 4) + ".b", "255"),
        ("a\\300b", "no DNS name"),
        ("☃.net", "no DNS name"),
        ("\udc80x.com", "no DNS name"),
        ("192.0.2.1", "address"),
        ("2001:db8::1", "address"),
    ],
)
def test_no_name(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_name(text)


def test_an_address_comes_with_the_name_to_ask_for() -> None:
    with pytest.raises(UsageError, match=r"ask 1\.2\.0\.192\.in-addr\.arpa PTR"):
        parse_name("192.0.2.1")


@given(st.text())
def test_any_text_is_a_name_or_a_usage_error(text: str) -> None:
    try:
        assert parse_name(text).is_absolute()
    except UsageError:
        pass


@pytest.mark.parametrize(
    ("text", "number"), [("A", 1), ("mx", 15), ("TYPE65", 65), ("type65280", 65280), ("ANY", 255)]
)
def test_type(text: str, number: int) -> None:
    assert parse_type(text) == number


@pytest.mark.parametrize(
    "text", ["", "NOPE", "AXFR", "ixfr", "OPT", "TYPE0", "TYPE70000", "TYPE-1", "é", "A A"]
)
def test_no_type(text: str) -> None:
    with pytest.raises(UsageError):
        parse_type(text)


def test_swapped_name_and_type() -> None:
    with pytest.raises(UsageError, match="name comes first"):
        parse_type("example.com")


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("localhost", "localhost"),
        ("printer.local", "local"),
        ("x.home.arpa", "home.arpa"),
        ("x.onion.", "onion"),
    ],
)
def test_special_use(text: str, domain: str) -> None:
    assert special_use(dns.name.from_text(text)) == domain


def test_an_ordinary_name_has_no_special_use() -> None:
    assert special_use(dns.name.from_text("local.example.com")) is None
