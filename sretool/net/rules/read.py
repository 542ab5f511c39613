"""Policy rules read from the kernel; they are decoded where `net route` decodes them."""

from __future__ import annotations

from typing import NamedTuple

from sretool.errors import ParseError, SourceError, SretoolError
from sretool.host import netlink
from sretool.host.source import Clock, Source
from sretool.net.routes.read import names, rules
from sretool.net.routes.read.decode import address
from sretool.net.routes.read.names import TableNames
from sretool.net.routes.read.rules import Ports, Rule
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
    made = RuleRow(
        family=family,
        priority=rule.priority,
        match="",
        action=action,
        does="",
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
        ipproto=None if not rule.ip_proto else names.IP_PROTOCOLS.get(rule.ip_proto, str(rule.ip_proto)),
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
    made.match, made.does = match_words(made, rule), does_words(made)
    return made


def _prefix(raw: bytes, bits: int, family: str) -> str:
    if not bits:
        return "all"
    width = 32 if family == "inet" else 128
    if len(raw) * 8 != width:
        raise ParseError(f"route/rules/{family}", f"an address of {len(raw)} bytes")
    return address(raw) if bits == width else f"{address(raw)}/{bits}"


def match_words(row: RuleRow, rule: Rule) -> str:
    """What a rule asks for, in the words and the order of `ip rule`."""
    uids = None if row.uid_start is None else _range(row.uid_start, row.uid_end)
    asked: list[tuple[str, object]] = [
        ("from", None if row.src == "all" else row.src),
        ("to", None if row.dst == "all" else row.dst),
        ("tos", None if row.tos is None else f"{row.tos:#x}"),
        ("dscp", _masked(row.dscp, row.dscp_mask, 0x3F)),
        ("fwmark", _masked(row.fwmark, row.fwmask, 0xFFFFFFFF)),
        ("iif", row.iif),
        ("oif", row.oif),
        ("uid", uids),
        ("ipproto", row.ipproto),
        ("sport", _ports(rule.sport)),
        ("dport", _ports(rule.dport)),
        ("tun_id", row.tun_id),
        ("flowlabel", _masked(row.flowlabel, row.flowlabel_mask, 0xFFFFF)),
    ]
    words = [f"{name} {value}" for name, value in asked if value is not None]
    words += ["l3mdev"] if row.l3mdev else []
    return ("not " if row.invert else "") + (" ".join(words) or "all")


def _range(first: int, last: int | None) -> str:
    return str(first) if last in (None, first) else f"{first}-{last}"


def _ports(ports: Ports | None) -> str | None:
    if ports is None:
        return None
    return f"{ports.first:#x}/{ports.mask:#x}" if ports.mask is not None else _range(ports.first, ports.last)


def _masked(value: int | None, mask: int | None, every: int) -> str | None:
    if value is None:
        return None
    return f"{value:#x}" if mask == every else f"{value:#x}/{mask:#x}"


_REFUSALS = {
    "blackhole": "drops them silently",
    "unreachable": "refuses: unreachable",
    "prohibit": "refuses: prohibited",
    "nop": "nothing",
}


def does_words(row: RuleRow) -> str:
    """What a rule does, and why it may do nothing."""
    does = _REFUSALS.get(row.action, row.action)
    if row.action == "lookup":
        does = f"looks in {row.table}" if not row.l3mdev else "looks in the VRF's table"
        bits, group = row.suppress_prefixlength, row.suppress_ifgroup
        left_out = [
            *([] if bits is None else ["its default route" if not bits else f"prefixes of 0 to {bits} bits"]),
            *([] if group is None else [f"interfaces of group {group}"]),
        ]
        does += f" but for {' and '.join(left_out)}" if left_out else ""
    elif row.action == "goto":
        does = f"goes on at {row.goto}"
        if "unresolved" in row.flags:
            does += ", which is not there"
    gone = [
        name
        for name, flag in ((row.iif, "iif_detached"), (row.oif, "oif_detached"))
        if flag in row.flags and name
    ]
    return does + (f"; {' and '.join(gone)} is not there" if gone else "")
