"""resolv.conf as glibc reads it, and --resolver."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sretool.errors import UsageError
from sretool.probe.nameservers import NameServer, of_host, parse

LOCAL = [NameServer(socket.AF_INET, "127.0.0.1")]


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.1\n", ["192.0.2.1#53"]),
        ("nameserver\t192.0.2.1", ["192.0.2.1#53"]),
        ("nameserver   192.0.2.1  trailing words", ["192.0.2.1#53"]),
        ("nameserver 2001:db8::53\nnameserver 192.0.2.1\n", ["2001:db8::53#53", "192.0.2.1#53"]),
        ("nameserver fe80::1%lo\n", ["fe80::1%lo#53"]),
        ("nameserver 127.1\n", ["127.0.0.1#53"]),
        ("nameserver 192.0.2.1\n" * 5, ["192.0.2.1#53"] * 3),
        (" nameserver 192.0.2.1\n", None),
        ("#nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameservers 192.0.2.3\n", None),
        ("nameserver\nnameserver dns.example\nnameserver 1.2.3.4.5\nnameserver fe80::1%nope\n", None),
        ("nameserver #192.0.2.1\noptions timeout:1\nsearch a.example\n\0\n", None),
        ("", None),
    ],
)
def test_resolv_conf(tmp_path: Path, text: str, servers: list[str] | None) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    found = of_host(str(path))
    assert found == LOCAL if servers is None else [server.text for server in found] == servers


def test_no_file_and_odd_bytes(tmp_path: Path) -> None:
    assert of_host(str(tmp_path / "none")) == LOCAL
    (tmp_path / "odd").write_bytes(b"nameserver \xff\xfe\nnameserver 192.0.2.1\r\n\x1b")
    assert of_host(str(tmp_path / "odd")) == LOCAL  # as glibc: the CR is part of the word


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("192.0.2.1", "192.0.2.1#53"),
        ("127.0.0.1#5353", "127.0.0.1#5353"),
        ("127.0.0.1:5353", "127.0.0.1#5353"),
        ("::1", "::1#53"),
        ("::1#5353", "::1#5353"),
        ("[::1]:5353", "::1#5353"),
        ("fe80::1%lo#5353", "fe80::1%lo#5353"),
    ],
)
def test_resolver(given: str, text: str) -> None:
    assert parse(given).text == text


@pytest.mark.parametrize(
    "given",
    ["", "#53", "dns.example", "1.2.3.4#", "1.2.3.4#0", "1.2.3.4#65536", "1.2.3.4#x", "1.2.3.4:-1",
     "[::1", "::1#\u0661", "[::1]", "1.2.3.4#9999999999999999999999", "\u00fc", "1.2.3.4\0", "fe80::1%nope"],
)  # fmt: skip
def test_no_resolver(given: str) -> None:
    with pytest.raises(UsageError):
        parse(given)
