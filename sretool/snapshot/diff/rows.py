"""Two answers of one schema: rows that came, went and changed, by what tells rows of that listing apart;
and findings that one has and the other has not. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from sretool.report.answer import RANK, Severity
from sretool.report.escape import clean
from sretool.snapshot.diff.load import Found
from sretool.snapshot.diff.model import Change

Row = dict[str, Any]
MEASURED = (
    *("_bytes", "_ms", "_us", "_ns", "_s", "_ratio", "_per_s", "_avg", "_total", "_before", "_in_sample"),
    *("_hits", "_grew", "_peak"),
)


class Table(NamedTuple):
    """How rows of a listing are compared: `key` tells them apart, `fields` are compared (empty: all that
    are no measurement). `matters`: who changes such rows changes how the host works. `but`: rows of which
    this field is true are left out.
    """

    key: tuple[str, ...]
    fields: tuple[str, ...] = ()
    matters: bool = False
    but: str = ""


TABLES: dict[tuple[str, str], Table] = {
    ("net.routes", "routes"): Table(("family", "table", "dst", "tos", "metric", "type"), matters=True),
    ("net.rules", "rules"): Table(("family", "priority", "match"), matters=True),
    ("net.nexthops", "nexthops"): Table(
        ("id",), ("type", "family", "gateway", "dev", "scope", "flags", "legs", "legs_dead", "trouble"), True
    ),
    ("net.addrs", "links"): Table(("ifname",), ("operstate", "mtu", "address", "master", "addresses"), True),
    ("net.links", "links"): Table(
        ("ifname",),
        (
            *("kind", "operstate", "carrier", "flags", "speed_mbit_per_s", "duplex", "mtu", "address"),
            *("link", "master", "xdp", "qdisc", "driver", "firmware"),
        ),
        True,
    ),
    ("net.neigh", "neighbours"): Table(("family", "dev", "dst"), ("lladdr", "flags", "protocol")),
    ("net.firewall", "rules"): Table(
        ("backend", "family", "table", "chain", "handle", "rule"), ("hook", "verdict"), True
    ),
    ("net.qdisc", "qdiscs"): Table(("dev", "handle", "parent"), ("kind", "options"), True),
    ("net.mtu", "hops"): Table(("ttl",), ("address", "mtu_bytes", "advertised_mtu_bytes")),
    ("sockets.listen", "listeners"): Table(
        ("protocol", "family", "local_address", "local_port", "interface"),
        ("reach", "accept_queue_limit", "user", "process", "unit", "container", "group_size"),
        True,
    ),
    ("sockets.list", "sockets"): Table(
        ("protocol", "family", "local_address", "local_port", "remote_address", "remote_port", "inode"),
        ("state", "user", "process", "unit"),
    ),
    ("procs.list", "processes"): Table(
        # their pids are others after any restart
        ("unit", "container", "user", "comm"),
        ("command", "nice"),
        but="kernel",
    ),
    ("cgroups.tree", "cgroups"): Table(
        ("path",),
        ("cpu_limit_ratio", "cpu_weight", "memory_limit_bytes", "memory_high_bytes", "pids_limit", "frozen"),
    ),
    ("triage", "checks"): Table(("id",), ("outcome", "reason")),
    ("checks.list", "checks"): Table(("id",)),
}
# which fields tell rows apart where nobody said so, as far as they are needed for it
_NAMING = ("id", "path", "name", "ifname", "dev", "pid", "protocol", "family", "dst", "address", "target")


def changes(schema: str, before: Row, after: Row, *, every: bool) -> Iterator[Change]:
    """Of the data of two answers of `schema` (`sretool.net.routes/1`); `every`: measurements too."""
    command = schema.removeprefix("sretool.").partition("/")[0]
    names = list(dict.fromkeys([*before, *after]))
    alone: tuple[Row, Row] = ({}, {})
    for name in names:
        old, new = before.get(name), after.get(name)
        if _rows(old) or _rows(new):
            if name == "checks" and command != "triage" and (command, name) not in TABLES:
                continue  # what was judged is told by findings
            yield from _listing(command, name, old or [], new or [], every=every)
            continue
        for side, value in zip(alone, (old, new)):
            side.update(_flat(name, value))
    yield from _fields(command, alone, every=every)


def _rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, value


def _fields(command: str, sides: tuple[Row, Row], *, every: bool) -> Iterator[Change]:
    """What an answer says once."""
    old, new = sides
    for name in dict.fromkeys([*old, *new]):
        leaf = name.rpartition(".")[2]
        was, now = old.get(name), new.get(name)
        if was == now or name == "total":
            continue
        measured = _measured(leaf, was) or _measured(leaf, now) or _steady(was) == _steady(now)
        if every or not measured:
            yield Change("field-changed", "info", command, name, was, now)


def _listing(
    command: str, name: str, old: Sequence[Row], new: Sequence[Row], *, every: bool
) -> Iterator[Change]:
    table = TABLES.get((command, name))
    if not (_rows(old) or not old) or not (_rows(new) or not new):
        return
    if table is None:
        table = Table(_natural_key([old, new]))
    if table.but and not every:
        old, new = ([row for row in side if not row.get(table.but)] for side in (old, new))
    impact: Severity = "warning" if table.matters else "info"
    pairs, gone, came = _matched(old, new, table, every=every)
    for row, partner in pairs:
        was, now = _differing(row, partner, table, every=every)
        if was or now:
            yield Change("row-changed", impact, name, _where(row, table), was, now)
    for row in gone:
        yield Change("row-gone", impact, name, _where(row, table), _brief(row, table), None)
    for row in came:
        yield Change("row-came", impact, name, _where(row, table), None, _brief(row, table))


def _matched(
    old: Sequence[Row], new: Sequence[Row], table: Table, *, every: bool
) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """Old rows that are not as they were beside the new ones that they are; those that went, and those that
    came. Of several with one key those that are alike are taken first.
    """
    alike: dict[bytes, int] = {}
    for row in new:
        same = _whole(row, table, every=every)
        alike[same] = alike.get(same, 0) + 1
    others = []
    for row in old:
        same = _whole(row, table, every=every)
        if alike.get(same):
            alike[same] -= 1
        else:
            others.append(row)
    left: dict[str, deque[Row]] = {}
    for row in reversed(new):
        # as many of those that are alike stay as found no partner, in the order they stand in
        same = _whole(row, table, every=every)
        if alike[same]:
            alike[same] -= 1
            left.setdefault(_key(row, table), deque()).appendleft(row)
    pairs, gone = [], []
    for row in others:
        candidates = left.get(_key(row, table))
        if candidates:
            pairs.append((row, candidates.popleft()))
        else:
            gone.append(row)
    taken = {id(row) for rows in left.values() for row in rows}
    return pairs, gone, [row for row in new if id(row) in taken]


def _whole(row: Row, table: Table, *, every: bool) -> bytes:
    """All of a row that is compared."""
    names = row if every or not table.fields else [*table.key, *table.fields]
    kept = {name: row[name] for name in names if name in row}
    return msgspec.json.encode(
        kept if every else _steady(kept, keep=(*table.key, *table.fields)), order="sorted"
    )


def _key(row: Row, table: Table) -> str:
    return msgspec.json.encode([_steady(row.get(name)) for name in table.key]).decode()


def _differing(row: Row, other: Row, table: Table, *, every: bool) -> tuple[Row, Row]:
    was, now = {}, {}
    for name in dict.fromkeys([*row, *other]) if every or not table.fields else table.fields:
        measured = any(_measured(name, side.get(name)) for side in (row, other))
        if name in table.key or (not every and name not in table.fields and measured):
            continue
        # absent was not asked: nothing is known of it
        if name not in row or name not in other:
            continue
        old, new = (row[name], other[name]) if every else (_steady(row[name]), _steady(other[name]))
        if old != new:
            was[name], now[name] = old, new
    return was, now


def _measured(name: str, value: Any) -> bool:
    """A figure that is another one at any time."""
    if name in _SETTINGS:
        return False
    if isinstance(value, float) or name.endswith(MEASURED):
        return True
    return isinstance(value, int) and not isinstance(value, bool)


_SETTINGS = {
    *(
        "path_mtu_bytes",
        "link_mtu_bytes",
        "route_mtu_bytes",
        "kernel_mtu_bytes",
        "cached_mtu_bytes",
        "end_ttl",
    ),
    *("mtu", "metric", "uid", "port", "priority", "ifindex", "asn", "ttl", "mark", "nice"),
    *("tos", "local_port", "queries", "max_ttl", "first_ttl", "txqlen"),
}


def _steady(value: Any, keep: Sequence[str] = ()) -> Any:
    """A value without the measurements in it, but for those to `keep`; the order of lists of objects does
    not count.
    """
    if isinstance(value, dict):
        return {
            key: _steady(inner) for key, inner in value.items() if key in keep or not _measured(key, inner)
        }
    if isinstance(value, list):
        inner = [_steady(item) for item in value]
        if all(isinstance(item, dict) for item in inner):
            inner.sort(key=lambda item: msgspec.json.encode(item, order="sorted"))
        return inner
    return value


def _natural_key(sides: Sequence[Sequence[Row]]) -> tuple[str, ...]:
    """As few fields as tell the rows of each side apart; all that are text when none do."""
    firsts = [rows[0] for rows in sides if rows]
    # the same key whichever side comes first: fields that both have, in an order that is no side's own
    words = [
        name
        for name in min(map(tuple, firsts), default=())
        if all(name in row and _names(name, row[name]) for row in firsts)
    ]
    words.sort(key=lambda name: _NAMING.index(name) if name in _NAMING else len(_NAMING))
    for count in range(1, len(words) + 1):
        key = tuple(words[:count])
        if all(len({_key(row, Table(key)) for row in rows}) == len(rows) for rows in sides):
            return key
    return tuple(words)


def _where(row: Row, table: Table) -> str:
    named = [row.get(name) for name in table.key]
    return " ".join(clean(str(value)) for value in named if value not in (None, ""))[:300]


def _brief(row: Row, table: Table) -> Row:
    """What is worth telling of a row that came or went."""
    return {
        name: _steady(value)
        for name, value in row.items()
        if name not in table.key
        and value not in (None, [], {}, "")
        and (name in table.fields if table.fields else not _measured(name, value))
    }


def findings(before: Sequence[Found], after: Sequence[Found]) -> Iterator[Change]:
    """Findings that only one of the answers has, or has as worse, by check and subject."""
    old, new = ({_who(one): one for one in found} for found in (before, after))
    for key, one in new.items():
        was = old.get(key)
        if was is None or RANK[_severity(was)] < RANK[_severity(one)]:
            yield Change("finding-new", _severity(one), one.id, key[1], was and was.summary, one.summary)
    for key, one in old.items():
        if key not in new:
            yield Change("finding-gone", "info", one.id, key[1], one.summary, None)


def _who(one: Found) -> tuple[str, str]:
    return one.id, clean(f"{one.subject.get('kind', '')} {one.subject.get('id', '')}".strip()[:300])


def _severity(one: Found) -> Severity:
    return "critical" if one.severity == "critical" else "warning" if one.severity == "warning" else "info"


def _names(name: str, value: Any) -> bool:
    """Whether it may tell rows apart: text, or a number that is no measurement."""
    number = isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) or (number and name in (*_NAMING, *_SETTINGS))
