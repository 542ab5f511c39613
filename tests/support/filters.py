"""Random filters, and their text."""

from __future__ import annotations

import socket

from hypothesis import strategies as st

from sretool.sockets.filter import tree as t

ADDRESSES = ("127.0.0.1", "127.0.0.2", "0.0.0.0", "10.1.2.3", "::1", "::", "::ffff:127.0.0.1")
PORTS = (0, 53, 80, 9000, 9001, 9003, 9200, 32768, 60999, 65535)


def _host(end: t.End, text: str | None, cut: int, port: int | None) -> t.Host:
    if text is None:
        return t.Host(end, b"", 0, port)
    raw = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    # a prefix of 0 bits is any address to ss and any of that family to the kernel, which ss asks first
    return t.Host(end, raw, max(1, len(raw) * 8 - cut), port)


ENDS = st.sampled_from(("local", "remote"))
PORT = st.builds(t.Port, ENDS, st.sampled_from(("=", "<", "<=", ">", ">=")), st.sampled_from(PORTS))
HOST = st.builds(
    _host,
    ENDS,
    st.sampled_from((None, *ADDRESSES)),
    st.sampled_from((0, 0, 1, 8, 24, 31)),
    st.sampled_from((None, None, 53, 9000)),
)
DEVICE = st.sampled_from((t.Device("lo"), t.Device("1"), t.Device("none")))
MARK = st.builds(t.Mark, st.sampled_from((0, 1, 0x10)), st.sampled_from((0xFFFFFFFF, 0xF, 0)))
STATE = st.builds(t.State, st.sampled_from((1 << 10, 1 << 1, 1 << 6 | 1 << 8, 0x1FFE & ~(1 << 10))))
FIELD = st.sampled_from(
    (
        t.Field("recv_q_bytes", ">", 0),
        t.Field("rtt_ms", "<", 1e6),
        t.Field("family", "=", "inet"),
        t.Field("process", "=", "python"),
        t.Field("pid", ">", 1),
        t.Field("uid", "=", 0),
    )
)
KERNEL = st.one_of(PORT, HOST, DEVICE, MARK, st.just(t.Autobound()))
ANY = st.one_of(KERNEL, STATE, FIELD)


def trees(terms: st.SearchStrategy[t.Term]) -> st.SearchStrategy[t.Node]:
    def grown(inner: st.SearchStrategy[t.Node]) -> st.SearchStrategy[t.Node]:
        several = st.lists(inner, min_size=2, max_size=4).map(tuple)
        return st.one_of(st.builds(t.Not, inner), st.builds(t.And, several), st.builds(t.Or, several))

    return st.recursive(terms, grown, max_leaves=8)


def text(node: t.Node) -> str:
    """As ss takes it: every word on its own, and all in parentheses, for ss takes `a or b and c` as
    `(a or b) and c`, whatever its manual says.
    """
    if isinstance(node, t.Not):
        return f"! ( {text(node.of)} )"
    if isinstance(node, (t.And, t.Or)):
        return f" {'and' if isinstance(node, t.And) else 'or'} ".join(f"( {text(part)} )" for part in node.of)
    if isinstance(node, t.Port):
        return f"{'sport' if node.end == 'local' else 'dport'} {node.op} :{node.port}"
    if isinstance(node, t.Host):
        return f"{'src' if node.end == 'local' else 'dst'} {_address(node)}"
    if isinstance(node, t.Device):
        return f"dev = {node.name}"
    if isinstance(node, t.Mark):
        return f"fwmark = {node.value:#x}/{node.mask:#x}"
    if isinstance(node, t.Field):
        return f"{node.name} {node.op} {node.value}"
    if isinstance(node, t.Autobound):
        return "autobound"
    raise AssertionError(node)


def _address(node: t.Host) -> str:
    port = "" if node.port is None else f":{node.port}"
    if not node.address:
        return f"*{port}"
    size = len(node.address)
    name = socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, node.address)
    if size == 4:
        return f"{name}/{node.bits}{port}"
    return f"[{name}/{node.bits}]{port}"
