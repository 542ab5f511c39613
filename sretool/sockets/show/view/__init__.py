"""Sockets on a screen: a few whole, many as a list."""

from __future__ import annotations

from sretool.command import Look
from sretool.report.answer import RANK
from sretool.report.sections import blocks
from sretool.report.table import Block, Column, Lines, Style, Table
from sretool.report.units import UNKNOWN, bytes_text, ms_text
from sretool.sockets.model import endpoint
from sretool.sockets.show.model import Detail, Shown
from sretool.sockets.show.view.screen import NOTES, WORD, sections, top

WHOLE = 3
"""As many are shown whole; more are listed."""
_REST = 6  # lines of a terminal that are not rows
_WIDE = 140  # columns: room for more than who, where and what stands out


def shown(data: Shown, look: Look) -> list[Block]:
    """Each whole; or one row each, those in trouble first."""
    if len(data.sockets) > WHOLE and not look.verbose:
        return [_listing(data, look)]
    found: list[Block] = []
    if data.netns is not None:
        found.append(Lines([f"in the network namespace {data.netns}"]))
    for one in sorted(data.sockets, key=_trouble):
        found.append(Lines(top(one, look.verbose), indent=WORD))
        found += blocks(sections(one, look.verbose), look.terminal.columns)
    return found


def _listing(data: Shown, look: Look) -> Table[Detail]:
    rows = sorted(data.sockets, key=_trouble)
    lines = look.terminal.lines
    room = len(rows) if lines is None else max(1, lines - _REST)
    hidden = len(rows) - room
    title = f"{data.total} sockets fit: an INODE, or LOCAL-REMOTE, shows one of them whole; -v shows all"
    if hidden > 0:
        title += f" (the {room} that are most in trouble:)"
        rows = rows[:room]
    columns: list[Column[Detail]] = [
        Column("INODE", lambda one: str(one.socket.inode or UNKNOWN), right=True),
        Column("STATE", lambda one: one.socket.state),
        Column("LOCAL", lambda one: endpoint(one.socket.local_address, one.socket.local_port)),
        Column("REMOTE", lambda one: endpoint(one.socket.remote_address, one.socket.remote_port)),
    ]
    wide = look.terminal.columns is None or look.terminal.columns >= _WIDE
    if wide:
        columns += [
            Column("RECV-Q", lambda one: bytes_text(one.socket.recv_q_bytes), right=True, drop=1),
            Column("SEND-Q", lambda one: bytes_text(one.socket.send_q_bytes), right=True, drop=1),
            Column("RTT ms", _rtt, right=True, drop=1),
            Column("PROCESS", _process, flexible=True, drop=1),
        ]
    columns.append(Column("STANDS OUT", _note if wide else _kinds, flexible=True, least=12, style=_style))
    return Table(columns, rows, title)


def _trouble(one: Detail) -> int:
    return -max((RANK[note.severity] + 1 for note in one.notes), default=0)


def _rtt(one: Detail) -> str:
    return ms_text(None if one.tcp is None else one.tcp.round_trip.rtt_ms)


def _process(one: Detail) -> str:
    return UNKNOWN if one.socket.process is None else f"{one.socket.process}[{one.socket.pid}]"


def _note(one: Detail) -> str:
    return one.notes[0].text if one.notes else ""


def _kinds(one: Detail) -> str:
    return ", ".join(note.id for note in one.notes)


def _style(one: Detail) -> Style:
    return NOTES[one.notes[0].severity] if one.notes else ""
