"""Interfaces as they come, change and go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sretool.errors import SretoolError
from sretool.host import interfaces, netlink
from sretool.host.source import Source
from sretool.net import changes
from sretool.net.links.model import LinkRow
from sretool.net.links.read import Wanted, alone, decode
from sretool.report.change import Change

_RTM_DELLINK = 17
_FAMILY_AT = 16  # ifinfomsg ifi_family, behind the netlink header
_FIELDS = (
    *("ifname", "altnames", "alias", "kind", "operstate", "flags", "carrier", "mtu", "address", "link"),
    *("master", "xdp", "qdisc", "carrier_down_count"),
)


def follow(
    source: Source, wanted: Wanted, errors: list[SretoolError], seconds: float | None
) -> Iterator[Change]:
    """The changes of interfaces that are `wanted`; what could not be told is in `errors`.

    Raises:
        SourceError, ParseError: the kernel does not tell of changes, or not what there is.
    """
    devices: dict[int, str] = {}

    def made(frames: Iterable[bytes]) -> Iterator[LinkRow]:
        return (alone(link, devices) for link in decode.links(frames))

    def rows(message: bytes) -> Iterator[LinkRow]:
        # a bridge tells of its ports in messages of the same type, and of one that left it as of a
        # link that went (net/bridge/br_netlink.c br_ifinfo_notify)
        return iter(()) if message[_FAMILY_AT : _FAMILY_AT + 1] != b"\0" else made([message])

    def known() -> Iterator[LinkRow]:
        return made(netlink.noted(source.netlink(interfaces.LINKS), interfaces.LINKS.key, errors))

    def key(row: LinkRow) -> int:
        return row.ifindex

    table = changes.Table((), interfaces.RTM_NEWLINK, _RTM_DELLINK, devices, rows, key, _FIELDS)
    told = changes.follow(source, table, errors, seconds, known)
    return (change for change in told if wanted.keeps(change.row))
