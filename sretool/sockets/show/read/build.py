"""The model from two readings; nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.errors import ParseError
from sretool.sockets import read as sockets
from sretool.sockets import states
from sretool.sockets.model import Socket
from sretool.sockets.read import diag, tcp_info
from sretool.sockets.read.rows import state_name
from sretool.sockets.read.tcp_info import TcpInfo
from sretool.sockets.show.model import Detail, Memory, Rates, Shown, Timer
from sretool.sockets.show.read import attributes, tcp
from sretool.sockets.show.read.sample import Around, Sample

# include/uapi/linux/inet_diag.h IDIAG_TIMER_*; index = value
_TIMERS = ("off", "retransmit", "keepalive", "time-wait", "window-probe", "delayed-ack")


def build(now: Sample, before: Sample | None, around: Around) -> Shown:
    """The sockets of `now`, each with its rates where `before` has it too."""
    window = None if before is None else now.sockets.clock.mono - before.sockets.clock.mono
    if before is None or window is None or window <= 0:  # another boot: no rates
        before = window = None
    earlier = {} if before is None else {record[0][11]: record for _, record in _records(before)}
    rows = sockets.build_list(now.sockets).sockets
    found = []
    for (protocol, record), row in zip(_records(now), rows):
        was = earlier.get(record[0][11])
        found.append(_detail(protocol, record, row, was, window, around))
    return Shown(found, len(found), window, now.netns)


def _records(one: Sample) -> Iterator[tuple[str, diag.Record]]:
    for protocol, _, records in one.sockets.tables:
        for record in records:
            yield protocol, record


def _detail(
    protocol: str,
    record: diag.Record,
    row: Socket,
    was: diag.Record | None,
    window: float | None,
    around: Around,
) -> Detail:
    said = attributes.decode(record)
    if said.memory is not None:
        _limits(said.memory, protocol, around.limits)
    info = _info(protocol, record)
    cookie = record[0][11]
    detail = Detail(
        socket=row,
        cookie=f"{cookie:x}",
        notes=[],
        timer=_timer(record),
        tcp=None if info is None else tcp.connection(info),
        congestion=said.congestion,
        memory=said.memory,
        options=said.options,
        rates=None if was is None or window is None else _rates(protocol, record, row, was, window),
    )
    if cookie in around.routes:
        detail.route = around.routes[cookie]
        if detail.route is not None:
            detail.interface_mtu_bytes = around.mtus.get(detail.route.dev or "")
    return detail


def _limits(memory: Memory, protocol: str, limits: dict[str, int]) -> None:
    receive, send = ("tcp_rmem", "tcp_wmem") if protocol == "tcp" else ("rmem_max", "wmem_max")
    memory.receive_limit_max_bytes, memory.send_limit_max_bytes = limits.get(receive), limits.get(send)


def _info(protocol: str, record: diag.Record) -> TcpInfo | None:
    """None where the kernel keeps no connection: listeners have an accept queue in these fields."""
    if protocol != "tcp" or record[0][3] in (diag.LISTEN, diag.CLOSED, states.BOUND_INACTIVE):
        return None
    try:
        raw = diag.attributes(record, "inet-diag").get(diag.INET_DIAG_INFO)
    except ParseError:
        return None
    return tcp_info.decode(raw) if raw else None


def _timer(record: diag.Record) -> Timer | None:
    number, retransmits, left = record[0][4], record[0][5], record[0][12]
    if not number:
        return None
    name = _TIMERS[number] if number < len(_TIMERS) else f"unknown-{number}"
    # the kernel's jiffies_delta_to_msecs gives 0 for one that is due
    return Timer(name, left, retransmits)


def _rates(protocol: str, record: diag.Record, row: Socket, was: diag.Record, window: float) -> Rates:
    now, then = _info(protocol, record), _info(protocol, was)
    drops = _grown(_drops(record), _drops(was))
    if now is None or then is None:
        now = then = tcp_info.NONE

    def grown(field: str) -> int | None:
        return _grown(getattr(now, field), getattr(then, field))

    def per_s(amount: int | None) -> float | None:
        return None if amount is None else amount / window

    received, sent, again = grown("bytes_received"), grown("bytes_sent"), grown("bytes_retrans")
    busy = grown("busy_us")
    read = None
    if received is not None and row.recv_q_bytes is not None:
        read = max(0, received - (row.recv_q_bytes - was[0][13]))
    return Rates(
        window_s=window,
        sent_bytes_per_s=per_s(sent),
        acked_bytes_per_s=per_s(grown("bytes_acked")),
        received_bytes_per_s=per_s(received),
        read_bytes_per_s=per_s(read),
        retransmitted_bytes=again,
        retransmits=grown("total_retrans"),
        retransmitted_ratio=tcp.ratio(again, sent),
        busy_ratio=None if busy is None else min(1.0, busy / 1e6 / window),
        rwnd_limited_ratio=_share(grown("rwnd_limited_us"), busy),
        sndbuf_limited_ratio=_share(grown("sndbuf_limited_us"), busy),
        drops=drops,
        was=state_name(protocol, was[0][3]),
        was_timer=_timer(was),
    )


def _share(part: int | None, whole: int | None) -> float | None:
    found = tcp.ratio(part, whole)
    return None if found is None else min(1.0, found)


def _grown(now: int | None, before: int | None) -> int | None:
    """None where it is in neither, or went backwards."""
    return None if now is None or before is None or now < before else now - before


def _drops(record: diag.Record) -> int | None:
    memory = attributes.decode(record).memory
    return None if memory is None else memory.drops
