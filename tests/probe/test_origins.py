"""AS origins: TXT records of a zone that may lie, and MMDB files that may be anything."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import mmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import UsageError
from sretool.probe import origins
from sretool.probe.origins import Origin, OriginFile, announced, as_name, origin

Z = "asn.lab"


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([b"64500 | 9.9.0.0/16 | CH | ripencc | 2001-01-01"], Origin(64500, "9.9.0.0/16", None, "CH", Z)),
        ([b"64500 64501 | 9.9.9.0/24 | US | arin | "], Origin(64500, "9.9.9.0/24", None, "US", Z)),
        (
            [b"1 | 9.0.0.0/8 | US | arin | ", b"2 | 9.9.9.0/24 | DE | x | ", b"3 | 9.9.0.0/16 | FR | x | "],
            Origin(2, "9.9.9.0/24", None, "DE", Z),
        ),
        ([b"64500 | 9.9.9.0/24"], Origin(64500, "9.9.9.0/24", None, None, Z)),
        ([b"64500 | 9.9.9.0/24 |  | x | "], Origin(64500, "9.9.9.0/24", None, None, Z)),
    ],
)
def test_records_of_the_origin_zone(records: list[bytes], found: Origin) -> None:
    assert origin(records, "9.9.9.9", Z) == found


@pytest.mark.parametrize(
    "record",
    [
        b"", b"|", b"64500", b"AS | 9.9.9.0/24", b"-1 | 9.9.9.0/24 | US", b"4294967296 | 9.9.9.0/24 | US",
        b"1 | 8.8.8.0/24 | US", b"1 | 2001:db8::/32 | US", b"1 | 9.9.9.0/33 | US", b"1 | 9.9.9.9/24 | US",
        b"\xff\xfe | \x1b[31m | \0", "\u0661 | 9.9.9.0/24 | US".encode(),
    ],
)  # fmt: skip
def test_what_is_no_such_record_names_no_as(record: bytes) -> None:
    assert origin([record], "9.9.9.9", Z) == Origin(None, source=Z)


def test_ipv6_and_odd_countries() -> None:
    found = origin([b"64500 | 2620:fe::/48 | U\x1b | arin | "], "2620:fe::9", Z)
    assert found == Origin(64500, "2620:fe::/48", None, None, Z)


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (b"64500 | US | arin | 2001-01-01 | EXAMPLE, US", "EXAMPLE"),
        (b"64500 | US | arin | 2001-01-01 | EXAMPLE - Example, Inc., US", "EXAMPLE - Example, Inc."),
        (b"64500 | DE | ripencc |  | Beispiel \xc3\xbc, DE", "Beispiel \u00fc"),
        (b"64500 | US | arin | 2001-01-01 | " + b"x" * 2000, "x" * 100),
        (b"64500 | US | arin | 2001-01-01 | ", None),
        (b"64500 | US", None),
        (b"64500 | US | arin | 2001-01-01 | a\xffb", "a\\xffb"),
    ],
)
def test_the_name_of_an_as(record: bytes, name: str | None) -> None:
    assert as_name([record]) == name


@given(
    st.lists(st.binary(max_size=80) | st.text("0123456789|. /:aAS", max_size=60).map(str.encode), max_size=4)
)
def test_no_record_is_too_odd(records: list[bytes]) -> None:
    found = origin(records, "9.9.9.9", Z)
    assert found.asn is None or 0 <= found.asn < 2**32
    (as_name(records) or "").encode()


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "192.0.2.1",
     "0.0.0.0", "198.51.100.1", "203.0.113.1", "::1", "fe80::1%lo", "fd00::1", "2001:db8::1", "nonsense"],
)  # fmt: skip
def test_what_nobody_can_announce_is_asked_nowhere(address: str) -> None:
    assert not announced(address)


def test_public_addresses_are_asked() -> None:
    assert announced("9.9.9.9")
    assert announced("2620:fe::9")


@pytest.mark.parametrize(
    "zone", ["", ".", "a..b", "a b", "a" * 64, "a." * 91 + "a", "\u00fc.lab", "a;b", "a/b"]
)
def test_no_zone(zone: str) -> None:
    with pytest.raises(UsageError):
        origins.zone(zone)


def test_a_zone() -> None:
    assert origins.zone("ASN.Lab.") == "asn.lab"
    assert origins.zone(origins.ZONE) == "asn.cymru.com"


GEOLITE = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example"}
IPINFO = {"asn": "AS64501", "as_name": "Beispiel GmbH", "as_domain": "b.example", "country_code": "DE"}
IPINFO_OLD = {"asn": "AS64502", "name": "Older", "domain": "o.example", "country": "FR"}


@pytest.mark.parametrize("record_size", [24, 28, 32])
def test_files_of_both_shapes(tmp_path: Path, record_size: int) -> None:
    path = mmdb.write(
        tmp_path / "asn.mmdb",
        {"9.0.0.0/8": GEOLITE, "9.9.9.0/24": IPINFO, "2620:fe::/48": IPINFO_OLD, "11.0.0.0/8": "odd"},
        record_size=record_size,
    )
    file = OriginFile(str(path))
    assert file.find("9.1.2.3") == Origin(64500, None, "Example", None, "asn.mmdb")
    assert file.find("9.9.9.9") == Origin(64501, None, "Beispiel GmbH", "DE", "asn.mmdb")
    assert file.find("2620:fe::9") == Origin(64502, None, "Older", "FR", "asn.mmdb")
    for none in ("8.8.8.8", "2001:db8::1", "11.1.1.1"):
        assert file.find(none) == Origin(None, source="asn.mmdb")
    file.close()


def test_fields_of_another_kind(tmp_path: Path) -> None:
    odd = {"autonomous_system_number": {"a": 1}, "autonomous_system_organization": 5, "country": "DEU"}
    path = mmdb.write(tmp_path / "a.mmdb", {"9.0.0.0/8": odd})
    found = OriginFile(str(path)).find("9.1.1.1")
    assert found is not None
    assert (found.asn, found.name, found.country) == (None, None, None)


@pytest.mark.parametrize(
    "raw", [b"", b"x" * 4096, mmdb.MARKER, mmdb.MARKER + b"\xff" * 64, b"\0" * 64 + mmdb.MARKER + b"\xe0"]
)
def test_what_is_no_mmdb_file(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "not.mmdb"
    path.write_bytes(raw)
    with pytest.raises(UsageError, match="no MMDB file") as caught:
        OriginFile(str(path))
    assert len(str(caught.value)) < 400


def test_no_file_and_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="no such file"):
        OriginFile(str(tmp_path / "nope"))
    for name in ("fifo", "."):
        with pytest.raises(UsageError, match="no regular file"):
            OriginFile(str(tmp_path / name))


@given(data=st.data())
def test_a_broken_file_gives_nothing_rather_than_a_crash(tmp_path_factory: Any, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("broken") / "broken.mmdb"
    raw = bytearray(mmdb.write(path, {"9.0.0.0/8": GEOLITE, "2620:fe::/48": IPINFO}).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        file = OriginFile(str(path))
    except UsageError:
        return
    for address in ("9.9.9.9", "2620:fe::9", "8.8.8.8"):
        found = file.find(address)
        assert found is None or found.asn is None or 0 <= found.asn < 2**32
    file.close()


def test_without_the_library_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def none(name: str, package: str | None = None) -> Any:
        if name == "maxminddb":
            raise ModuleNotFoundError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", none)
    with pytest.raises(UsageError, match=r"pip install 'sretool\[mmdb\]'"):
        OriginFile(str(tmp_path / "a.mmdb"))
