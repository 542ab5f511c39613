"""ICMP types and codes in words (RFC 792, 1122, 1812, 4443; IANA's registries)."""

from __future__ import annotations

_UNREACHABLE_V4 = {
    0: "net-unreachable",
    1: "host-unreachable",
    2: "protocol-unreachable",
    3: "port-unreachable",
    4: "fragmentation-needed",
    5: "source-route-failed",
    6: "net-unknown",
    7: "host-unknown",
    8: "source-isolated",
    9: "net-prohibited",
    10: "host-prohibited",
    11: "net-unreachable-for-tos",
    12: "host-unreachable-for-tos",
    13: "admin-prohibited",
    14: "precedence-violation",
    15: "precedence-cutoff",
}
_UNREACHABLE_V6 = {
    0: "no-route",
    1: "admin-prohibited",
    2: "beyond-scope",
    3: "address-unreachable",
    4: "port-unreachable",
    5: "source-policy-failed",
    6: "reject-route",
    7: "source-route-failed",
}
_EXCEEDED = {0: "time-exceeded", 1: "reassembly-time-exceeded"}
_WORDS: dict[tuple[int, int], dict[int, str]] = {
    (4, 3): _UNREACHABLE_V4,
    (4, 11): _EXCEEDED,
    (6, 1): _UNREACHABLE_V6,
    (6, 3): _EXCEEDED,
}
_WHOLE = {
    (4, 0): "echo-reply",
    (4, 4): "source-quench",
    (4, 5): "redirect",
    (4, 12): "parameter-problem",
    (6, 2): "packet-too-big",
    (6, 4): "parameter-problem",
    (6, 129): "echo-reply",
}

TIME_EXCEEDED, ECHO_REPLY = "time-exceeded", "echo-reply"
# A host that names the port or the protocol, or echoes, has taken the packet for its own (RFC 1122 3.2.2).
FROM_THE_END = frozenset({"port-unreachable", "protocol-unreachable", "echo-reply"})
PROHIBITED = frozenset(
    {"net-prohibited", "host-prohibited", "admin-prohibited", "source-policy-failed", "precedence-cutoff"}
)
UNREACHABLE_TYPE = {4: 3, 6: 1}
"""Whoever sends it will not pass the packet on, whatever the code (RFC 1812 5.2.7.1, RFC 4443 3.1)."""


def words(family: int, type: int, code: int) -> str:
    """`time-exceeded`, `admin-prohibited`, …; what nobody has named is `unknown-TYPE-CODE`."""
    whole = _WHOLE.get((family, type))
    return whole or _WORDS.get((family, type), {}).get(code) or f"unknown-{type}-{code}"
