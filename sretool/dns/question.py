"""From what the user typed to a question: a DNS name and a record type."""

from __future__ import annotations

import dns.exception
import dns.name
import dns.rdatatype

from sretool.errors import UsageError

# RFC 6761, 6762, 7686, 8375, 9476: names that are answered on the host or the link. Asked of the
# root they leak, and the answer says nothing about how this host resolves them.
SPECIAL_USE = ("alt", "home.arpa", "invalid", "local", "localhost", "onion", "test")
_NOT_TRACED = {"AXFR", "IXFR", "OPT", "TSIG", "TKEY", "MAILA", "MAILB", "NONE"}


def parse_name(text: str) -> dns.name.Name:
    r"""An absolute name from presentation form: `example.com`, `bücher.example`, `a\032b.example`.

    Raises:
        UsageError: it is empty, too long, or no possible name.
    """
    if not text:
        raise UsageError("NAME", "is empty", "give a name, or . for the root")
    reverse = _reverse(text)
    if reverse:
        raise UsageError(text, "is an address", f"for its name ask {reverse} PTR")
    try:
        if text.isascii():
            return dns.name.from_text(text)
        return dns.name.from_text(text, idna_codec=dns.name.IDNA_2008_UTS_46)
    except dns.name.LabelTooLong:
        raise UsageError(text, "has a label of more than 63 bytes", "see RFC 1035 2.3.4") from None
    except dns.name.NameTooLong:
        raise UsageError(text, "is longer than 255 bytes", "see RFC 1035 2.3.4") from None
    except dns.name.EmptyLabel:
        raise UsageError(text, "has an empty label", "two dots stand side by side") from None
    except Exception as error:  # dnspython 2.8 lets struct.error through for \300
        why = (
            str(error) if isinstance(error, dns.exception.DNSException) else "an escape is \\DDD up to \\255"
        )
        raise UsageError(text, "is no DNS name", why) from None


def _reverse(text: str) -> str:
    import ipaddress

    try:
        return ipaddress.ip_address(text.rstrip(".")).reverse_pointer
    except ValueError:
        return ""


def parse_type(text: str) -> dns.rdatatype.RdataType:
    """A record type: `MX`, `mx`, `TYPE65`.

    Raises:
        UsageError: no such type, or none that a trace can ask for.
    """
    try:
        found = dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        found = None
    if found is None or found == 0:
        hint = "the name comes first, then the type" if "." in text else "A, AAAA, MX, NS, TXT, … or TYPE65"
        raise UsageError(text, "is no record type", hint)
    if dns.rdatatype.to_text(found) in _NOT_TRACED:
        raise UsageError(text, "is no type that a trace can ask for", "A, AAAA, MX, NS, TXT, … or TYPE65")
    return found


def special_use(name: dns.name.Name) -> str | None:
    """The special-use domain `name` lies in, None when the public root may be asked."""
    for text in SPECIAL_USE:
        if name.is_subdomain(dns.name.from_text(text)):
            return text
    return None
