"""From text to tree. The language is that of ss(8), with its documented precedence (or, and, not), and
with the fields of a row as further terms:

    sport = :443 and dst 10.0.0.0/8
    state established ( dport = :5432 or dport = :6379 ) not process = pgbouncer
    rtt_ms > 50 and retransmits_total > 0
"""

from __future__ import annotations

import difflib
import re
import socket
import typing
from collections.abc import Callable, Collection
from typing import NamedTuple

from sretool.errors import UsageError
from sretool.sockets.filter.tree import (
    ALL,
    And,
    Autobound,
    Cgroup,
    Device,
    End,
    Field,
    Host,
    Mark,
    Name,
    Node,
    Not,
    Op,
    Or,
    Port,
    State,
)
from sretool.sockets.model import Socket
from sretool.sockets.states import ALL_STATES, MASKS

DEPTH_LIMIT = 100
_TOKEN = re.compile(r"""\s*(?:(&&|\|\||==|!=|>=|<=|[()!&|=<>])|"([^"]*)"|'([^']*)'|([^\s()!&|=<>"']+))""")
_AND, _OR, _NOT = ("and", "&", "&&"), ("or", "|", "||"), ("not", "!")
_OPS: dict[str, Op] = {
    **dict.fromkeys(("=", "==", "eq"), "="),
    **dict.fromkeys((">=", "ge", "geq"), ">="),
    **dict.fromkeys(("<=", "le", "leq"), "<="),
    **dict.fromkeys((">", "gt"), ">"),
    **dict.fromkeys(("<", "lt"), "<"),
}
_UNLIKE = ("!=", "ne", "neq")
_ENDS: dict[str, End] = {"sport": "local", "dport": "remote", "src": "local", "dst": "remote"}
_TERMS = ("sport", "dport", "src", "dst", "state", "exclude", "dev", "fwmark", "cgroup", "autobound")


class _Token(NamedTuple):
    text: str
    column: int
    quoted: bool = False


def parse(text: str) -> Node:
    """The tree of a filter; one without words fits all.

    Raises:
        UsageError: where (column, from 1) and what was expected.
    """
    parser = _Parser(text)
    return ALL if parser.at_end else parser.whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _split(text)
        self._end = _Token("", len(text.rstrip()) + 1)
        self._at = 0
        self._depth = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._tokens)

    @property
    def _next(self) -> _Token:
        return self._end if self.at_end else self._tokens[self._at]

    def _is(self, words: Collection[str]) -> bool:
        return not self.at_end and not self._next.quoted and self._next.text in words

    def _take(self, expected: str) -> _Token:
        token = self._next
        if self.at_end or self._is(("(", ")", *_AND, *_OR, *_NOT)):
            raise _wrong(token, expected)
        self._at += 1
        return token

    def _skip(self, words: Collection[str]) -> bool:
        found = self._is(words)
        self._at += found
        return found

    def whole(self) -> Node:
        found = self._either()
        if not self.at_end:
            raise _wrong(self._next, "and, or, or the end")
        return found

    def _either(self) -> Node:
        parts = [self._both()]
        while self._skip(_OR):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self) -> Node:
        parts = [self._one()]
        while self._skip(_AND) or not (self.at_end or self._is((")", *_OR))):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Node:
        opened = self._next
        if not self._is(("(", *_NOT)):
            return self._term()
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise _wrong(opened, f"at most {DEPTH_LIMIT} ( and not within each other")
        if self._skip(_NOT):
            found: Node = Not(self._one())
        else:
            self._at += 1
            found = self._either()
            if not self._skip((")",)):
                raise _wrong(self._next, f"a ) for the ( at column {opened.column}")
        self._depth -= 1
        return found

    def _term(self) -> Node:
        token = self._take("a term such as sport = :443, dst 10.0.0.0/8, state listen or process = NAME")
        word = token.text
        if token.quoted:
            raise _wrong(token, "the name of a field, without quotes")
        if word in ("state", "exclude", "excl"):
            return self._states()
        if word == "autobound":
            return Autobound()
        if word in ("sport", "dport"):
            return self._compared(lambda op: Port(_ENDS[word], op, self._port()), tuple(_OPS))
        if word in ("src", "dst"):
            return self._compared(lambda _: self._host(_ENDS[word]))
        if word == "dev":
            return self._compared(lambda _: Device(self._take("an interface").text))
        if word == "fwmark":
            return self._compared(lambda _: self._mark())
        if word == "cgroup":
            return self._compared(lambda _: self._cgroup())
        if word in Socket.__struct_fields__:
            return self._field(word)
        near = difflib.get_close_matches(word, (*_TERMS, *Socket.__struct_fields__), 1)
        hint = f"did you mean {near[0]}?" if near else f"for a process of that name: process = {word[:40]}"
        raise _wrong(token, "sport, dport, src, dst, state or another term of the man page", hint)

    def _compared(self, make: Callable[[Op], Node], ops: Collection[str] = ("=", "==", "eq")) -> Node:
        """A term whose = may be left out, as ss has it."""
        if self._skip(_UNLIKE):
            return Not(make("="))
        if self._is(ops):
            op = _OPS[self._next.text]
            self._at += 1
            return make(op)
        if self._is(_OPS):
            raise _wrong(self._next, "= or !=")
        return make("=")

    def _states(self) -> Node:
        """A run of `state` and `exclude` makes one set, as in ss: states are added, then taken away."""
        mask: int | None = None
        self._at -= 1
        while self._is(("state", "exclude", "excl")):
            adding = self._next.text == "state"
            self._at += 1
            if self._skip(_UNLIKE):
                adding = not adding
            else:
                self._skip(("=", "==", "eq"))
            token = self._take("a state")
            found = MASKS.get(token.text.lower())
            if found is None:
                raise _wrong(token, f"one of {', '.join(MASKS)}")
            if adding:
                mask = found | (mask or 0)
            else:
                mask = (ALL_STATES if mask is None else mask) & ~found
        return State(mask or 0)

    def _port(self) -> int:
        expected = "a port such as 443, :443 or :https"
        return _port_of(self._take(expected), expected)

    def _host(self, end: End) -> Node:
        expected = "an address such as 10.0.0.0/8, 192.0.2.1:443, [2001:db8::1]:443 or *:443"
        token = self._take(expected)
        text = token.text
        family = None
        for prefix in ("inet6", "inet", "unix"):
            if text.startswith(f"{prefix}:"):
                family, text = prefix, text[len(prefix) + 1 :]
                break
        if family == "unix" or (family is None and text.startswith(("/", "@"))):
            return Name(end, text)
        address, port = _halves(text)
        number = None
        if port not in ("", "*"):
            number = _port_of(_Token(port, token.column + len(token.text) - len(port)), expected)
        if address in ("", "*"):
            if not text:
                raise _wrong(token, expected)
            raw, bits = b"", 0
        else:
            raw, bits = _prefix(address, token, expected)
        wanted = {"inet": 4, "inet6": 16}.get(family or "", len(raw))
        if raw and len(raw) != wanted:
            raise _wrong(token, f"an address of family {family}")
        if family is not None and not raw:
            raw = bytes(wanted)
        return Host(end, raw, bits, number)

    def _mark(self) -> Node:
        expected = "a mark such as 0x10 or 0x10/0xff"
        token = self._take(expected)
        value, _, mask = token.text.partition("/")
        try:
            numbers = int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF
        except ValueError:
            raise _wrong(token, expected) from None
        if not all(0 <= number <= 0xFFFFFFFF for number in numbers):
            raise _wrong(token, "a mark of 32 bits")
        return Mark(*numbers)

    def _cgroup(self) -> Node:
        token = self._take("the path of a cgroup")
        if not token.text.startswith("/"):
            raise _wrong(token, "a path from the root of the cgroup tree, such as /system.slice/ssh.service")
        return Cgroup(token.text)

    def _field(self, name: str) -> Node:
        numeric = _is_number(name)
        allowed = tuple(_OPS) if numeric else ("=", "==", "eq")
        unlike = self._skip(_UNLIKE)
        op: Op = "="
        if not unlike:
            if not self._is(allowed):
                raise _wrong(self._next, "an operator: = != > < >= <=" if numeric else "= or !=")
            op = _OPS[self._next.text]
            self._at += 1
        token = self._take("a number" if numeric else "a name, or a pattern with * ? []")
        value: str | float = token.text
        if numeric:
            try:
                value = int(token.text) if token.text.isdecimal() else float(token.text)
            except ValueError:
                raise _wrong(token, "a number") from None
            if value != value:
                raise _wrong(token, "a number")
        found = Field(name, op, value)
        return Not(found) if unlike else found


def _split(text: str) -> list[_Token]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            column = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            raise _wrong(_Token(text[column - 1 :], column), "a closing quote")
        kind = found.lastindex or 0
        quoted = kind in (2, 3)
        tokens.append(_Token(found[kind], found.start(kind) + 1 - quoted, quoted))
        at = found.end()
    return tokens


def _wrong(token: _Token, expected: str, hint: str = "") -> UsageError:
    here = f", not {token.text[:40]!r}" if token.text else ", and there it ends"
    return UsageError("FILTER", f"column {token.column}: expected {expected}{here}", hint)


def _halves(text: str) -> tuple[str, str]:
    """Address and port of ADDR, ADDR:PORT, [ADDR]:PORT, ADDR/N:PORT; an IPv6 address may do without
    its brackets when it has no port.
    """
    if text.startswith("["):
        address, _, rest = text[1:].partition("]")
        if rest.startswith("/"):
            bits, _, port = rest.partition(":")
            return address + bits, port
        return address, rest.removeprefix(":")
    if text.count(":") > 1 and "/" not in text.rpartition(":")[2]:
        start, _, port = text.rpartition(":")
        return (start, port) if "/" in start else (text, "")
    if text.count(":") > 1:
        return text, ""
    address, _, port = text.partition(":")
    return address, port


def _prefix(text: str, token: _Token, expected: str) -> tuple[bytes, int]:
    address, slash, length = text.partition("/")
    if slash and ":" not in address:  # 10/8
        address += ".0" * (3 - address.count("."))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        raw = socket.inet_pton(family, address)
    except (OSError, ValueError):
        raise _wrong(token, expected) from None
    if not slash:
        return raw, len(raw) * 8
    if not length.isdecimal() or len(length) > 3 or int(length) > len(raw) * 8:
        raise _wrong(token, f"a prefix length of 0 to {len(raw) * 8}")
    return raw, int(length)


def _port_of(token: _Token, expected: str) -> int:
    text = token.text.removeprefix(":")
    if text.isdecimal():
        if len(text) < 6 and int(text) <= 65535:
            return int(text)
        raise _wrong(token, "a port of at most 65535")
    for protocol in ("tcp", "udp"):
        try:
            return socket.getservbyname(text, protocol)
        except (OSError, ValueError):
            continue
    raise _wrong(token, expected)


def _is_number(name: str) -> bool:
    hint = typing.get_type_hints(Socket)[name]
    return not {int, float}.isdisjoint(typing.get_args(hint) or (hint,))
