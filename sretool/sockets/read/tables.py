"""The dumps of all families, narrowed by a filter as far as it needs no owners."""

from __future__ import annotations

from sretool.errors import Missing, ParseError, SourceError, SretoolError, Unsupported
from sretool.host import netlink
from sretool.host.source import Dump, Source
from sretool.sockets.model import Socket
from sretool.sockets.read import diag, others
from sretool.sockets.read.ask import Ask
from sretool.sockets.read.wanted import Wanted


def inet(
    source: Source,
    ask: Ask,
    filtered: Wanted | None,
    errors: list[SretoolError],
    netns: str | None = None,
) -> list[diag.Table]:
    """One table each of IPv4 and IPv6 for every inet protocol asked for, of this network namespace or of
    that at the path `netns`; what could not be listed is in `errors`.

    Raises:
        SourceError: `netns` could not be entered.
    """
    tables = []
    info = ask.info or (filtered is not None and filtered.info)
    more = ((name, states) for name, states in ask.others.items() if name in diag.PROTOCOLS)
    for protocol, states in (("tcp", ask.tcp_states), ("udp", ask.udp_states), *more):
        mask = states if filtered is None else filtered.mask(states)
        for family in ask.families if mask else ():
            request = diag.request(protocol, family, mask, info=info, memory=ask.memory, details=ask.details)
            try:
                empty = diag.Table(protocol, family, [])
                table = _table(source, request, empty, mask, filtered, errors, netns)
            except (SourceError, ParseError) as error:
                if error.what == netns:
                    raise
                if isinstance(error, Missing):
                    _lacking(request, f"inet_diag and {diag.MODULES[protocol]}", ask, protocol, errors)
                    break
                errors.append(error)
                continue
            table.records.sort(key=diag.order)
            tables.append(table)
    return tables


def _table(
    source: Source,
    request: Dump,
    empty: diag.Table,
    mask: int,
    filtered: Wanted | None,
    errors: list[SretoolError],
    netns: str | None,
) -> diag.Table:
    if filtered is None:
        found, narrowed = source.netlink(request, netns), False
    else:
        found, narrowed = filtered.read(source, request, netns)
    frames = netlink.noted(found, request.key, errors)
    table = empty._replace(records=diag.decode(frames, empty.protocol, empty.family, mask))
    return table if filtered is None else table._replace(records=filtered.early(table, narrowed=narrowed))


def local(
    source: Source,
    ask: Ask,
    filtered: Wanted | None,
    interfaces: dict[int, str],
    errors: list[SretoolError],
    netns: str | None = None,
) -> dict[str, list[Socket]]:
    """Rows of the families that are no inet, without owners; those that could not be listed are not in
    it, and in `errors`.

    Raises:
        SourceError: as `inet`.
    """
    rows: dict[str, list[Socket]] = {}
    fits = None if filtered is None else filtered.early_row
    for kind, states in ask.others.items():
        if kind in diag.PROTOCOLS:
            continue
        mask = states if filtered is None else filtered.mask(states)
        request = others.request(kind, mask)
        try:
            frames = netlink.noted(source.netlink(request, netns), request.key, errors)
            found = others.decode(kind, frames, mask, interfaces)
        except (SourceError, ParseError) as error:
            if error.what == netns:
                raise
            if isinstance(error, Missing):
                _lacking(request, others.KINDS[kind].module, ask, kind, errors)
            else:
                errors.append(error)
        else:
            rows[kind] = found if fits is None else [*filter(fits, found)]
    return rows


def _lacking(request: Dump, modules: str, ask: Ask, name: str, errors: list[SretoolError]) -> None:
    """No handler for it, and none could be loaded: never "no sockets". A recording asks for all there
    may be, and keeps the errno for who asks it.
    """
    if ask.every_process and name in ask.others:
        return
    several = "s are" if " " in modules else " is"
    message = "this kernel cannot list these sockets"
    errors.append(Unsupported(request.key, message, f"the module{several} {modules}"))
