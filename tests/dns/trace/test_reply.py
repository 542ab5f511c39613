from __future__ import annotations

import dns.name
import dns.rdatatype
import dns.rrset
import pytest

from sretool.dns.message import Message
from sretool.dns.trace.reply import Verdict, judge

ZONE = dns.name.from_text("lab.")
NAME = dns.name.from_text("www.zone.lab.")
SOA = "lab. 300 SOA ns. host. 1 2 3 4 60"


def rrsets(*lines: str) -> list[dns.rrset.RRset]:
    found: dict[tuple[str, str], dns.rrset.RRset] = {}
    for line in lines:
        owner, ttl, kind, rdata = line.split(" ", 3)
        made = dns.rrset.from_text(owner, int(ttl), "IN", kind, rdata)
        if (owner, kind) in found:
            found[owner, kind].update(made)
        else:
            found[owner, kind] = made
    return list(found.values())


def said(
    answer: tuple[str, ...] = (),
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    rcode: int = 0,
    aa: bool = True,
    name: dns.name.Name = NAME,
    rdtype: str = "A",
) -> Verdict:
    reply = Message(rcode, aa, rrsets(*answer), rrsets(*authority), rrsets(*additional), True, [], None)
    return judge(reply, ZONE, name, dns.rdatatype.from_text(rdtype))


def test_answer() -> None:
    verdict = said(("www.zone.lab. 60 A 192.0.2.1", "www.zone.lab. 60 A 192.0.2.2"))
    assert verdict.kind == "answer"
    assert verdict.text == "A 192.0.2.1, 192.0.2.2"


def test_any() -> None:
    assert said(("www.zone.lab. 60 A 192.0.2.1", "www.zone.lab. 60 TXT x"), rdtype="ANY").kind == "answer"


def test_chain_within_the_zone_is_taken_whole() -> None:
    verdict = said(("www.zone.lab. 60 CNAME web.lab.", "web.lab. 60 A 192.0.2.1"))
    assert (verdict.kind, [str(name) for name in verdict.aliases]) == ("answer", ["web.lab."])


def test_what_lies_outside_the_zone_is_asked_again() -> None:
    verdict = said(("www.zone.lab. 60 CNAME web.other.", "web.other. 60 A 192.0.2.66"))
    assert (verdict.kind, str(verdict.target)) == ("cname", "web.other.")
    assert len(verdict.records) == 1


def test_alias_is_the_answer_when_it_is_asked_for() -> None:
    assert said(("www.zone.lab. 60 CNAME web.lab.",), rdtype="CNAME").kind == "answer"


def test_loop_in_one_message() -> None:
    verdict = said(("www.zone.lab. 60 CNAME b.lab.", "b.lab. 60 CNAME www.zone.lab."))
    assert verdict.kind == "cname-loop"


def test_endless_chain_in_one_message_is_cut() -> None:
    chain = ["www.zone.lab. 60 CNAME c0.lab."] + [f"c{n}.lab. 60 CNAME c{n + 1}.lab." for n in range(500)]
    assert len(said(tuple(chain)).aliases) == 12


def test_referral() -> None:
    verdict = said(
        authority=("zone.lab. 60 NS ns1.zone.lab.", "zone.lab. 60 NS ns.lab.", "zone.lab. 60 NS ns.other."),
        additional=(
            "ns1.zone.lab. 60 A 127.0.0.1",
            "ns1.zone.lab. 60 AAAA ::1",
            "ns.lab. 60 A 127.0.0.2",
            "ns.other. 60 A 127.0.0.66",
            "unrelated.lab. 60 A 127.0.0.67",
        ),
        aa=False,
    )
    assert (verdict.kind, str(verdict.zone)) == ("referral", "zone.lab.")
    assert {str(name): glue for name, glue in verdict.ns.items()} == {
        "ns1.zone.lab.": ["127.0.0.1", "::1"],
        "ns.lab.": ["127.0.0.2"],
        "ns.other.": [],
    }
    assert [str(name) for name in verdict.dropped] == ["ns.other.", "unrelated.lab."]


def test_of_two_delegations_the_closer() -> None:
    verdict = said(authority=("zone.lab. 60 NS a.lab.", "www.zone.lab. 60 NS b.lab."), aa=False)
    assert str(verdict.zone) == "www.zone.lab."


def test_ds_is_the_parents() -> None:
    apex = dns.name.from_text("zone.lab.")
    assert said(authority=("zone.lab. 60 NS a.lab.",), aa=False, name=apex, rdtype="DS").kind == "lame"
    assert said(authority=("zone.lab. 60 NS a.lab.",), aa=False, name=apex, rdtype="NS").kind == "referral"
    assert said(authority=(SOA,), name=apex, rdtype="DS").kind == "nodata"


@pytest.mark.parametrize(
    ("authority", "aa", "reason"),
    [
        ((". 60 NS a.root.",), False, "upward-referral"),
        ((". 60 NS a.root.",), True, "upward-referral"),
        (("lab. 60 NS ns.lab.",), False, "horizontal-referral"),
        (("evil. 60 NS ns.evil.",), False, "foreign-referral"),
        (("other.lab. 60 NS ns.evil.",), False, "foreign-referral"),
        ((), False, "not-authoritative"),
        ((SOA,), False, "not-authoritative"),
    ],
)
def test_lame(authority: tuple[str, ...], aa: bool, reason: str) -> None:
    verdict = said(authority=authority, aa=aa)
    assert (verdict.kind, verdict.reason) == ("lame", reason)


@pytest.mark.parametrize(
    ("rcode", "reason"), [(2, "servfail"), (5, "refused"), (9, "notauth"), (77, "unknown-77")]
)
def test_lame_by_rcode(rcode: int, reason: str) -> None:
    assert said(rcode=rcode).reason == reason


def test_without_authority_an_answer_is_none() -> None:
    assert said(("www.zone.lab. 60 A 192.0.2.1",), aa=False).reason == "not-authoritative"
    assert said(rcode=3, aa=False).reason == "not-authoritative"


def test_negative() -> None:
    assert said(authority=(SOA,), rcode=3).kind == "nxdomain"
    verdict = said(authority=(SOA,))
    assert verdict.kind == "nodata"
    assert verdict.soa is not None
    assert said(authority=("lab. 60 NS ns.lab.",)).kind == "nodata"


def test_the_soa_of_another_zone_is_not_believed() -> None:
    assert said(authority=("other. 300 SOA ns. host. 1 2 3 4 60",), rcode=3).soa is None


def test_same_means_same_values_in_any_order() -> None:
    one = said(("www.zone.lab. 60 A 192.0.2.1", "www.zone.lab. 60 A 192.0.2.2"))
    two = said(("www.zone.lab. 9 A 192.0.2.2", "www.zone.lab. 9 A 192.0.2.1"))
    assert one.key == two.key
    assert one.key != said(("www.zone.lab. 60 A 192.0.2.1",)).key
