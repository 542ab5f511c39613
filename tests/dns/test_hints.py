from __future__ import annotations

import ipaddress
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.dns import hints
from sretool.errors import UsageError

DEBIAN = Path("/usr/share/dns/root.hints")  # package dns-root-data


def test_built_in() -> None:
    found = hints.built_in()
    assert [str(name)[0] for name in found] == list("abcdefghijklm")
    for addresses in found.values():
        assert [ipaddress.ip_address(address).version for address in addresses] == [4, 6]


@pytest.mark.oracle
@pytest.mark.skipif(not DEBIAN.exists(), reason="dns-root-data is not installed")
def test_built_in_equals_the_file_distributions_ship() -> None:
    assert hints.read(str(DEBIAN)) == hints.built_in()


def test_named_root_format(tmp_path: Path) -> None:
    file = tmp_path / "hints"
    file.write_text(
        "; comment\n"
        ".                3600000      NS    A.Root.\n"
        "A.ROOT.          3600000  IN  A     127.1.0.1\n"
        "a.root.          3600000      AAAA  ::1\n"
        "                 3600000      A     127.1.0.2\n"
        ".                             NS    b.root.\n"
        "other.           3600000      A     127.1.0.9\n"
    )
    found = hints.read(str(file))
    assert {str(name).lower(): sorted(addresses) for name, addresses in found.items()} == {
        "a.root.": ["127.1.0.1", "127.1.0.2", "::1"],
        "b.root.": [],
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello\n",
        b"\x00\xff\xfe binary",
        b"\x7fELF\x02\x01\x01",
        b"nameserver 127.0.0.53\nsearch lan\n",
        b". 3600 NS a.root.\n",
        b". 3600 NS a.root.\na.root. 3600 A 1.2.3\n",
        b"a.root. 3600 A 127.0.0.1\n",
        b"$INCLUDE /etc/passwd\n",
        b"$GENERATE 1-100000000 a$ A 127.0.0.1\n",
        b". NS (\n",
        "é. NS a.\n".encode(),
        b"; " + b"x" * (hints.LARGEST_BYTES + 1),
    ],
)
def test_no_hints_file(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "hints"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        hints.read(str(file))
    assert "\n" not in str(caught.value)


def test_no_file_at_all(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # open(2) of it would wait for a writer
    for path in (tmp_path, tmp_path / "none", tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(UsageError):
            hints.read(str(path))
    with pytest.raises(UsageError):
        hints.read("nul\0byte")


@given(st.binary(max_size=200))
def test_any_bytes_are_hints_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any-hints"
    file.write_bytes(content)
    try:
        assert any(hints.read(str(file)).values())
    except UsageError:
        pass
