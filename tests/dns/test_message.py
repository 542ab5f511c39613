from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sretool.dns import message
from sretool.dns.trace.reply import judge
from sretool.errors import ParseError

NAME = dns.name.from_text("www.zone.lab.")
ZONE = dns.name.from_text("lab.")
A = dns.rdatatype.A
QUESTION = message.question(NAME, A)
QUERY = message.with_id(QUESTION.wire, 0x1234)


def reply(**more: object) -> dns.message.Message:
    made = dns.message.make_response(dns.message.from_wire(QUERY))
    made.flags |= dns.flags.AA
    made.answer.append(dns.rrset.from_text(NAME, 60, "IN", "A", "192.0.2.1", "192.0.2.2"))
    made.authority.append(dns.rrset.from_text("zone.lab.", 60, "IN", "NS", "ns1.zone.lab.", "ns2.zone.lab."))
    made.additional.append(dns.rrset.from_text("ns1.zone.lab.", 60, "IN", "A", "127.0.0.1"))
    return made


def test_question_is_what_a_resolver_sends() -> None:
    parsed = dns.message.from_wire(QUERY)
    assert parsed.id == 0x1234
    assert not parsed.flags & dns.flags.RD
    assert parsed.edns == 0
    assert parsed.payload == message.PAYLOAD_BYTES
    assert not parsed.ednsflags & dns.flags.DO
    assert [option.otype for option in parsed.options] == [dns.edns.NSID]
    assert dns.message.from_wire(QUESTION.plain).edns == -1


def test_reply_matches() -> None:
    wire = reply().to_wire()
    assert message.answers(wire, QUERY)
    assert message.answers(wire.replace(b"\x03www", b"\x03WwW", 1), QUERY)


def changed(at: int, value: int) -> bytes:
    wire = bytearray(reply().to_wire())
    wire[at] = value
    return bytes(wire)


TYPE_LOW = 12 + len(NAME.to_wire()) + 1


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        QUERY,  # our own question, sent back
        reply().to_wire()[:11],
        changed(0, 0xFF),  # id
        changed(2, 0xA4),  # opcode
        changed(5, 0),  # no question in a NOERROR
        changed(5, 2),
        changed(13, ord("x")),  # another name
        changed(TYPE_LOW, 28),
        changed(TYPE_LOW, 1 | 0x20),
        changed(TYPE_LOW + 2, 3),  # class
    ],
)
def test_no_reply_to_this_question(wire: bytes) -> None:
    assert not message.answers(wire, QUERY)


def test_case_is_folded_in_names_and_not_in_types() -> None:
    # HTTPS is 65, which is an `A` in ASCII; 97 is an `a`
    https = message.with_id(message.question(NAME, dns.rdatatype.HTTPS).wire, 1)
    made = dns.message.make_response(dns.message.from_wire(https)).to_wire()
    assert message.answers(made, https)
    other = bytearray(made)
    other[TYPE_LOW] = 97
    assert not message.answers(bytes(other), https)


@pytest.mark.parametrize(
    ("rcode", "good"), [(1, True), (2, True), (4, True), (5, True), (3, False), (0, False)]
)
def test_reply_without_a_question(rcode: int, good: bool) -> None:
    assert message.answers(b"\x12\x34\x80" + bytes([rcode]) + bytes(8), QUERY) is good


def test_decode() -> None:
    made = reply()
    made.use_edns(
        0,
        options=[
            dns.edns.EDEOption(22, "no\x1b[31m"),
            dns.edns.EDEOption(4999),
            dns.edns.GenericOption(3, b"ns\xff"),
        ],
    )
    found = message.decode(made.to_wire())
    assert (found.rcode, found.aa, found.edns) == (0, True, True)
    assert [(each.code, each.name, each.text) for each in found.errors] == [
        (22, "no-reachable-authority", "no\x1b[31m"),
        (4999, "unknown-4999", ""),
    ]
    assert found.nsid == "0x6e73ff"
    assert len(found.answer[0]) == 2


def test_names_of_codes() -> None:
    assert message.rcode_name(2) == "servfail"
    assert message.rcode_name(3000) == "unknown-3000"


COMPRESSION_LOOP = (
    QUERY[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + QUESTION.wire[12:31] + b"\xc0\x1f\0\1\0\1\0\0\0\1\0\4abcd"
)


@given(st.data())
def test_mutated_wire_costs_itself_only(data: st.DataObject) -> None:
    wire = bytearray(reply().to_wire())
    for at in data.draw(st.lists(st.integers(0, len(wire) - 1), max_size=8)):
        wire[at] = data.draw(st.integers(0, 255))
    check(bytes(wire[: data.draw(st.integers(0, len(wire)))]))


@given(st.binary(max_size=300))
@example(COMPRESSION_LOOP)
@example(b"\0" * 65535)
def test_any_wire_costs_itself_only(wire: bytes) -> None:
    check(wire)
    message.answers(wire, QUERY)


def check(wire: bytes) -> None:
    try:
        decoded = message.decode(wire)
    except ParseError:
        return
    verdict = judge(decoded, ZONE, NAME, A)
    assert verdict.text
    assert isinstance(verdict.key, tuple)
    if verdict.kind == "referral":
        assert verdict.zone is not None
        assert verdict.zone != ZONE
        assert verdict.zone.is_subdomain(ZONE)
        assert NAME.is_subdomain(verdict.zone)
