"""The limits that sockets meet, and the kernel's own counts of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from sretool.errors import Missing, ParseError, SourceError, SretoolError
from sretool.host.decimal import integer
from sretool.host.identity import identity
from sretool.host.netstat import Counters
from sretool.host.source import Source
from sretool.report.escape import text

_IPV4 = "/proc/sys/net/ipv4/"
PORT_RANGE = f"{_IPV4}ip_local_port_range"
RESERVED_PORTS = f"{_IPV4}ip_local_reserved_ports"
TCP_MEM = f"{_IPV4}tcp_mem"
UDP_MEM = f"{_IPV4}udp_mem"
MAX_ORPHANS = f"{_IPV4}tcp_max_orphans"
MAX_TIME_WAIT = f"{_IPV4}tcp_max_tw_buckets"
TW_REUSE = f"{_IPV4}tcp_tw_reuse"
SYNCOOKIES = f"{_IPV4}tcp_syncookies"
SYN_BACKLOG = f"{_IPV4}tcp_max_syn_backlog"
FIN_TIMEOUT = f"{_IPV4}tcp_fin_timeout"
CONNTRACK_COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"
CONNTRACK_MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
NUMBERS = (
    MAX_ORPHANS,
    MAX_TIME_WAIT,
    TW_REUSE,
    SYNCOOKIES,
    SYN_BACKLOG,
    FIN_TIMEOUT,
    CONNTRACK_COUNT,
    CONNTRACK_MAX,
)
SOCKSTAT = "/proc/net/sockstat"
PROTOCOLS = "/proc/net/protocols"
SNMP6 = "/proc/net/snmp6"
PORT_MAX = 65535

T = TypeVar("T")


class Protocol(NamedTuple):
    """One line of /proc/net/protocols: sockets of this namespace, memory in pages of the whole host
    (None: not accounted), and whether the protocol is under memory pressure (None: it cannot be).
    """

    name: str
    sockets: int
    memory_pages: int | None
    pressure: bool | None


class Kernel(NamedTuple):
    """What was read; None, or not in the dict, where it could not be: tcp_mem, udp_mem and
    tcp_max_orphans are the whole host's, and no other network namespace than the first one shows them
    (net/ipv4/sysctl_net_ipv4.c ipv4_table).

    ports: first and last of the range. reserved: ports that connect() does not choose. numbers: by
    path, those of NUMBERS. sockstat: `TCP.orphan` and so on. page_bytes: what the memory figures count.
    """

    ports: tuple[int, int] | None
    reserved: frozenset[int]
    tcp_mem: tuple[int, int, int] | None
    udp_mem: tuple[int, int, int] | None
    numbers: dict[str, int]
    sockstat: dict[str, int]
    protocols: list[Protocol]
    snmp6: Counters
    page_bytes: int | None


def read(source: Source, errors: list[SretoolError]) -> Kernel:
    """All of it; what could not be read or parsed is in `errors`, but for what is not there."""

    def take(path: str, parse: Callable[[bytes], T]) -> T | None:
        try:
            return parse(source.read(path))
        except Missing:
            return None
        except (SourceError, ParseError) as error:
            errors.append(error)
        except (ValueError, IndexError):
            errors.append(ParseError(path, "not of the form the kernel documents"))
        return None

    numbers = {path: found for path in NUMBERS if (found := take(path, integer)) is not None}
    try:
        page_bytes = identity(source).page_bytes
    except (SourceError, ParseError) as error:
        errors.append(error)
        page_bytes = None
    return Kernel(
        take(PORT_RANGE, port_range),
        take(RESERVED_PORTS, ports) or frozenset(),
        take(TCP_MEM, three),
        take(UDP_MEM, three),
        numbers,
        take(SOCKSTAT, sockstat) or {},
        take(PROTOCOLS, protocols) or [],
        take(SNMP6, snmp6) or {},
        page_bytes,
    )


def port_range(raw: bytes) -> tuple[int, int]:
    """`32768 60999`, a tab between them.

    Raises:
        ValueError: not two ports, the smaller one first.
    """
    low, high = map(integer, raw.split())
    if not 0 <= low <= high <= PORT_MAX:
        raise ValueError("no range of ports")
    return low, high


def ports(raw: bytes) -> frozenset[int]:
    """`8080,9148-9150`; an empty line is none.

    Raises:
        ValueError: something else.
    """
    found: set[int] = set()
    for part in raw.strip().split(b","):
        if part:
            low, dash, high = part.partition(b"-")
            first, last = port_range(low + b" " + (high if dash else low))
            found.update(range(first, last + 1))
    return frozenset(found)


def three(raw: bytes) -> tuple[int, int, int]:
    """low, pressure, high: pages.

    Raises:
        ValueError: not three numbers.
    """
    low, pressure, high = map(integer, raw.split())
    return low, pressure, high


def sockstat(raw: bytes) -> dict[str, int]:
    """`TCP: inuse 3 orphan 0 …` as `TCP.inuse` and so on.

    Raises:
        ValueError: a name without a number.
    """
    found = {}
    for line in text(raw).splitlines():
        group, _, rest = line.partition(":")
        words = rest.split()
        if len(words) % 2:
            raise ValueError("names and numbers do not pair")
        for name, value in zip(words[::2], words[1::2]):
            found[f"{group}.{name}"] = integer(value)
    return found


def protocols(raw: bytes) -> list[Protocol]:
    """The table, which begins `protocol  size sockets  memory press …` (net/core/sock.c proto_seq_printf).

    Raises:
        ValueError, IndexError: a line with other columns.
    """
    found = []
    for line in text(raw).splitlines()[1:]:
        name, _, sockets, memory, press = line.split()[:5]
        pages = integer(memory)
        pressure = {"yes": True, "no": False}.get(press)
        found.append(Protocol(name, integer(sockets), pages if pages >= 0 else None, pressure))
    return found


def snmp6(raw: bytes) -> Counters:
    """A name and a number a line; only those of UDP, `Udp6RcvbufErrors` as `Udp6.RcvbufErrors`.

    Raises:
        ValueError: a line of something else.
    """
    found = {}
    for line in text(raw).splitlines():
        if line.startswith("Udp6"):
            name, value = line.split()
            found[f"Udp6.{name.removeprefix('Udp6')}"] = integer(value)
    return found
