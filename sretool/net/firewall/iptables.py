"""Tables of legacy iptables: what `iptables-save -c` prints (man:iptables-save(8)).

*filter
:INPUT DROP [12:3456]
[5:300] -A INPUT -p tcp -m tcp --dport 9 -j DROP
COMMIT
"""

from __future__ import annotations

import re
from collections import Counter

from sretool.errors import ParseError
from sretool.host.decimal import integer
from sretool.net.firewall.model import Chain, Rule
from sretool.net.firewall.nft import Ruleset

NAMES = {"ip": "/proc/net/ip_tables_names", "ip6": "/proc/net/ip6_tables_names"}
"""The tables that exist, by family; only root may read it."""
SAVES = {
    "ip": (("iptables-legacy-save", "-c"), ("iptables-save", "-c")),
    "ip6": (("ip6tables-legacy-save", "-c"), ("ip6tables-save", "-c")),
}
"""What prints them; the second where the first is not installed."""
_CHAIN = re.compile(r":(\S+) (\S+) \[(\d+):(\d+)\]$")
_RULE = re.compile(r"\[(\d+):(\d+)\] -A (\S+) ?(.*)$")
_TARGET = re.compile(r"(?:^| )-[jg] (DROP|REJECT)(?: |$)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def parse(raw: bytes, family: str) -> Ruleset:
    """The chains that have a policy, and all that drops.

    Raises:
        ParseError: a line of another form.
    """
    chains: dict[tuple[str, str], Chain] = {}
    rules: list[Rule] = []
    counts: Counter[tuple[str, str]] = Counter()
    table = ""
    for number, line in enumerate(raw.decode("utf-8", "backslashreplace").splitlines(), 1):
        line = line.strip()
        if line.startswith("*"):
            table = line[1:]
        elif declared := _CHAIN.match(line):
            name, policy, packets, size = declared.groups()
            if policy == "-":  # a chain of the user's own
                continue
            hook = name.lower()
            chains[table, name] = Chain(
                "iptables", family, table, name, None, hook, None, None, policy.lower(), 0, 0
            )
            if policy == "DROP":
                rules.append(_rule(family, table, name, "drop", "policy drop", hook, packets, size))
        elif added := _RULE.match(line):
            packets, size, name, text = added.groups()
            counts[table, name] += 1
            chain = chains.get((table, name))
            target = _TARGET.search(_QUOTED.sub('""', text))
            if target is None:
                continue
            if chain is not None:
                chain.dropping += 1
            verdict = target[1].lower()
            rules.append(
                _rule(family, table, name, verdict, text, chain.hook if chain else None, packets, size)
            )
        elif line and not line.startswith("#") and line != "COMMIT":
            raise ParseError(f"iptables-save line {number}", f"not a chain or rule: {line[:80]}")
    for key, chain in chains.items():
        chain.rules = counts[key]
    return Ruleset(list(chains.values()), rules)


def _rule(
    family: str, table: str, chain: str, verdict: str, text: str, hook: str | None, packets: str, size: str
) -> Rule:
    return Rule(
        "iptables",
        family,
        table,
        chain,
        None,
        hook,
        verdict,
        text,
        _number(packets),
        _number(size),
        None,
        None,
    )


def _number(text: str) -> int | None:
    try:
        return integer(text)
    except ValueError:
        return None
