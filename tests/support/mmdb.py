"""Write a MaxMind DB file: https://maxmind.github.io/MaxMind-DB/ (format 2.0)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
MAP, TEXT, UINT16, UINT32, UINT64, ARRAY = 7, 2, 5, 6, 9, 11


def write(path: Path, networks: Mapping[str, Any], *, kind: str = "Test-ASN", record_size: int = 28) -> Path:
    """A file of what each network is, the longest prefix winning; IPv4 lies at ::/96."""
    tree: list[list[Any]] = [[None, None]]  # of a node: two nodes, values or None
    for text, value in sorted(networks.items(), key=lambda item: ipaddress.ip_network(item[0]).prefixlen):
        network = ipaddress.ip_network(text)
        bits, length = int(network.network_address), network.prefixlen + (96 if network.version == 4 else 0)
        node = 0
        for depth in range(127, 127 - length, -1):
            side = bits >> depth & 1
            if depth == 128 - length:
                tree[node][side] = ("data", value)
            else:
                below = tree[node][side]
                if not isinstance(below, int):  # a shorter prefix: both sides below it are the same
                    tree.append([below, below])
                    tree[node][side] = below = len(tree) - 1
                node = below
    data = bytearray()
    nodes = bytearray()
    for left, right in tree:
        nodes += _record(_at(left, tree, data), _at(right, tree, data), record_size)
    metadata = {
        "node_count": (UINT32, len(tree)),
        "record_size": (UINT16, record_size),
        "ip_version": (UINT16, 6),
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": (UINT16, 2),
        "binary_format_minor_version": (UINT16, 0),
        "build_epoch": (UINT64, 1_700_000_000),
        "description": {"en": "made by a test"},
    }
    path.write_bytes(bytes(nodes) + bytes(16) + bytes(data) + MARKER + _field(metadata))
    return path


def _at(side: Any, tree: list[list[Any]], data: bytearray) -> int:
    if side is None:
        return len(tree)
    if isinstance(side, int):
        return side
    offset = len(data)
    data += _field(side[1])
    return len(tree) + 16 + offset


def _record(left: int, right: int, size: int) -> bytes:
    if size == 28:  # the high four bits of both share the byte between
        middle = (left >> 24) << 4 | right >> 24
        return (left & 0xFFFFFF).to_bytes(3, "big") + bytes([middle]) + (right & 0xFFFFFF).to_bytes(3, "big")
    return left.to_bytes(size // 8, "big") + right.to_bytes(size // 8, "big")


def _field(value: Any) -> bytes:
    if isinstance(value, dict):
        return _head(MAP, len(value)) + b"".join(_field(key) + _field(item) for key, item in value.items())
    if isinstance(value, list):
        return _head(ARRAY, len(value)) + b"".join(map(_field, value))
    if isinstance(value, str):
        raw = value.encode()
        return _head(TEXT, len(raw)) + raw
    kind, number = value if isinstance(value, tuple) else (UINT32, value)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return _head(kind, len(raw)) + raw


def _head(kind: int, size: int) -> bytes:
    more = b"" if size < 29 else bytes([size - 29])
    first = (kind << 5 if kind < 8 else 0) | min(size, 29)
    return bytes([first]) + (b"" if kind < 8 else bytes([kind - 7])) + more
