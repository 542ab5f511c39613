"""Policy rules read from the kernel; they are decoded where `net route` decodes them."""

from __future__ import annotations

import socket
from typing import NamedTuple

from sretool.errors import ParseError, SourceError, SretoolError
from sretool.host import netlink
from sretool.host.source import Clock, Source
from sretool.net.routes.read import names, rule_words, rules
from sretool.net.routes.read.decode import FAMILIES
from sretool.net.routes.read.names import TableNames
from sretool.net.routes.read.rules import Rule
from sretool.net.rules.model import RuleRow, Rules


class Ask(NamedTuple):
    """What to read."""

    families: tuple[str, ...] = ("inet", "inet6")


EVERYTHING = Ask()


class Sample(NamedTuple):
    """One reading: frames by family; one that could not be read is not there."""

    clock: Clock
    frames: dict[str, list[bytes]]
    tables: TableNames
    errors: list[SretoolError]


def sample(source: Source, ask: Ask = EVERYTHING) -> Sample:
    """The rules of these families; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    frames: dict[str, list[bytes]] = {}
    for family in ask.families:
        request = rules.request(family)
        try:
            frames[family] = netlink.noted(source.netlink(request), request.key, errors)
        except SourceError as error:
            errors.append(error)
    return Sample(clock, frames, names.tables(source), errors)


def build(now: Sample, table: str | None = None) -> Rules:
    """One row a rule, of one table where asked (its name or number). A family whose frames are
    damaged costs itself, and is noted in `now.errors`.
    """
    rows: list[RuleRow] = []
    if table is not None and table.isascii() and table.isdigit():
        table = now.tables[int(table)]
    for family, frames in now.frames.items():
        try:
            found = [row(rule, family) for rule in rules.decode(frames, family, now.tables)]
        except ParseError as error:
            now.errors.append(error)
            continue
        rows += [one for one in found if table is None or one.table == table]
    return Rules(rows, len(rows))


def row(rule: Rule, family: str) -> RuleRow:
    """A rule with what it asks and does in words.

    Raises:
        ParseError: an address that is none of this family.
    """
    action = rules.action_name(rule.action)
    looks = rule.action == rules.FR_ACT_TO_TBL
    first, last = rule.uids or (None, None)
    return RuleRow(
        family=family,
        priority=rule.priority,
        match=rule_words.match(rule),
        action=action,
        does=rule_words.does(rule),
        table=rule.table if looks and not rule.l3mdev else None,
        goto=rule.goto if rule.action == rules.FR_ACT_GOTO else None,
        invert=rule.invert,
        src=_prefix(rule.src, rule.src_len, family),
        dst=_prefix(rule.dst, rule.dst_len, family),
        iif=rule.iif,
        oif=rule.oif,
        fwmark=rule.mark if rule.mask else None,
        fwmask=rule.mask or None,
        uid_start=first,
        uid_end=last,
        ipproto=rule_words.ip_protocol(rule.ip_proto) if rule.ip_proto else None,
        sport_start=None if rule.sport is None else rule.sport.first,
        sport_end=None if rule.sport is None else rule.sport.last,
        sport_mask=None if rule.sport is None else rule.sport.mask,
        dport_start=None if rule.dport is None else rule.dport.first,
        dport_end=None if rule.dport is None else rule.dport.last,
        dport_mask=None if rule.dport is None else rule.dport.mask,
        tos=rule.tos or None,
        dscp=None if rule.dscp is None else rule.dscp.value,
        dscp_mask=None if rule.dscp is None else rule.dscp.mask,
        flowlabel=None if rule.flowlabel is None else rule.flowlabel.value,
        flowlabel_mask=None if rule.flowlabel is None else rule.flowlabel.mask,
        tun_id=rule.tun_id or None,
        l3mdev=rule.l3mdev,
        suppress_prefixlength=rule.suppress_prefix_length,
        suppress_ifgroup=rule.suppress_group,
        realm_from=rule.realms >> 16 or None,
        realm_to=rule.realms & 0xFFFF or None,
        protocol=names.of(names.PROTOCOLS, rule.protocol),
        flags=rules.flag_names(rule.flags),
    )


def _prefix(raw: bytes, bits: int, family: str) -> str:
    width = 32 if FAMILIES[family] == socket.AF_INET else 128
    if bits and len(raw) * 8 != width:
        raise ParseError(f"route/rules/{family}", f"an address of {len(raw)} bytes")
    return rule_words.prefix(raw, bits) or "all"
