"""Everything `net links` reads from a source, at one moment."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple, Optional

import msgspec

from sretool.errors import Missing, ParseError, SourceError, SretoolError, Unsupported, from_errno
from sretool.host import interfaces, netlink
from sretool.host.source import Clock, Source
from sretool.host.users import names as user_names
from sretool.net.links.model import Netns
from sretool.net.links.read import decode, details, netns
from sretool.net.links.read.decode import Raw

_SYSFS = "/sys/class/net"
_FILES = ("ifindex", "speed", "duplex")
_LOOPBACK = 1 << 3


class Ask(NamedTuple):
    """What to read beside the dump. `drivers`: of "all" interfaces, of "devices" (those that are no
    kind), or "none". `ends`: who is at other ends that are in another namespace.
    """

    drivers: str = "all"
    ends: bool = True
    settings: bool = True


EVERYTHING = Ask()
COUNTERS = Ask(ends=False, settings=False)
"""All that is compared with a second reading."""


class Driver(msgspec.Struct):
    """The fact `ethtool-stats`."""

    ifname: str
    driver: Optional[str]
    version: Optional[str]
    firmware: Optional[str]
    bus: Optional[str]
    stats: list[tuple[str, int]]


class Settings(NamedTuple):
    """Of sysfs; None where an interface has none."""

    speed: int | None
    duplex: str | None


class Sample(NamedTuple):
    """One reading; `links` is None where the dump failed, the others are by interface index."""

    clock: Clock
    links: list[Raw] | None
    settings: dict[int, Settings]
    drivers: dict[int, Driver]
    namespaces: dict[int, Netns]
    names: dict[tuple[int, int], str]
    users: dict[int, str | None]
    errors: list[SretoolError]


def sample(source: Source, ask: Ask = EVERYTHING, known: Sample | None = None) -> Sample:
    """Read what `ask` needs; what could not be read is in `errors`. Of a watch, `known` is the reading
    before: who is at the other ends is asked anew only when there is a new one, because it takes a
    look at every process.
    """
    errors: list[SretoolError] = []
    clock = source.clock()
    try:
        found = list(
            decode.links(netlink.noted(source.netlink(interfaces.LINKS), interfaces.LINKS.key, errors))
        )
    except (SourceError, ParseError) as error:
        errors.append(error)
        return Sample(clock, None, {}, {}, {}, {}, {}, errors)
    settings = _settings(source, found, errors) if ask.settings else {}
    drivers = _drivers(source, found, ask.drivers, errors)
    ends = {
        (link.netnsid, index)
        for link in found
        if link.netnsid is not None and link.netnsid >= 0 and (index := link.integer(decode.IFLA_LINK))
    }
    namespaces: dict[int, Netns] = {}
    names: dict[tuple[int, int], str] = {}
    if ask.ends and known is not None and known.names.keys() >= ends:
        namespaces, names = known.namespaces, known.names
    elif ask.ends:
        namespaces = netns.find(source, {nsid for nsid, _ in ends}, errors)
        names = netns.names(source, ends, errors)
    users = _users(source, found, errors) if ask.settings else {}
    return Sample(clock, found, settings, drivers, namespaces, names, users, errors)


def _users(source: Source, found: list[Raw], errors: list[SretoolError]) -> dict[int, str | None]:
    """Names of those whom tun devices belong to."""
    uids = set()
    for link in found:
        try:
            uid = details.of_kind("tun", link.data, {}).get("owner_uid") if link.kind == "tun" else None
        except ParseError:  # it is noted where its row is made
            continue
        if isinstance(uid, int):
            uids.add(uid)
    return user_names(source, uids, errors, services=False) if uids else {}


def _settings(source: Source, found: list[Raw], errors: list[SretoolError]) -> dict[int, Settings]:
    """Speed and duplex; a driver without them refuses to be read (EINVAL), and is nothing to note."""
    raw_names = {
        os.fsdecode(link.values.get(decode.IFLA_IFNAME, b"").partition(b"\0")[0]): link.number
        for link in found
    }
    settings = {}
    for name, (index, speed, duplex) in source.bulk(_SYSFS, list(raw_names), _FILES).items():
        if index == errno.ENODATA:
            errors.append(from_errno(index, _SYSFS))
        # sysfs shows the interfaces of the namespace it was mounted in, which may be another one
        if isinstance(index, int) or index.strip() != b"%d" % raw_names[name]:
            continue
        settings[raw_names[name]] = Settings(_speed(speed), _duplex(duplex))
    return settings


def _speed(raw: bytes | int) -> int | None:
    try:
        number = -1 if isinstance(raw, int) else int(raw)
    except ValueError:
        return None
    return number if 0 < number < 0xFFFFFFFF else None  # SPEED_UNKNOWN is -1


def _duplex(raw: bytes | int) -> str | None:
    text = "" if isinstance(raw, int) else raw.decode("ascii", "replace").strip()
    return text if text in ("full", "half") else None


def _drivers(source: Source, found: list[Raw], which: str, errors: list[SretoolError]) -> dict[int, Driver]:
    drivers = {}
    for link in found if which != "none" else ():
        if which == "devices" and (link.kind is not None or link.flags & _LOOPBACK):
            continue
        what = f"driver of {link.name}"
        try:
            driver = msgspec.json.decode(source.fact("ethtool-stats", str(link.number)), type=Driver)
        except msgspec.MsgspecError as error:
            errors.append(ParseError(what, str(error)))
            continue
        except (Missing, Unsupported):
            continue  # gone meanwhile; or we stand in another namespace than the dump is of
        except SourceError as error:
            errors.append(from_errno(error.errno or errno.EIO, what))
            continue
        if driver.ifname == link.name:
            drivers[link.number] = driver
    return drivers
