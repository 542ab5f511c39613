"""What is asked of a name server about an address, and what its replies say. Loading dnspython takes
50 ms, so this file is imported by the thread that asks (names.py), and by nobody else.
"""

from __future__ import annotations

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename

PAYLOAD_BYTES = 1232  # RFC 9715: what passes without fragments
ANSWERS = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


def name_of(address: str) -> dns.message.QueryMessage:
    """The question for the name of an address (RFC 1035 3.5, RFC 3596 2.5)."""
    return _query(dns.reversename.from_address(address), dns.rdatatype.PTR)


def origin_of(address: str, zone: str) -> dns.message.QueryMessage:
    """The question for who announces it: reversed under `origin.ZONE`, or `origin6.ZONE`."""
    four, six = (dns.name.from_text(f"{label}.{zone}") for label in ("origin", "origin6"))
    return _query(dns.reversename.from_address(address, four, six), dns.rdatatype.TXT)


def as_of(number: int, zone: str) -> dns.message.QueryMessage:
    """The question for the name of an AS: `AS64500.ZONE`."""
    return _query(dns.name.from_text(f"AS{number}.{zone}"), dns.rdatatype.TXT)


def _query(name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.message.QueryMessage:
    query = dns.message.make_query(name, rdtype, use_edns=0, payload=PAYLOAD_BYTES)
    assert isinstance(query, dns.message.QueryMessage)
    return query


def reply_to(query: dns.message.QueryMessage, wire: bytes) -> dns.message.QueryMessage | None:
    """The message in `wire` when it is a reply to `query`: its id, its question (RFC 5452 9.1). Anything
    else is None, so that a forged or broken packet cannot end the wait for the real one.
    """
    try:
        reply = dns.message.from_wire(wire, ignore_trailing=True)
        answers = isinstance(reply, dns.message.QueryMessage) and query.is_response(reply)
    except Exception:  # from_wire raises struct.error, UnicodeDecodeError and more besides its own
        return None
    return reply if answers and isinstance(reply, dns.message.QueryMessage) else None


def answered(reply: dns.message.QueryMessage) -> bool:
    """Did the server answer, be it that there is nothing? SERVFAIL, REFUSED and the like say nothing."""
    return reply.rcode() in ANSWERS


def name(reply: dns.message.QueryMessage) -> str | None:
    r"""The name in a reply to `name_of`, in master-file text: `a.example`, odd bytes as \DDD. Of several
    the first of the alphabet, because servers rotate them. A truncated reply may hold some of many, and
    any of them will do.
    """
    names = sorted(
        text
        for text in (rdata.target.to_text(omit_final_dot=True) for rdata in _records(reply))
        if text != "."
    )
    return names[0] if names else None


def texts(reply: dns.message.QueryMessage) -> list[bytes]:
    """The TXT records in a reply, each as one string; empty where there are none."""
    return [b"".join(rdata.strings) for rdata in _records(reply)]


def _records(reply: dns.message.QueryMessage) -> list:  # type: ignore[type-arg]
    try:
        # along the CNAMEs of a delegation without an octet boundary (RFC 2317)
        found = reply.resolve_chaining().answer
    except dns.exception.DNSException:  # a chain that loops, an answer beside NXDOMAIN
        return []
    return list(found or ())
