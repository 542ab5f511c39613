"""Paths in TOML files: tests/lab/paths/*.toml. One file is one path for both families, what to run on
it, and what must come out. tests/lab/paths/README.md describes the format.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path as FilePath
from typing import Any

import paths
from paths import PORT_UNREACHABLE, TIME_EXCEEDED, Change, Element, Flood, Node, Path, Service, Split

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = FilePath(__file__).resolve().parents[1] / "lab/paths"
ERRORS: dict[str, dict[int, tuple[int, int]]] = {
    "time-exceeded": TIME_EXCEEDED,
    "reassembly-time-exceeded": {4: (11, 1), 6: (3, 1)},
    "port-unreachable": PORT_UNREACHABLE,
    "net-unreachable": {4: (3, 0), 6: (1, 0)},
    "host-unreachable": {4: (3, 1), 6: (1, 3)},
    "protocol-unreachable": {4: (3, 2)},
    "net-prohibited": {4: (3, 9)},
    "host-prohibited": {4: (3, 10)},
    "admin-prohibited": {4: (3, 13), 6: (1, 1)},
    "source-policy-failed": {6: (1, 5)},
    "reject-route": {6: (1, 6)},
    "source-quench": {4: (4, 0)},
    "redirect": {4: (5, 1)},
    "parameter-problem": {4: (12, 0), 6: (4, 1)},
    "unknown": {4: (3, 77), 6: (1, 77)},
}
_NAME = re.compile(r"(\d+)([a-z]?)")
_NODE_FIELDS = {field.name for field in dataclasses.fields(Node)} - {"address", "rtts_ms", "icmp", "service"}
_SERVICE = {"to_udp", "to_icmp", "to_tcp", "most_bytes"}


def read(file: FilePath) -> dict[str, Any]:
    return tomllib.loads(file.read_text())


def chosen(value: Any, *variant: str) -> Any:
    """What a value is in this variant: a table whose keys are families (v4, v6), protocols or methods
    stands for the value under the one that applies; None when none does.
    """
    words = {"v4", "v6", "udp", "icmp", "tcp", "raw", "sockets"}
    if isinstance(value, dict) and value and set(value) <= words:
        keys = [key for key in value if key in variant]
        return chosen(value[keys[0]], *variant) if keys else None
    if isinstance(value, dict):
        return {key: chosen(inner, *variant) for key, inner in value.items()}
    if isinstance(value, list):
        return [chosen(inner, *variant) for inner in value]
    return value


def unfolded(hops: list[str]) -> list[str]:
    """`* x3` is three hops."""
    wanted = []
    for one in hops:
        name, _, times = one.partition(" x")
        wanted += [name] * int(times or 1)
    return wanted


def name_of(address: str | None, path: Path) -> str:
    """`3`, `3a`, `target`: an address as the files call it; else itself."""
    if address == path.target:
        return "target"
    for node in path.every_node():
        if node.address == address:
            ttl, leg = _place(address)
            if leg <= 26 and address == paths.address(ttl, path.family, leg):
                return f"{ttl}{chr(ord('a') + leg - 1) if leg else ''}"
    return str(address)


def _place(address: str) -> tuple[int, int]:
    """TTL and leg of an address that `paths.address` made, else nonsense."""
    if ":" in address:
        *_, leg, ttl = [int(part or "0", 16) for part in address.split(":")]
        return ttl, leg - 1
    *_, leg, ttl = [int(part) for part in address.split(".")]
    return ttl, leg


def load(file: FilePath, family: int = 4) -> Path:
    return _Reader(chosen(read(file), f"v{family}"), family).path()


class _Reader:
    def __init__(self, raw: dict[str, Any], family: int) -> None:
        self.raw = raw
        self.family = family
        self.step_ms = float(raw.get("step_ms", 5.0))
        self.nodes: dict[str, Node] = {}
        self.unused = set(raw.get("node", {})) | set(raw.get("silent", []))

    def path(self) -> Path:
        raw = self.raw
        names = raw["path"]
        if isinstance(names, int):
            names = [str(ttl) for ttl in range(1, names)]
        hops = [self._element(name) for name in names]
        path = Path(paths.target(self.family), hops, self._target(_length(hops) + 1))
        path.loop = [self._node(name) for name in raw.get("loop", [])]
        for change in raw.get("change", []):
            elements = [self._element(name) for name in change.pop("path")]
            path.changes.append(Change(elements, **change))
        if "flood" in raw:
            flood = {**raw["flood"], "icmp": self._error(raw["flood"]["icmp"])}
            path.flood = Flood(**flood)
        path.link_mtu = raw.get("link_mtu", 1500)
        path.seed = raw.get("seed", 1)
        if self.unused:
            raise ValueError(f"no such nodes in the path: {sorted(self.unused)}")
        return path

    def _element(self, given: Any) -> Element:
        if given == "*":
            return []
        if isinstance(given, str):
            return [self._node(given)]
        table = {"legs": given} if isinstance(given, list) else dict(given)
        legs = [
            [self._element(name) for name in ([leg] if isinstance(leg, (str, dict)) else leg)]
            for leg in table.pop("legs")
        ]
        return Split(legs, **table)

    def _node(self, name: str) -> Node:
        if name not in self.nodes:
            match = _NAME.fullmatch(name)
            if match is None:
                raise ValueError(f"{name}: a node is called 3, or 3a on leg a")
            ttl, leg = int(match[1]), ord(match[2]) - ord("a") + 1 if match[2] else 0
            address = paths.address(ttl, self.family, leg)
            icmp = None if name in self.raw.get("silent", []) else TIME_EXCEEDED[self.family]
            given = dict(self.raw.get("node", {}).get(name, {}))
            self.unused.discard(name)
            self.nodes[name] = self._with(Node(address, [ttl * self.step_ms], icmp), given)
        return self.nodes[name]

    def _target(self, ttl: int) -> Node | None:
        given = dict(self.raw.get("target", {}))
        if given.pop("silent", False):
            return None
        service = {key.removeprefix("to_"): given.pop(key) for key in _SERVICE & set(given)}
        for key in {"udp", "icmp", "tcp"} & set(service):
            if service[key] not in ("open", "closed", "silent"):
                service[key] = self._error(service[key])
        node = Node(paths.target(self.family), [ttl * self.step_ms], None, service=Service(**service))
        return self._with(node, given)

    def _with(self, node: Node, given: dict[str, Any]) -> Node:
        if "rtt_ms" in given:
            rtt_ms = given.pop("rtt_ms")
            node.rtts_ms = [float(rtt) for rtt in (rtt_ms if isinstance(rtt_ms, list) else [rtt_ms])]
        node.address = given.pop("address", node.address)
        if "answer" in given:
            node.icmp = self._error(given.pop("answer"))
        if "refuse" in given:
            given["refuse"] = self._error(given["refuse"])
        if "labels" in given:
            given["labels"] = [tuple(label) for label in given["labels"]]
        unknown = set(given) - _NODE_FIELDS
        if unknown:
            raise ValueError(f"{node.address}: nobody knows {sorted(unknown)}")
        return dataclasses.replace(node, **given)

    def _error(self, word: Any) -> tuple[int, int]:
        if isinstance(word, list):
            return (word[0], word[1])
        return ERRORS[word][self.family]


def _length(hops: list[Element]) -> int:
    """Of the longest way."""
    return sum(max(map(_length, hop.legs)) if isinstance(hop, Split) else 1 for hop in hops)
