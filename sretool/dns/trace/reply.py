"""What one server's reply means to a resolver that asked it about a name in its zone (RFC 1034
5.3.3): an answer, a way further down, or a server that is lame.
"""

from __future__ import annotations

from typing import NamedTuple

import dns.name
import dns.rdatatype
import dns.rrset

from sretool.dns import message
from sretool.dns.message import Message

LONGEST_CHAIN = 11  # CNAMEs followed, as BIND and delv do
VALUES_SHOWN = 3


class Verdict(NamedTuple):
    """One reply, judged.

    `kind` is `answer`, `nodata`, `nxdomain`, `cname` (go on at `target`), `cname-loop`, `referral`
    (go on at `zone`) or `lame`; `reason` says why it is lame. `aliases` are the names passed on the
    way, the last of them asked next. `key` is equal for replies that say the same.
    """

    kind: str
    reason: str = ""
    records: tuple[dns.rrset.RRset, ...] = ()
    aliases: tuple[dns.name.Name, ...] = ()
    zone: dns.name.Name | None = None
    ns: dict[dns.name.Name, list[str]] = {}
    dropped: tuple[dns.name.Name, ...] = ()
    soa: dns.rrset.RRset | None = None

    @property
    def usable(self) -> bool:
        """May the trace go by it?"""
        return self.kind != "lame"

    @property
    def target(self) -> dns.name.Name:
        """Where a `cname` leads."""
        return self.aliases[-1]

    @property
    def text(self) -> str:
        """It in a few words."""
        if self.kind == "referral":
            return f"referral to {self.zone} ({len(self.ns)} NS)"
        if self.kind in ("cname", "cname-loop"):
            return f"alias of {self.target}"
        if self.kind == "answer":
            last = self.records[-1]
            values = sorted(rdata.to_text() for rdata in last)
            more = f" and {len(values) - VALUES_SHOWN} more" if len(values) > VALUES_SHOWN else ""
            return f"{dns.rdatatype.to_text(last.rdtype)} {', '.join(values[:VALUES_SHOWN])}{more}"
        return f"lame: {self.reason}" if self.kind == "lame" else self.kind

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for replies that say the same; order and TTL do not count."""
        if self.kind == "referral":
            return (self.kind, self.zone, frozenset(self.ns))
        values = frozenset((rrset.rdtype, rdata) for rrset in self.records[-1:] for rdata in rrset)
        return (self.kind, self.reason, self.aliases, values)


def judge(
    reply: Message, zone: dns.name.Name, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> Verdict:
    """The meaning of `reply`, by a server of `zone`, to the question for `name` and `rdtype`."""
    if reply.rcode not in (0, message.NXDOMAIN):
        return Verdict("lame", message.rcode_name(reply.rcode))
    followed = _follow(reply, zone, name, rdtype)
    if followed is not None:
        return followed if reply.aa else Verdict("lame", "not-authoritative")
    soa = _soa(reply, zone, name)
    if reply.rcode == message.NXDOMAIN:
        return Verdict("nxdomain", soa=soa) if reply.aa else Verdict("lame", "not-authoritative")
    return _referral(reply, zone, name, rdtype) or _nothing(reply, zone, soa)


def _follow(
    reply: Message, zone: dns.name.Name, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> Verdict | None:
    """The answer section from `name` on, through CNAMEs as far as this zone may speak."""
    found: dict[tuple[dns.name.Name, int], dns.rrset.RRset] = {}
    for rrset in reply.answer:
        if rrset.name.is_subdomain(zone):  # a server speaks for its own zone only
            found[rrset.name, rrset.rdtype] = rrset
    records: list[dns.rrset.RRset] = []
    aliases: list[dns.name.Name] = []
    while True:
        if rdtype == dns.rdatatype.ANY:
            matching = [rrset for (owner, _), rrset in found.items() if owner == name]
        else:
            matching = [found[name, rdtype]] if (name, rdtype) in found else []
        if matching:
            return Verdict("answer", records=(*records, *matching), aliases=tuple(aliases))
        alias = found.get((name, dns.rdatatype.CNAME))
        if alias is None:
            break
        records.append(alias)
        seen = {rrset.name for rrset in records}
        name = alias[0].target
        aliases.append(name)
        if name in seen:
            return Verdict("cname-loop", records=tuple(records), aliases=tuple(aliases))
        if len(aliases) > LONGEST_CHAIN:
            break
    if not aliases:
        return None
    return Verdict("cname", records=tuple(records), aliases=tuple(aliases))


def _soa(reply: Message, zone: dns.name.Name, name: dns.name.Name) -> dns.rrset.RRset | None:
    for rrset in reply.authority:
        if (
            rrset.rdtype == dns.rdatatype.SOA
            and name.is_subdomain(rrset.name)
            and rrset.name.is_subdomain(zone)
        ):
            return rrset
    return None


def _referral(
    reply: Message, zone: dns.name.Name, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> Verdict | None:
    """A delegation that leads closer to `name`; of several, the closest. For DS it must end above
    `name`: the parent has it (RFC 4035 3.1.4.1).
    """
    closer = [
        rrset
        for rrset in reply.authority
        if rrset.rdtype == dns.rdatatype.NS
        and rrset.name != zone
        and rrset.name.is_subdomain(zone)
        and name.is_subdomain(rrset.name)
        and (rdtype != dns.rdatatype.DS or rrset.name != name)
    ]
    if not closer:
        return None
    best = max(closer, key=lambda rrset: len(rrset.name))
    ns: dict[dns.name.Name, list[str]] = {rdata.target: [] for rdata in best}
    dropped: list[dns.name.Name] = []
    for rrset in reply.additional:
        if rrset.rdtype not in (dns.rdatatype.A, dns.rdatatype.AAAA):
            continue
        if rrset.name in ns and rrset.name.is_subdomain(zone):
            ns[rrset.name] += [rdata.address for rdata in rrset]
        else:  # not asked for, or not this zone's to say (RFC 5452 6)
            dropped.append(rrset.name)
    return Verdict("referral", zone=best.name, ns=ns, dropped=tuple(dict.fromkeys(dropped)))


def _nothing(reply: Message, zone: dns.name.Name, soa: dns.rrset.RRset | None) -> Verdict:
    """NOERROR with neither an answer nor a way further: no data, or a server that is lame."""
    pointers = [rrset.name for rrset in reply.authority if rrset.rdtype == dns.rdatatype.NS]
    if any(owner != zone and zone.is_subdomain(owner) for owner in pointers):
        return Verdict("lame", "upward-referral")
    if reply.aa:
        return Verdict("nodata", soa=soa)
    if zone in pointers:
        return Verdict("lame", "horizontal-referral")
    if pointers:
        return Verdict("lame", "foreign-referral")
    return Verdict("lame", "not-authoritative")
