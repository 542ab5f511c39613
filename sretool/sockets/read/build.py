"""Models from samples; nothing is read here."""

from __future__ import annotations

from sretool.sockets.model import Socket, Sockets
from sretool.sockets.read.rows import maker, state_name
from sretool.sockets.read.sample import Sample
from sretool.sockets.read.whose import EVERYONE, Narrow, attributor

__all__ = ["build_list", "state_name"]


def build_list(now: Sample, narrow: Narrow = EVERYONE, *, info: bool = False, more: bool = False) -> Sockets:
    """Rows for `sockets list`; with `info` the tcp_info fields too, with `more` mark and cgroup."""
    rows: list[Socket] = []
    whose, keeps = attributor(now), now.keeps
    anyone = narrow == EVERYONE
    for protocol, family, records in now.tables:
        make = maker(protocol, family, now.interfaces, now.users, info=info, more=more)
        for record in records:
            owner = whose(record)
            if not anyone and not narrow.keeps(owner.pid, owner.process, owner.unit):
                continue
            row = make(record, owner)
            if keeps is None or keeps(row):
                rows.append(row)
    return Sockets(rows, len(rows))
