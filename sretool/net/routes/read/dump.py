"""The dump of routes, narrowed in the kernel where it can be."""

from __future__ import annotations

from collections.abc import Mapping

from sretool.host import netlink
from sretool.host.source import Dump
from sretool.net.routes.read import names
from sretool.net.routes.read.decode import FAMILIES, RTA_OIF, RTA_TABLE, RTM_GETROUTE, RTMSG, WORD
from sretool.net.routes.read.wanted import EVERY, Wanted


def dump_of(family: str, wanted: Wanted = EVERY, devices: Mapping[int, str] | None = None) -> Dump:
    """The routes of one family, all tables; the kernel leaves out what is not `wanted` where it can
    (net/ipv4/fib_frontend.c ip_valid_fib_dump_req): by table, protocol, type and device.
    """
    filters = _kernel_filters(wanted, devices or {})
    table = filters.get(RTA_TABLE, 0)
    payload = RTMSG.pack(
        FAMILIES[family], 0, 0, 0, min(table, 255), filters.get("protocol", 0), 0, filters.get("type", 0), 0
    )
    for kind in (RTA_TABLE, RTA_OIF):
        if kind in filters:
            payload += netlink.ATTRIBUTE_HEADER.pack(8, kind) + WORD.pack(filters[kind])
    return Dump(
        f"route/routes/{4 if family == 'inet' else 6}",
        netlink.NETLINK_ROUTE,
        RTM_GETROUTE,
        netlink.NLM_F_DUMP,
        payload,
        strict=bool(filters),
    )


def _kernel_filters(wanted: Wanted, devices: Mapping[int, str]) -> dict[int | str, int]:
    asked: tuple[tuple[int | str, str | None, Mapping[int, str]], ...] = (
        (RTA_TABLE, wanted.table, wanted.tables or {}),
        (RTA_OIF, wanted.dev, devices),
        ("protocol", wanted.protocol, names.PROTOCOLS),
        ("type", wanted.type, dict(enumerate(names.TYPES))),
    )
    found = {}
    for what, name, known in asked:
        numbers = [number for number, known_as in known.items() if known_as == name]
        numbers += [int(name)] if name is not None and name.isascii() and name.isdigit() else []
        if len(numbers) == 1 and 0 < numbers[0] <= (0xFFFFFFFF if isinstance(what, int) else 255):
            found[what] = numbers[0]  # of several with one name we sort out which ourselves
    return found
