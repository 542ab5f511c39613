"""Routes as they come, change and go."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sretool.errors import SretoolError
from sretool.host.source import Source
from sretool.net import changes
from sretool.net.routes.model import Route
from sretool.net.routes.read import Wanted, decode, names
from sretool.report.change import Change

_GROUPS = {"inet": 7, "inet6": 11}  # RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE
_RTM_DELROUTE = 25
_FAMILY_AT = 16  # rtmsg rtm_family, behind the netlink header


def follow(
    source: Source,
    families: Collection[str],
    wanted: Wanted,
    errors: list[SretoolError],
    seconds: float | None,
) -> Iterator[Change]:
    """The changes of routes that are `wanted`; what could not be told is in `errors`.

    Raises:
        SourceError, ParseError: the kernel does not tell of changes.
    """
    devices: dict[int, str] = {}
    tables = names.tables(source)
    by_number = {int(decode.FAMILIES[family]): family for family in families}

    def rows(message: bytes) -> Iterator[Route]:
        family = by_number.get(message[_FAMILY_AT]) if len(message) > _FAMILY_AT else None
        if family is not None:
            yield from decode.decode([message], family, devices, tables, wanted)

    groups = tuple(_GROUPS[family] for family in families)
    table = changes.Table(groups, decode.RTM_NEWROUTE, _RTM_DELROUTE, devices, rows)
    return changes.follow(source, table, errors, seconds)
