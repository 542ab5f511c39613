"""DNS messages: the bytes of a question, the match of a reply to it, and what a reply says."""

from __future__ import annotations

import enum
from typing import NamedTuple

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from sretool.errors import ParseError

PAYLOAD_BYTES = 1232  # RFC 9715: what passes without fragments
HEADER_BYTES = 12
FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 1, 2, 3, 4, 5
# Servers that could not read a question, or would not, may leave it out of the reply.
_QUESTION_OPTIONAL = (FORMERR, SERVFAIL, NOTIMP, REFUSED)


class Question(NamedTuple):
    """One question, and its bytes with EDNS and without; the id in both is zero."""

    name: dns.name.Name
    type: dns.rdatatype.RdataType
    wire: bytes
    plain: bytes


def question(name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Question:
    """A query without RD, as a resolver asks an authority; EDNS asks for the NSID (RFC 5001)."""
    options: list[dns.edns.Option] = [dns.edns.GenericOption(dns.edns.NSID, b"")]
    edns = dns.message.make_query(
        name, rdtype, use_edns=0, payload=PAYLOAD_BYTES, options=options, id=0, flags=0
    )
    plain = dns.message.make_query(name, rdtype, use_edns=False, id=0, flags=0)
    return Question(name, rdtype, edns.to_wire(), plain.to_wire())


def with_id(query: bytes, number: int) -> bytes:
    """The query under its own id."""
    return number.to_bytes(2, "big") + query[2:]


def answers(reply: bytes, query: bytes) -> bool:
    """Is `reply` a reply to `query` (RFC 5452 9.1)? Anything else is ignored, so that a forged or
    stray packet cannot end the wait for the real one.
    """
    if len(reply) < HEADER_BYTES or reply[:2] != query[:2]:
        return False
    if not reply[2] & 0x80 or reply[2] & 0x78:  # QR set, opcode QUERY
        return False
    asked = query[HEADER_BYTES : _question_end(query)]
    if reply[4:6] == b"\0\1":
        echoed = reply[HEADER_BYTES : HEADER_BYTES + len(asked)]
        # names are compared without regard to case (RFC 1035 2.3.3), type and class as they are
        return echoed[:-4].lower() == asked[:-4].lower() and echoed[-4:] == asked[-4:]
    return reply[4:6] == b"\0\0" and rcode(reply) in _QUESTION_OPTIONAL


def _question_end(query: bytes) -> int:
    at = HEADER_BYTES
    while query[at]:
        at += query[at] + 1
    return at + 5


def rcode(reply: bytes) -> int:
    """The header's four bits; an EDNS extended rcode needs `decode`."""
    return reply[3] & 0x0F


def truncated(reply: bytes) -> bool:
    """The TC bit."""
    return bool(reply[2] & 0x02)


class ExtendedError(NamedTuple):
    """One EDE option (RFC 8914)."""

    code: int
    name: str
    text: str


class Message(NamedTuple):
    """What a reply says. `edns` is whether it carried an OPT record."""

    rcode: int
    aa: bool
    answer: list[dns.rrset.RRset]
    authority: list[dns.rrset.RRset]
    additional: list[dns.rrset.RRset]
    edns: bool
    errors: list[ExtendedError]
    nsid: str | None


def decode(wire: bytes) -> Message:
    """The message in `wire`.

    Raises:
        ParseError: it is none. A record that is broken makes the whole message broken: without it
            an answer would look like no data.
    """
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
        errors, nsid = [], None
        for option in message.options:
            if isinstance(option, dns.edns.EDEOption):
                errors.append(
                    ExtendedError(
                        int(option.code), _named(dns.edns.EDECode.make(option.code)), option.text or ""
                    )
                )
            elif option.otype == dns.edns.NSID:
                raw = option.to_wire()
                nsid = _nsid(raw) if raw else None
        return Message(
            int(message.rcode()),
            bool(message.flags & dns.flags.AA),
            _internet(message.answer),
            _internet(message.authority),
            _internet(message.additional),
            message.edns >= 0,
            errors,
            nsid,
        )
    except Exception as error:  # from_wire raises struct.error, UnicodeDecodeError and more besides its own
        raise ParseError("DNS message", str(error)[:120] or type(error).__name__) from None


def _internet(section: list[dns.rrset.RRset]) -> list[dns.rrset.RRset]:
    # records of another class are no answer to a question in IN, and have no fields of its types
    return [rrset for rrset in section if rrset.rdclass == dns.rdataclass.IN]


def _named(member: enum.Enum) -> str:
    # dnspython makes a member named `17` of a number it has no name for
    return f"unknown-{member.name}" if member.name.isdigit() else member.name.lower().replace("_", "-")


def _nsid(raw: bytes) -> str:
    text = raw.decode("latin-1")
    return text if text.isascii() and text.isprintable() else "0x" + raw.hex()


def rcode_name(number: int) -> str:
    """An rcode in lower case: `noerror`, `servfail`; `unknown-17` for one without a name."""
    return _named(dns.rcode.Rcode.make(number))
