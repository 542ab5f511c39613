"""What `nft -j list ruleset` says (man:libnftables-json(5)), and the text of its rules.

The JSON is by whoever printed it: every value is looked at before it is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from sretool.errors import ParseError
from sretool.net.firewall.model import Chain, Rule

RULES = ("nft", "-j", "list", "ruleset")
TEXTS = ("nft", "-a", "-s", "list", "ruleset")
_WHAT = "nft -j list ruleset"
# after these statements a packet is still the one that was counted
_PASSIVE = {"log", "counter", "mangle", "quota", "set", "notrack", "meta", "ct", "last"}

Key = tuple[str, str, str, int]
"""Family, table, chain, handle."""


class Ruleset(NamedTuple):
    """Its chains with a hook, and all that drops."""

    chains: list[Chain]
    rules: list[Rule]


def texts(raw: bytes) -> dict[Key, str]:
    """Every rule as text, from what TEXTS prints; what is no rule is passed over."""
    found: dict[Key, str] = {}
    family = table = chain = ""
    for line in raw.decode("utf-8", "backslashreplace").splitlines():
        words = line.split()
        if line.startswith("table ") and len(words) > 2:
            family, table = words[1:3]
        elif line.startswith("\tchain ") and len(words) > 1:
            chain = words[1]
        elif line.startswith("\t\t"):
            text, marked, handle = line.strip().rpartition(" # handle ")
            if marked and handle.isdecimal() and len(handle) < 20:
                found[family, table, chain, int(handle)] = text
    return found


def parse(raw: bytes, text: dict[Key, str]) -> Ruleset:
    """The ruleset; rules take their words from `text`.

    Raises:
        ParseError: no JSON, or not of this form.
    """
    try:
        objects = msgspec.json.decode(raw)["nftables"]
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for item in objects:
            for kind, value in item.items():
                if isinstance(value, dict):
                    by_kind.setdefault(kind, []).append(value)
        return _ruleset(by_kind, text)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ParseError(_WHAT, f"not what nft prints ({type(error).__name__})") from None


def _ruleset(by_kind: dict[str, list[dict[str, Any]]], text: dict[Key, str]) -> Ruleset:
    lists = _Named(by_kind)
    rules: list[Rule] = []
    in_chain: Counter[tuple[str, str, str]] = Counter()
    dropping: Counter[tuple[str, str, str]] = Counter()
    hooks = {_place(chain): str(chain["hook"]) for chain in by_kind.get("chain", ()) if "hook" in chain}
    for rule in by_kind.get("rule", ()):
        place = (str(rule["family"]), str(rule["table"]), str(rule["chain"]))
        in_chain[place] += 1
        found = _dropping(rule["expr"], place, lists)
        if found is None:
            continue
        dropping[place] += 1
        handle = _integer(rule["handle"])
        verdict, counter = found
        rules.append(
            Rule(
                "nftables",
                *place,
                handle=handle,
                hook=hooks.get(place),
                verdict=verdict,
                rule=text.get((*place, handle or 0), f"rule {handle}"),
                packets=counter[0],
                bytes=counter[1],
                dropped=None,
                dropped_per_s=None,
            )
        )
    chains = []
    for chain in by_kind.get("chain", ()):
        if "hook" not in chain:
            continue
        place = _place(chain)
        policy = str(chain["policy"]) if "policy" in chain else None
        devices = chain.get("dev")
        device = ",".join(map(str, devices)) if isinstance(devices, list) else devices
        chains.append(
            Chain(
                "nftables",
                *place,
                type=str(chain["type"]) if "type" in chain else None,
                hook=hooks[place],
                priority=_integer(chain.get("prio")),
                device=None if device is None else str(device),
                policy=policy,
                rules=in_chain[place],
                dropping=dropping[place],
            )
        )
        if policy == "drop":
            # nftables counts no policies
            rules.append(
                Rule("nftables", *place, None, hooks[place], "drop", "policy drop", None, None, None, None)
            )
    return Ruleset(chains, rules)


def _place(chain: dict[str, Any]) -> tuple[str, str, str]:
    return str(chain["family"]), str(chain["table"]), str(chain["name"])


class _Named:
    """Counters and verdict maps that rules name."""

    def __init__(self, by_kind: dict[str, list[dict[str, Any]]]) -> None:
        self.counters = {
            _place(one): (_integer(one["packets"]), _integer(one["bytes"]))
            for one in by_kind.get("counter", ())
        }
        self.maps = {_place(one): one.get("elem") for one in by_kind.get("map", ())}
        self.users = Counter(
            (str(rule["family"]), str(rule["table"]), value)
            for rule in by_kind.get("rule", ())
            for kind, value in _statements(rule["expr"])
            if kind == "counter" and isinstance(value, str)
        )


def _statements(expr: list[Any]) -> Iterator[tuple[str, Any]]:
    for statement in expr:
        if isinstance(statement, dict):
            yield from statement.items()


_NONE = (None, None)


def _dropping(
    expr: list[Any], place: tuple[str, str, str], named: _Named
) -> tuple[str, tuple[int | None, int | None]] | None:
    """What a rule does to a packet that it drops, and the counter of just those packets."""
    counter: tuple[int | None, int | None] = _NONE
    for kind, value in _statements(expr):
        if kind == "counter":
            if isinstance(value, dict):
                counter = _integer(value["packets"]), _integer(value["bytes"])
            else:
                # one that several rules share is of none of them
                name = (*place[:2], str(value))
                counter = named.counters.get(name, _NONE) if named.users[name] == 1 else _NONE
        elif kind in ("drop", "reject"):
            return kind, counter
        elif kind == "xt" and isinstance(value, dict) and value.get("name") == "REJECT":
            return "reject", counter
        elif kind == "vmap":
            data = value["data"]
            known = named.maps.get((*place[:2], data[1:])) if isinstance(data, str) else data.get("set")
            # its counter is of all packets it was asked about
            return ("map", _NONE) if _drops(known) else None
        elif kind not in _PASSIVE:
            counter = _NONE  # a condition that comes after it
    return None


def _drops(elements: Any) -> bool:
    """Whether a verdict map has a key that is dropped or rejected."""
    return any(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[1], dict)
        and {"drop", "reject"} & set(pair[1])
        for pair in elements or ()
    )


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 64 else None
