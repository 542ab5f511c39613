"""Where a trace starts: the names and addresses of the root servers."""

from __future__ import annotations

import os
import stat

import dns.name
import dns.rdatatype

from sretool.errors import UsageError

Hints = dict[dns.name.Name, list[str]]
"""Server name -> its addresses."""

LARGEST_BYTES = 1024 * 1024

# https://www.internic.net/domain/named.root, version 2024-10-15; b.root moved in November 2023.
_ROOT = {
    "a": ("198.41.0.4", "2001:503:ba3e::2:30"),
    "b": ("170.247.170.2", "2801:1b8:10::b"),
    "c": ("192.33.4.12", "2001:500:2::c"),
    "d": ("199.7.91.13", "2001:500:2d::d"),
    "e": ("192.203.230.10", "2001:500:a8::e"),
    "f": ("192.5.5.241", "2001:500:2f::f"),
    "g": ("192.112.36.4", "2001:500:12::d0d"),
    "h": ("198.97.190.53", "2001:500:1::53"),
    "i": ("192.36.148.17", "2001:7fe::53"),
    "j": ("192.58.128.30", "2001:503:c27::2:30"),
    "k": ("193.0.14.129", "2001:7fd::1"),
    "l": ("199.7.83.42", "2001:500:9f::42"),
    "m": ("202.12.27.33", "2001:dc3::35"),
}


def built_in() -> Hints:
    """The thirteen root servers."""
    return {
        dns.name.from_text(f"{letter}.root-servers.net."): list(addresses)
        for letter, addresses in _ROOT.items()
    }


def read(path: str) -> Hints:
    """The root servers a file in named.root format names.

    Raises:
        UsageError: it cannot be read, or is not such a file, or names no server with an address.
    """
    import dns.zonefile  # 12 ms that the built-in hints do not need

    raw = _bytes(path)
    try:
        # no $INCLUDE: the reader refuses it unless told otherwise
        rrsets = dns.zonefile.read_rrsets(raw.decode("ascii"), rdclass=None, default_ttl=3600000)
    except Exception as error:  # dnspython lets many kinds through for bytes that are no zone file
        line = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UsageError(path, f"is no hints file: {line}", "it takes the format of named.root") from None
    hints: Hints = {}
    for rrset in rrsets:
        if rrset.name == dns.name.root and rrset.rdtype == dns.rdatatype.NS:
            for rdata in rrset:
                hints.setdefault(rdata.target, [])
    for rrset in rrsets:
        if rrset.name in hints and rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            hints[rrset.name] += [rdata.address for rdata in rrset]
    if not any(hints.values()):
        raise UsageError(path, "names no root server with an address", "it takes the format of named.root")
    return hints


def _bytes(path: str) -> bytes:
    try:
        # a FIFO without a writer would block open(2) for ever
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise UsageError(path, "is no regular file", "give a file in named.root format")
            raw = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise UsageError(path, why, "give a file in named.root format") from None
    if len(raw) > LARGEST_BYTES:
        raise UsageError(path, "is larger than 1 MiB", "give a file in named.root format")
    return raw
