"""The manifest of `sretool net`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Network: addresses and routes; paths (sends packets).",
    {
        "Look (passive)": {
            "routes": Entry("sretool.net.routes.cli:routes", "List routes."),
            "route": Entry("sretool.net.routes.cli:route", "Show which route a destination takes."),
            "addrs": Entry("sretool.net.addrs.cli:addrs", "List interfaces and their addresses."),
        },
        "Probe (sends packets)": {
            "trace": Entry("sretool.net.trace.cli:trace", "Show every hop to a host, all at once."),
        },
    },
)
