"""Who announces an address in BGP: from Team Cymru's zone, or from an MMDB file of the user's."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from sretool.errors import UsageError
from sretool.report.escape import text

ZONE = "asn.cymru.com"
"""https://www.team-cymru.com/ip-asn-mapping (DNS)."""
LONGEST_NAME = 100
LONGEST_ZONE = 180  # 253 (RFC 1035 2.3.4) less `origin6.` and the 64 characters of a reversed address
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
LARGEST_ASN = 2**32 - 1  # RFC 6793


class Origin(Struct, frozen=True):
    """Who announces an address in BGP."""

    asn: Annotated[int | None, Meta(description="origin AS; null: announced by none")]
    prefix: Annotated[str | None, Meta(description="announced prefix, where the source names it")] = None
    name: Annotated[str | None, Meta(description="name of the AS")] = None
    country: Annotated[str | None, Meta(description="country code of the registration")] = None
    source: Annotated[str, Meta(description="the DNS zone asked, or the file read")] = ""


def zone(given: str) -> str:
    """The zone of `--asn-zone`, as a name in lower case without the last dot.

    Raises:
        UsageError: it cannot be a zone under which addresses are asked.
    """
    name = given.removesuffix(".").lower()
    if len(name) > LONGEST_ZONE or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise UsageError("--asn-zone", f"{given!r} is no DNS zone", f"give one like {ZONE}")
    return name


def announced(address: str) -> bool:
    """May it be announced in BGP at all? Private, loopback, link-local, shared and documentation
    addresses may not (IANA's special-purpose registries), and are asked about nowhere.
    """
    import ipaddress  # only where an AS is wanted: the model of every trace is made of this file's Origin

    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_global
    except ValueError:
        return False


def origin(records: Sequence[bytes], address: str, zone: str) -> Origin:
    """What the TXT records of `origin.ZONE` say: `64500 64501 | 192.0.2.0/24 | US | arin | 2001-01-01`.
    Of several the longest prefix that holds the address, of several ASes the first; a record that is
    not of that form is no record.
    """
    import ipaddress

    best = Origin(None, source=zone)
    longest = -1
    ip = ipaddress.ip_address(address)
    for record in records:
        fields = _fields(record)
        numbers = [number for number in map(_asn, fields[0].split()) if number is not None]
        try:
            network = ipaddress.ip_network(fields[1]) if len(fields) > 1 else None
        except ValueError:
            continue
        if network is None or not numbers or network.version != ip.version or ip not in network:
            continue
        if network.prefixlen > longest:
            longest = network.prefixlen
            country = _country(fields[2]) if len(fields) > 2 else None
            best = Origin(numbers[0], str(network), None, country, zone)
    return best


def as_name(records: Sequence[bytes]) -> str | None:
    """What the TXT record of `AS64500.ZONE` calls it: `64500 | US | arin | 2001-01-01 | EXAMPLE, US`."""
    for record in records:
        fields = _fields(record)
        if len(fields) > 4 and _asn(fields[0]) is not None:
            return _name(fields[4].removesuffix(f", {fields[1]}"))
    return None


def _fields(record: bytes) -> list[str]:
    return [field.strip() for field in text(record).split("|")]


def _asn(field: object) -> int | None:
    """An AS number as any source writes it: 64500, "64500", "AS64500"."""
    digits = str(field).removeprefix("AS")
    if isinstance(field, bool) or not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        return None
    return int(digits) if int(digits) <= LARGEST_ASN else None


def _country(field: object) -> str | None:
    word = str(field)
    return word if len(word) == 2 and word.isascii() and word.isalpha() else None


def _name(field: object) -> str | None:
    return str(field)[:LONGEST_NAME] or None if isinstance(field, str) else None


class _Keys(NamedTuple):
    """The keys of what one kind of file holds, the first that is there."""

    asn: tuple[str, ...] = ("autonomous_system_number", "asn")  # GeoLite2-ASN; IPinfo Lite
    name: tuple[str, ...] = ("autonomous_system_organization", "as_name", "name")
    country: tuple[str, ...] = ("country_code", "country")


class OriginFile:
    """An MMDB file: MaxMind's GeoLite2-ASN, or IPinfo's.

    Raises:
        UsageError: the library is not installed; there is no such file, or it is no MMDB file.
    """

    def __init__(self, path: str) -> None:
        self.source = os.path.basename(path)
        try:
            library: Any = importlib.import_module("maxminddb")
        except ModuleNotFoundError:
            raise UsageError(
                "--asn-file", "reading it needs maxminddb", "pip install 'sretool[mmdb]'"
            ) from None
        if not os.path.isfile(path):  # a FIFO without a writer would block open(2) for ever
            why = "is no regular file" if os.path.exists(path) else "there is no such file"
            raise UsageError(path, why, "give an MMDB file, GeoLite2-ASN.mmdb")
        try:
            self._reader = library.open_database(path)
        except OSError as error:
            raise UsageError(path, os.strerror(error.errno or 0), "see ls -l") from None
        except Exception as error:
            # the library raises its InvalidDatabaseError, and for some bytes ValueError and others
            why = str(error).split(". ")[0][:120]
            raise UsageError(path, f"is no MMDB file: {why}", "give GeoLite2-ASN.mmdb") from None

    def find(self, address: str) -> Origin | None:
        """Who announces an address; an Origin without AS where the file has none, None where the file
        cannot be read there.
        """
        try:
            found = self._reader.get(address)
        except Exception:  # broken inside: any of the library's, or what Python raises for such bytes
            return None
        if not isinstance(found, dict):
            return Origin(None, source=self.source)
        keys = _Keys()
        number = _asn(_first(found, keys.asn))
        name, country = _name(_first(found, keys.name)), _country(_first(found, keys.country))
        # no prefix: a file's networks are pieces of what is announced, cut where a longer one lies inside
        return Origin(number, None, name, country, self.source)

    def close(self) -> None:
        """Give the file back."""
        self._reader.close()


def _first(found: dict[str, Any], keys: tuple[str, ...]) -> object:
    return next((found[key] for key in keys if key in found), "")
