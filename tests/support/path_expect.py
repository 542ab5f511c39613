"""What a scenario's file expects of an answer, compared one exact thing at a time."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import path_files
from paths import Path

CLOSE_MS = 2.0
BUSY_MS = 15.0
"""By so much more a machine that does other things beside may end a trace."""
EARLY_MS = 0.3
"""A reply never arrives before its time; clocks are read at two places."""
_SPECIAL = {"exit", "findings", "hops", "strays", "network_ms", "rtt", "hop"}
"""Keys with a meaning of their own; the others are keys of the answer's data."""


class Differences(NamedTuple):
    """`wrong` is wrong whenever it is seen; `late` may be this machine, busy with other things, or chance."""

    wrong: list[str]
    late: list[str]


def differences(expect: dict[str, Any], answer: dict[str, Any], path: Path, waves: int = 1) -> Differences:
    """`expect` as `path_files.chosen` left it, of one variant; `waves`: so often the hops are asked, one
    time after the other.
    """
    compared = _Compared(path)
    data = answer["data"]
    compared.value("exit", answer["exit_code"], expect.get("exit"))
    found = sorted({finding["id"] for finding in answer["findings"]})
    compared.value("findings", found, expect.get("findings") or [])
    if "stray_replies" in data:
        compared.value("strays", data["stray_replies"], expect.get("strays", 0))
    compared.value("network_ms", data["network_ms"], {"max": waves * (expect["network_ms"] + BUSY_MS)})
    if expect.get("hops") is not None:
        compared.hops(data["hops"], data["first_ttl"], expect["hops"])
    if "first_ttl" in data and expect.get("rtt") is not False:
        compared.times(data["hops"])
    for key in sorted(set(expect) - _SPECIAL):
        compared.value(key, data.get(key), expect[key])
    hops = {str(hop["ttl"]): hop for hop in data["hops"]}
    for ttl, fields in (expect.get("hop") or {}).items():
        if ttl not in hops:
            compared.wrong.append(f"there is no hop {ttl}")
            continue
        compared.fields(f"hop {ttl}", hops[ttl], fields)
    return Differences(compared.wrong, compared.late)


class _Compared:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.wrong: list[str] = []
        self.late: list[str] = []

    def fields(self, where: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
        for key, value in (expected or {}).items():
            if key == "host":
                hosts = {path_files.name_of(host["address"], self.path): host for host in found["hosts"]}
                for name, inner in value.items():
                    if name in hosts:
                        self.fields(f"{where}, {name}", hosts[name], inner)
                    else:
                        self.wrong.append(f"{where}: {name} is not among {sorted(hosts)}")
            else:
                self.value(f"{where}, {key}", found.get(key), value)

    def value(self, what: str, found: Any, expected: Any) -> None:
        """Nothing is expected when `expected` is None."""
        name = what.rpartition(" ")[2]
        if expected is None:
            return
        found = self._named(name, found)
        if name == "loop" and expected in [found[turn:] + found[:turn] for turn in range(len(found))]:
            return  # a circle begins where one likes
        if not _is(name, found, expected):
            # of all ways to be found one in twenty balancers is missed: that is what 95 % means
            once = (name.endswith("_ms") and found is not None) or name == "ecmp"
            wrong = self.late if once else self.wrong
            wrong.append(f"{what} is {str(found)[:600]}, not {_words(expected)}")

    def _named(self, key: str, found: Any) -> Any:
        """With the names of nodes for their addresses."""
        if isinstance(found, dict):
            return {inner: self._named(inner, value) for inner, value in found.items()}
        if isinstance(found, list):
            return [self._named(key, value) for value in found]
        if isinstance(found, str) and (key.endswith("address") or key in ("loop", "was", "now")):
            return path_files.name_of(found, self.path)
        return found

    def hops(self, hops: list[dict[str, Any]], first_ttl: int, expected: list[str] | list[list[str]]) -> None:
        """`3`: this host and no other; `*`: nobody; `3a|3b`: any of them, `3a+3b`: all of them and no
        other; `3?`, `3a|3b?`: or nobody; `?`: whoever; `target xN`, `* xN`: so N hops. A list of
        such lists: one of them.
        """
        if expected and isinstance(expected[0], list):
            ways = [_Compared(self.path) for _ in expected]
            for way, one in zip(ways, expected):
                way.hops(hops, first_ttl, one)  # type: ignore[arg-type]
            self.wrong += [] if any(not way.wrong for way in ways) else ways[0].wrong
            return
        wanted = path_files.unfolded(expected)  # type: ignore[arg-type]
        found = [
            sorted({path_files.name_of(host["address"], self.path) for host in hop["hosts"]}) for hop in hops
        ]
        if len(found) != len(wanted):
            self.wrong.append(
                f"{len(found)} hops {['+'.join(names) or '*' for names in found]}, not {wanted}"
            )
            return
        for number, (names, want) in enumerate(zip(found, wanted)):
            if not answered(names, want):
                self.wrong.append(f"hop {first_ttl + number} is {'+'.join(names) or '*'}, not {want}")

    def times(self, hops: list[dict[str, Any]]) -> None:
        """Each host's quickest time is the path's."""
        for hop in hops:
            for host in hop["hosts"]:
                nodes = [node for node in self.path.every_node() if node.address == host["address"]]
                if not nodes:
                    continue
                low = min(min(node.rtts_ms) for node in nodes)
                high = max(max(node.rtts_ms) + node.jitter_ms for node in nodes)
                found = host["rtt_min_ms"]
                if found < low - EARLY_MS:
                    self.wrong.append(f"hop {hop['ttl']} answers after {found} ms, before its {low:g}")
                if found > high + CLOSE_MS:
                    self.late.append(f"hop {hop['ttl']} answers after {found} ms, not {high:g}")


def answered(names: list[str], want: str) -> bool:
    """Whether these hosts are what `hops` wants of one hop."""
    if want == "?":
        return True
    if want == "*":
        return not names
    if want.endswith("?"):
        if not names:
            return True
        want = want[:-1]
    if "|" in want:
        return bool(names) and set(names) <= set(want.split("|"))
    return names == sorted(want.split("+"))


def _is(name: str, found: Any, expected: Any) -> bool:
    if isinstance(expected, dict) and set(expected) <= {"min", "max", "any"}:
        if "any" in expected:
            return found in expected["any"]
        if not isinstance(found, (int, float)):
            return False
        return expected.get("min", found) <= found <= expected.get("max", found)
    if name.endswith("_ms") and isinstance(expected, list):
        return len(found) == len(expected) and all(map(_close, sorted(found), sorted(expected)))
    if name.endswith("_ms"):
        return found is not None and _close(found, expected)
    if name.endswith("_ratio"):
        return found is not None and abs(found - expected) < 0.001
    if isinstance(expected, list) and expected and isinstance(expected[0], dict):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(_within(*pair) for pair in zip(_sorted(found), _sorted(expected)))
        )
    if isinstance(expected, dict):
        return isinstance(found, dict) and _within(found, expected)
    if isinstance(expected, str) and "|" in expected and isinstance(found, str):
        return found in re.split(r"\|", expected)
    return bool(found == expected)


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By address, where they have one."""
    return sorted(rows, key=lambda row: str(row.get("address") or ""))


def _within(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """The keys that are expected; there may be more."""
    return all(_is(key, found.get(key), value) for key, value in expected.items())


def _close(found: float, expected: float) -> bool:
    return -EARLY_MS <= found - expected <= CLOSE_MS


def _words(expected: Any) -> str:
    if isinstance(expected, dict):
        return " and ".join(f"{word} {value}" for word, value in expected.items())
    return str(expected)
