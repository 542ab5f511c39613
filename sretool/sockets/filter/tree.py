"""What a filter is once it is parsed: terms, and, or, not.

Two-valued throughout, as in the kernel: what is null fits no comparison, so `not` of it fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from operator import and_, or_
from typing import Literal, Union

from msgspec import Struct

from sretool.sockets.states import ALL_STATES, BOUND_INACTIVE, EVERY

End = Literal["local", "remote"]
Op = Literal["=", "<", "<=", ">", ">="]


class Const(Struct, frozen=True):
    """All sockets, or none."""

    value: bool


class Port(Struct, frozen=True):
    """`sport`, `dport`: a port of 0 to 65535; a socket without a peer has the remote port 0."""

    end: End
    op: Op
    port: int


class Host(Struct, frozen=True):
    """`src`, `dst`: the first `bits` of an address of 4 or 16 bytes (none: any address, of any
    family), and a port. An IPv4 address fits the same one mapped into IPv6, as in the kernel.
    """

    end: End
    address: bytes
    bits: int
    port: int | None = None


class Name(Struct, frozen=True):
    """`src`, `dst` of a UNIX socket: its path or @name, as a pattern (fnmatch, as in ss)."""

    end: End
    pattern: str


class State(Struct, frozen=True):
    """`state`, `exclude`: a mask of include/net/tcp_states.h."""

    mask: int


class Device(Struct, frozen=True):
    """`dev`: the interface a socket is bound to, by name or index."""

    name: str


class Mark(Struct, frozen=True):
    """`fwmark`: mark & mask == value."""

    value: int
    mask: int


class Cgroup(Struct, frozen=True):
    """`cgroup`: the cgroup v2 directory a socket was made in, itself and not what is below."""

    path: str


class Autobound(Struct, frozen=True):
    """`autobound`: the local port is one the kernel gives out by itself."""


class Field(Struct, frozen=True):
    """Any field of a row of `sockets list`."""

    name: str
    op: Op
    value: Union[str, float]


class Not(Struct, frozen=True):
    """The opposite."""

    of: Node


class And(Struct, frozen=True):
    """Each of them."""

    of: tuple[Node, ...]


class Or(Struct, frozen=True):
    """Any of them."""

    of: tuple[Node, ...]


Term = Union[Const, Port, Host, Name, State, Device, Mark, Cgroup, Autobound, Field]
Node = Union[Term, Not, And, Or]
ALL, NONE = Const(True), Const(False)


def all_of(nodes: Iterable[Node]) -> Node:
    """Each of `nodes`, with constants folded."""
    kept = [node for node in nodes if node != ALL]
    if NONE in kept:
        return NONE
    return kept[0] if len(kept) == 1 else And(tuple(kept)) if kept else ALL


def any_of(nodes: Iterable[Node]) -> Node:
    """Any of `nodes`, with constants folded."""
    kept = [node for node in nodes if node != NONE]
    if ALL in kept:
        return ALL
    return kept[0] if len(kept) == 1 else Or(tuple(kept)) if kept else NONE


def opposite(node: Node) -> Node:
    """Not `node`, with constants folded."""
    return Const(not node.value) if isinstance(node, Const) else Not(node)


def terms(node: Node) -> Iterator[Term]:
    """All terms of a tree."""
    if isinstance(node, Not):
        yield from terms(node.of)
    elif isinstance(node, (And, Or)):
        for part in node.of:
            yield from terms(part)
    else:
        yield node


def conjuncts(node: Node) -> tuple[Node, ...]:
    """What all must fit at once."""
    if isinstance(node, And):
        return tuple(inner for part in node.of for inner in conjuncts(part))
    return (node,)


def uses(node: Node | None, *kinds: type[Term]) -> bool:
    """Whether a term of these kinds is in the tree."""
    return node is not None and any(isinstance(term, kinds) for term in terms(node))


def fields(node: Node | None) -> set[str]:
    """The fields of a row that the tree asks for by name."""
    return set() if node is None else {term.name for term in terms(node) if isinstance(term, Field)}


def within(node: Node, known: Callable[[Term], bool], upper: bool = True) -> Node:
    """The narrowest tree of `known` terms that fits whatever `node` fits (of `upper` false: the
    widest that fits nothing else).
    """
    if isinstance(node, Not):
        return opposite(within(node.of, known, not upper))
    if isinstance(node, And):
        return all_of(within(part, known, upper) for part in node.of)
    if isinstance(node, Or):
        return any_of(within(part, known, upper) for part in node.of)
    return node if isinstance(node, Const) or known(node) else Const(upper)


def states(node: Node) -> int:
    """The states of whatever `node` fits, as a mask, all other terms taken to fit any."""
    named = any(isinstance(term, State) and term.mask >> BOUND_INACTIVE & 1 for term in terms(node))
    return _mask(node, True) & (EVERY if named else ALL_STATES)


def _mask(node: Node, upper: bool) -> int:
    if isinstance(node, State):
        return node.mask
    if isinstance(node, Not):
        return EVERY & ~_mask(node.of, not upper)
    if isinstance(node, And):
        return reduce(and_, (_mask(part, upper) for part in node.of))
    if isinstance(node, Or):
        return reduce(or_, (_mask(part, upper) for part in node.of))
    return EVERY if (node.value if isinstance(node, Const) else upper) else 0
