"""The manifest of `sretool net`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Network: interfaces, addresses, routes, neighbours; paths (sends packets).",
    {
        "Look (passive)": {
            "routes": Entry("sretool.net.routes.cli:routes", "List routes."),
            "route": Entry("sretool.net.routes.cli:route", "Show which route a destination takes."),
            "links": Entry(
                "sretool.net.links.cli:links",
                "List interfaces: rates, errors, drops, and what is at their other end.",
            ),
            "neigh": Entry(
                "sretool.net.neigh.cli:neigh", "List neighbours: who answers ARP and neighbour discovery."
            ),
            "rules": Entry(
                "sretool.net.rules.cli:rules",
                "List policy rules: which routing table is asked for which packets.",
            ),
            "nexthops": Entry(
                "sretool.net.nexthops.cli:nexthops",
                "List nexthop objects and groups, and which of their legs are dead.",
            ),
            "conntrack": Entry(
                "sretool.net.conntrack.cli:conntrack",
                "Show how full the table of tracked connections is, and who fills it.",
            ),
            "qdisc": Entry(
                "sretool.net.qdisc.cli:qdisc", "List queueing disciplines: what waits, what is dropped."
            ),
            "firewall": Entry(
                "sretool.net.firewall.cli:firewall",
                "Show which firewall rules drop or reject packets, and how many now.",
            ),
            "softnet": Entry(
                "sretool.net.softnet.cli:softnet",
                "List CPUs by what they receive, and drop before any protocol sees it.",
            ),
            "addrs": Entry("sretool.net.addrs.cli:addrs", "List interfaces and their addresses."),
        },
        "Probe (sends packets)": {
            "trace": Entry("sretool.net.trace.cli:trace", "Show every hop to a host, all at once."),
            "mtu": Entry(
                "sretool.net.mtu.cli:mtu",
                "Find the largest packet that gets to a host, and the hop that eats larger ones.",
            ),
        },
    },
)
