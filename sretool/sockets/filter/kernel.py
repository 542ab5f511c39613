"""The part of a filter that the kernel evaluates: the state mask of the request, and a program for
INET_DIAG_REQ_BYTECODE.

The machine (net/ipv4/inet_diag.c): operations of `code`, `yes`, `no` and operands; `yes` and `no` are
how many bytes to go on from this operation, and a socket is kept when the program ends exactly at its
end. inet_diag_bc_audit follows `yes` only, which must step from each operation to the next, so that
all jumps here are by `no`; one to 4 bytes behind the end throws the socket away.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from sretool.sockets.filter.judge import Names
from sretool.sockets.filter.tree import (
    ALL,
    And,
    Autobound,
    Cgroup,
    Const,
    Device,
    Host,
    Mark,
    Node,
    Not,
    Or,
    Port,
    State,
    Term,
    all_of,
    conjuncts,
    states,
    terms,
    within,
)

# include/uapi/linux/inet_diag.h
_JMP, _S_GE, _S_LE, _D_GE, _D_LE, _S_COND, _D_COND, _DEV, _MARK, _CGROUP = 1, 2, 3, 4, 5, 7, 8, 9, 10, 13
_LIMIT_BYTES = 0xFFFF - 4 - 4
"""Of an attribute, whose length has 16 bits, and of a jump out of it."""


class Plan(NamedTuple):
    """states: the mask of the states that may fit. program: what the kernel decides exactly, with the
    rest taken to fit. rest: what is to be judged of the sockets it sends.
    """

    states: int
    program: Node
    rest: Node


def plan(node: Node) -> Plan:
    """Split a tree between the kernel and us."""
    rest = []
    for part in conjuncts(node):
        kinds = {_kind(term) for term in terms(part) if not isinstance(term, Const)}
        if kinds not in ({"state"}, {"program"}, set()):
            rest.append(part)
    return Plan(states(node), within(node, lambda term: _kind(term) == "program"), all_of(rest))


def _kind(term: Term) -> str:
    if isinstance(term, State):
        return "state"
    known = isinstance(term, (Port, Host, Device, Mark, Cgroup, Autobound))
    return "program" if known else "other"


def bytecode(program: Node, names: Names) -> bytes | None:
    """The program of a tree of terms that the kernel knows; None when it keeps all, or is too long."""
    return None if program == ALL else _Assembler(names).assemble(program)


class _Assembler:
    _FAIL = 0

    def __init__(self, names: Names) -> None:
        self._names = names
        self._code: list[tuple[bytes, int]] = []  # an operation without `no`, and the label it goes to then
        self._labels = [self._FAIL]  # by label: the number of the operation it stands before

    def assemble(self, program: Node) -> bytes | None:
        self._emit(program, self._FAIL)
        starts = [0]
        for operation, _ in self._code:
            starts.append(starts[-1] + len(operation))
        size = starts[-1]
        if size > _LIMIT_BYTES:
            return None
        out = bytearray()
        for (operation, no), start in zip(self._code, starts):
            target = size + 4 if no == self._FAIL else starts[self._labels[no]]
            out += operation[:2] + struct.pack("=H", target - start) + operation[4:]
        return bytes(out)

    def _label(self) -> int:
        self._labels.append(-1)
        return len(self._labels) - 1

    def _place(self, label: int) -> None:
        self._labels[label] = len(self._code)

    def _emit(self, node: Node, no: int) -> None:
        """Falls through when it fits, else goes to `no`."""
        if isinstance(node, And):
            for part in node.of:
                self._emit(part, no)
        elif isinstance(node, Or):
            end = self._label()
            for part in node.of[:-1]:
                other = self._label()
                self._emit(part, other)
                self._code.append((_op(_JMP), end))
                self._place(other)
            self._emit(node.of[-1], no)
            self._place(end)
        elif isinstance(node, Not):
            fits = self._label()
            self._emit(node.of, fits)
            self._code.append((_op(_JMP), no))
            self._place(fits)
        else:
            self._code.extend((operation, no) for operation in _operations(node, self._names))


def _op(code: int, operand: bytes = b"") -> bytes:
    """A struct inet_diag_bc_op without its `no`, and what stands behind it."""
    return struct.pack("=BBH", code, 4 + len(operand), 0) + operand


def _operations(term: Node, names: Names) -> list[bytes]:
    """All must fit."""
    if isinstance(term, Const):
        return [] if term.value else [_op(_JMP)]
    if isinstance(term, Port):
        return _port(term)
    if isinstance(term, Host):
        family = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 16: socket.AF_INET6}[len(term.address)]
        # struct inet_diag_hostcond
        operand = struct.pack("=BBxxi", family, term.bits, -1 if term.port is None else term.port)
        return [_op(_S_COND if term.end == "local" else _D_COND, operand + term.address)]
    if isinstance(term, Device):
        index = names.device(term.name)
        return [_op(_JMP)] if index is None else [_op(_DEV, struct.pack("=I", index))]
    if isinstance(term, Mark):
        return [_op(_MARK, struct.pack("=II", term.value, term.mask))]
    if isinstance(term, Cgroup):
        id_ = names.cgroups.get(term.path)
        return [_op(_JMP)] if id_ is None else [_op(_CGROUP, struct.pack("=Q", id_))]
    if isinstance(term, Autobound):
        low, high = names.ephemeral
        return [*_port(Port("local", ">=", low)), *_port(Port("local", "<=", high))]
    raise AssertionError(term)  # `plan` left it out


def _port(term: Port) -> list[bytes]:
    """The port is the `no` of a second operation; only >= and <= are known to all kernels."""
    least, most = (_S_GE, _S_LE) if term.end == "local" else (_D_GE, _D_LE)

    def compare(code: int, port: int) -> bytes:
        if not 0 <= port <= 0xFFFF:
            return _op(_JMP)
        return _op(code, struct.pack("=BBH", 0, 0, port))

    if term.op == "=":
        return [compare(least, term.port), compare(most, term.port)]
    if term.op in (">=", ">"):
        return [compare(least, term.port + (term.op == ">"))]
    return [compare(most, term.port - (term.op == "<"))]
