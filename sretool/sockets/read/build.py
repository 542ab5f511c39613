"""Models from samples; nothing is read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import structs

from sretool.sockets.model import Socket, Sockets
from sretool.sockets.read.rows import maker, state_name
from sretool.sockets.read.sample import Sample
from sretool.sockets.read.whose import EVERYONE, Narrow, Whose, attributor, holder

__all__ = ["build_list", "state_name"]


def build_list(now: Sample, narrow: Narrow = EVERYONE, *, info: bool = False, more: bool = False) -> Sockets:
    """Rows for `sockets list`; with `info` the tcp_info fields too, with `more` mark and cgroup."""
    rows: list[Socket] = []
    whose, keeps = attributor(now), now.keeps
    anyone = narrow == EVERYONE
    for protocol, family, records in now.tables:
        make = maker(protocol, family, now.interfaces, now.users, info=info, more=more)
        if anyone and keeps is None:
            rows += map(make, records, map(whose, records))
            continue
        for record in records:
            owner = whose(record)
            if not anyone and not narrow.keeps(owner.pid, owner.process, owner.unit):
                continue
            row = make(record, owner)
            if keeps is None or keeps(row):
                rows.append(row)
    held = holder(now)
    for bare in now.rows:
        owner = held(bare.inode)
        if anyone or narrow.keeps(owner.pid, owner.process, owner.unit):
            row = _owned(bare, owner, held, now.users)
            if keeps is None or keeps(row):
                rows.append(row)
    return Sockets(rows, len(rows))


def _owned(
    bare: Socket, owner: Whose, held: Callable[[int | None], Whose], users: Mapping[int, str | None]
) -> Socket:
    row = structs.replace(bare, **owner._asdict())
    row.user = None if row.uid is None else users.get(row.uid)
    if isinstance(row.peer_inode, int):
        row.peer_pid, row.peer_process = held(row.peer_inode)[:2]
    return row
