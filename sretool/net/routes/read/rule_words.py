"""Policy rules in words: which packets, and what becomes of them."""

from __future__ import annotations

from sretool.net.routes.read import names, rules
from sretool.net.routes.read.decode import address
from sretool.net.routes.read.rules import Masked, Ports, Rule


def match(rule: Rule) -> str:
    """What a rule asks for, in the words and the order of `ip rule`; all for every packet.

    Raises:
        ParseError: an address of no family's length.
    """
    asked: list[tuple[str, object]] = [
        ("from", prefix(rule.src, rule.src_len)),
        ("to", prefix(rule.dst, rule.dst_len)),
        ("tos", f"{rule.tos:#x}" if rule.tos else None),
        ("dscp", _masked(rule.dscp, 0x3F)),
        ("fwmark", _masked(Masked(rule.mark, rule.mask), rules.NONE) if rule.mask else None),
        ("iif", rule.iif),
        ("oif", rule.oif),
        ("uid", None if rule.uids is None else _range(*rule.uids)),
        ("ipproto", ip_protocol(rule.ip_proto) if rule.ip_proto else None),
        ("sport", _ports(rule.sport)),
        ("dport", _ports(rule.dport)),
        ("tun_id", rule.tun_id or None),
        ("flowlabel", _masked(rule.flowlabel, 0xFFFFF)),
    ]
    words = [f"{name} {value}" for name, value in asked if value is not None]
    words += ["l3mdev"] if rule.l3mdev else []
    return ("not " if rule.invert else "") + (" ".join(words) or "all")


def ip_protocol(number: int) -> str:
    """tcp, udp, …, or the number."""
    return names.IP_PROTOCOLS.get(number, str(number))


def prefix(raw: bytes, bits: int) -> str | None:
    """A prefix as text, a whole address without its length; None for any."""
    if not bits:
        return None
    return address(raw) if bits == len(raw) * 8 else f"{address(raw)}/{bits}"


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _ports(ports: Ports | None) -> str | None:
    if ports is None:
        return None
    return f"{ports.first:#x}/{ports.mask:#x}" if ports.mask is not None else _range(ports.first, ports.last)


def _masked(asked: Masked | None, every: int) -> str | None:
    if asked is None:
        return None
    return f"{asked.value:#x}" if asked.mask == every else f"{asked.value:#x}/{asked.mask:#x}"


_REFUSALS = {
    "blackhole": "drops them silently",
    "unreachable": "refuses: unreachable",
    "prohibit": "refuses: prohibited",
    "nop": "nothing",
}


def does(rule: Rule) -> str:
    """What a rule does, and why it may do nothing."""
    action = rules.action_name(rule.action)
    done = _REFUSALS.get(action, action)
    if rule.action == rules.FR_ACT_TO_TBL:
        done = "looks in the VRF's table" if rule.l3mdev else f"looks in {rule.table}"
        bits, group = rule.suppress_prefix_length, rule.suppress_group
        left_out = [
            *([] if bits is None else ["its default route" if not bits else f"prefixes of 0 to {bits} bits"]),
            *([] if group is None else [f"interfaces of group {group}"]),
        ]
        done += f" but for {' and '.join(left_out)}" if left_out else ""
    elif rule.action == rules.FR_ACT_GOTO:
        done = f"goes on at {rule.goto}"
        if rule.flags & rules.FIB_RULE_UNRESOLVED:
            done += ", which is not there"
    flags = rules.flag_names(rule.flags)
    gone = [
        name
        for name, flag in ((rule.iif, "iif_detached"), (rule.oif, "oif_detached"))
        if flag in flags and name
    ]
    return done + (f"; {' and '.join(gone)} is not there" if gone else "")
