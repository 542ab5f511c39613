"""What the kinds of interfaces say of themselves, IFLA_INFO_DATA, and of a master's ports,
IFLA_INFO_SLAVE_DATA.

Names are those of `ip -d -j link`. Shapes: include/uapi/linux/if_link.h, if_bonding.h, if_bridge.h.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping

from sretool.errors import ParseError
from sretool.host import interfaces, netlink
from sretool.net.links.model import Value

Names = Mapping[int, str]
Decoder = Callable[[bytes, Names], Value]


def _int(raw: bytes, _: Names) -> int:
    return int.from_bytes(raw, sys.byteorder)


def _network(raw: bytes, _: Names) -> int:
    return int.from_bytes(raw, "big")


def _bool(raw: bytes, _: Names) -> bool:
    return any(raw)


def _iface(raw: bytes, names: Names) -> str | None:
    index = _int(raw, names)
    return names.get(index, f"if{index}") if index else None


def _address(raw: bytes, _: Names) -> str:
    if len(raw) not in (4, 16):
        raise ParseError(interfaces.LINKS.key, f"an address of {len(raw)} bytes")
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _hardware(raw: bytes, _: Names) -> str | None:
    return interfaces.hardware(raw)


def _bridge_id(raw: bytes, _: Names) -> str:
    # struct ifla_bridge_id: two bytes of priority, six of address
    return f"{raw[:2].hex()}.{raw[2:8].hex(':')}"


def _centis(raw: bytes, names: Names) -> float:
    # USER_HZ of the bridge's timers is 100 on every architecture we run on
    return _int(raw, names) / 100


def _one_of(*names: str) -> Decoder:
    def decode(raw: bytes, unused: Names) -> str:
        number = _int(raw, unused)
        return names[number] if number < len(names) and names[number] else f"unknown-{number}"

    return decode


def _by_number(names: Mapping[int, str]) -> Decoder:
    return lambda raw, unused: names.get(number := _int(raw, unused)) or f"unknown-{number}"


def _vlan_protocol(raw: bytes, names: Names) -> str:
    number = _network(raw, names)
    return {0x8100: "802.1Q", 0x88A8: "802.1ad"}.get(number) or f"unknown-{number:#x}"


_UP_OR_NOT = _one_of("UP", "GOING_DOWN", "DOWN", "GOING_BACK")
_MACVLAN = {1: "private", 2: "vepa", 4: "bridge", 8: "passthru", 16: "source"}
_KINDS: dict[str, dict[int, tuple[str, Decoder]]] = {
    "bond": {
        1: (
            "mode",
            _one_of(
                "balance-rr",
                "active-backup",
                "balance-xor",
                "broadcast",
                "802.3ad",
                "balance-tlb",
                "balance-alb",
            ),
        ),
        2: ("active_slave", _iface),
        3: ("miimon_ms", _int),
        4: ("updelay_ms", _int),
        5: ("downdelay_ms", _int),
        7: ("arp_interval_ms", _int),
        11: ("primary", _iface),
        14: (
            "xmit_hash_policy",
            _one_of("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"),
        ),
        18: ("min_links", _int),
        21: ("ad_lacp_rate", _one_of("slow", "fast")),
    },
    "bridge": {
        1: ("forward_delay_s", _centis),
        2: ("hello_time_s", _centis),
        4: ("ageing_time_s", _centis),
        5: ("stp_state", _bool),
        6: ("priority", _int),
        7: ("vlan_filtering", _bool),
        8: ("vlan_protocol", _vlan_protocol),
        10: ("root_id", _bridge_id),
        11: ("bridge_id", _bridge_id),
        12: ("root_port", _int),
        14: ("topology_change", _bool),
        23: ("mcast_snooping", _bool),
        36: ("nf_call_iptables", _bool),
        39: ("vlan_default_pvid", _int),
    },
    "vlan": {1: ("id", _int), 5: ("protocol", _vlan_protocol)},
    "macvlan": {1: ("mode", _by_number(_MACVLAN)), 7: ("bc_queue_len", _int)},
    "ipvlan": {1: ("mode", _one_of("l2", "l3", "l3s"))},
    "vrf": {1: ("table", _int)},
    "vxlan": {
        1: ("id", _int),
        2: ("remote", _address),
        3: ("link", _iface),
        4: ("local", _address),
        5: ("ttl", _int),
        7: ("learning", _bool),
        15: ("port", _network),
        16: ("remote", _address),
        17: ("local", _address),
        25: ("external", _bool),
    },
    "tun": {
        1: ("owner_uid", _int),
        2: ("group_gid", _int),
        3: ("type", _by_number({1: "tun", 2: "tap"})),
        4: ("pi", _bool),
        5: ("vnet_hdr", _bool),
        6: ("persist", _bool),
        7: ("multi_queue", _bool),
        8: ("num_queues", _int),
        9: ("num_disabled_queues", _int),
    },
}
_KINDS["macvtap"] = _KINDS["macvlan"]
# IFLA_BOND_AD_INFO, nested
_AD_INFO: dict[int, tuple[str, Decoder]] = {
    1: ("ad_aggregator", _int),
    2: ("ad_num_ports", _int),
    5: ("ad_partner_mac", _hardware),
}
_PORTS: dict[str, dict[int, tuple[str, Decoder]]] = {
    "bond": {
        1: ("state", _one_of("ACTIVE", "BACKUP")),
        2: ("mii_status", _UP_OR_NOT),
        3: ("link_failure_count", _int),
        4: ("perm_hwaddr", _hardware),
        5: ("queue_id", _int),
        6: ("ad_aggregator_id", _int),
    },
    "bridge": {
        1: ("state", _one_of("disabled", "listening", "learning", "forwarding", "blocking")),
        3: ("cost", _int),
        4: ("hairpin", _bool),
        8: ("learning", _bool),
        9: ("flood", _bool),
        33: ("isolated", _bool),
    },
    "vrf": {1: ("table", _int)},
}
_BOND_AD_INFO = 23


def of_kind(kind: str, data: bytes, names: Names) -> dict[str, Value]:
    """Details of an interface of this kind; empty for one we do not know more of.

    Raises:
        ParseError: a length that does not fit.
    """
    values = dict(netlink.attributes(data, 0, interfaces.LINKS.key)) if kind in _KINDS else {}
    found = _decoded(_KINDS.get(kind, {}), values, names)
    if kind == "bond" and _BOND_AD_INFO in values:
        nested = dict(netlink.attributes(values[_BOND_AD_INFO], 0, interfaces.LINKS.key))
        found |= _decoded(_AD_INFO, nested, names)
    return found


def of_port(kind: str, data: bytes, names: Names) -> dict[str, Value]:
    """Details of an interface as a port of a master of this kind.

    Raises:
        ParseError: a length that does not fit.
    """
    known = _PORTS.get(kind)
    if known is None:
        return {}
    return _decoded(known, dict(netlink.attributes(data, 0, interfaces.LINKS.key)), names)


def _decoded(
    known: Mapping[int, tuple[str, Decoder]], values: Mapping[int, bytes], names: Names
) -> dict[str, Value]:
    return {
        name: decode(values[number], names) for number, (name, decode) in known.items() if values.get(number)
    }
