"""Models from samples; nothing is read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import structs

from sretool.sockets.model import Socket, Sockets
from sretool.sockets.read.holders import attributor, holder
from sretool.sockets.read.rows import maker, state_name
from sretool.sockets.read.sample import Sample
from sretool.sockets.read.whose import EVERYONE, Narrow, Whose

__all__ = ["build_list", "state_name"]


def build_list(now: Sample, narrow: Narrow = EVERYONE, *, info: bool = False, more: bool = False) -> Sockets:
    """Rows for `sockets list`; with `info` the tcp_info fields too, with `more` mark and cgroup."""
    rows: list[Socket] = []
    whose, held = attributor(now), holder(now)
    for part in now.parts:
        mark = len(rows)
        for protocol, family, records in part.tables:
            make = maker(protocol, family, part.interfaces, now.users, info=info, more=more)
            if narrow == EVERYONE:
                rows += map(make, records, map(whose, records))
            else:
                owned = ((record, whose(record)) for record in records)
                rows += [make(record, owner) for record, owner in owned if narrow.fits(owner)]
        for bare in (row for found in part.others.values() for row in found):
            owner = held(bare.inode)
            if narrow.fits(owner):
                rows.append(_owned(bare, owner, held, now.users))
        if part.place is not None:
            name = part.place.name(now.containers)
            for row in rows[mark:]:
                row.netns, row.netns_inode = name, part.place.inode
        if part.keeps is not None:
            rows[mark:] = filter(part.keeps, rows[mark:])
    return Sockets(rows, len(rows))


def _owned(
    bare: Socket, owner: Whose, held: Callable[[int | None], Whose], users: Mapping[int, str | None]
) -> Socket:
    row = structs.replace(bare, **owner._asdict())
    row.user = None if row.uid is None else users.get(row.uid)
    if isinstance(row.peer_inode, int):
        row.peer_pid, row.peer_process = held(row.peer_inode)[:2]
    return row
