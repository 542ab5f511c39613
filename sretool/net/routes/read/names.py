"""Numbers of rtnetlink and their names, as `ip` prints them. Sources are named at each table."""

from __future__ import annotations

from sretool.errors import SourceError
from sretool.host.source import Source

# include/uapi/linux/rtnetlink.h RTN_*
TYPES = (
    "none",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "nat",
    "xresolve",
)
# RT_SCOPE_*
SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
# RTPROT_*, with those of routing daemons (iproute2 etc/iproute2/rt_protos)
PROTOCOLS = {
    0: "unspec",
    1: "redirect",
    2: "kernel",
    3: "boot",
    4: "static",
    8: "gated",
    9: "ra",
    10: "mrt",
    11: "zebra",
    12: "bird",
    13: "dnrouted",
    14: "xorp",
    15: "ntk",
    16: "dhcp",
    17: "mrouted",
    18: "keepalived",
    42: "babel",
    84: "ovn",
    99: "openr",
    186: "bgp",
    187: "isis",
    188: "ospf",
    189: "rip",
    192: "eigrp",
}
TABLES = {0: "unspec", 253: "default", 254: "main", 255: "local"}
# RTNH_F_*, then RTM_F_*
FLAGS = {
    0x1: "dead",
    0x2: "pervasive",
    0x4: "onlink",
    0x8: "offload",
    0x10: "linkdown",
    0x20: "unresolved",
    0x40: "trap",
    0x100: "notify",
    0x4000: "rt_offload",
    0x8000: "rt_trap",
    0x20000000: "rt_offload_failed",
}
CLONED = 0x200
# RTAX_*: name, divisor (the kernel keeps rtt in 1/8 ms and rttvar in 1/4 ms)
METRICS = {
    2: ("mtu", 1),
    3: ("window", 1),
    4: ("rtt_ms", 8),
    5: ("rttvar_ms", 4),
    6: ("ssthresh", 1),
    7: ("cwnd", 1),
    8: ("advmss", 1),
    9: ("reordering", 1),
    10: ("hoplimit", 1),
    11: ("initcwnd", 1),
    12: ("features", 1),
    13: ("rto_min_ms", 1),
    14: ("initrwnd", 1),
    15: ("quickack", 1),
    17: ("fastopen_no_cookie", 1),
}
RTAX_CC_ALGO = 16
# include/uapi/linux/lwtunnel.h LWTUNNEL_ENCAP_*
ENCAPS = ("none", "mpls", "ip", "ila", "ip6", "seg6", "bpf", "seg6local", "rpl", "ioam6", "xfrm")
# include/uapi/linux/in.h, in6.h IPPROTO_*, as `ip rule` and /etc/protocols name them
IP_PROTOCOLS = {
    1: "icmp",
    2: "igmp",
    4: "ipip",
    6: "tcp",
    17: "udp",
    33: "dccp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    89: "ospf",
    112: "vrrp",
    132: "sctp",
    136: "udplite",
}
PREFERENCES = {0: "medium", 1: "high", 3: "low"}


def of(names: dict[int, str], number: int) -> str:
    """A number's name; one we do not know stays visible."""
    return names.get(number) or f"unknown-{number}"


def flag_names(bits: int) -> list[str]:
    """Every flag set; bits without a name as unknown-N."""
    found = [name for bit, name in FLAGS.items() if bits & bit]
    rest = bits & ~_NAMED
    if rest:
        found.append(f"unknown-{rest:#x}")
    return found


_NAMED = sum(FLAGS) | CLONED | 0x400 | 0x800 | 0x1000 | 0x2000  # lookup flags are no property of a route


class TableNames(dict[int, str]):
    """Table number -> name: the kernel's own, then the administrator's, else the number itself."""

    def __missing__(self, number: int) -> str:
        return str(number)


def tables(source: Source) -> TableNames:
    """Names from the files `ip` reads too; none of them has to be there."""
    found = TableNames(TABLES)
    paths = ["/usr/share/iproute2/rt_tables", "/etc/iproute2/rt_tables"]
    try:
        below = "/etc/iproute2/rt_tables.d"
        paths += [f"{below}/{name}" for name in source.listdir(below) if name.endswith(".conf")]
    except SourceError:
        pass
    for path in paths:
        try:
            raw = source.read(path)
        except SourceError:
            continue
        for line in raw.decode("utf-8", "backslashreplace").splitlines():
            words = line.partition("#")[0].split()
            if len(words) >= 2:
                try:
                    found[int(words[0], 0)] = words[1]
                except ValueError:
                    continue
    found.update(TABLES)
    return found
