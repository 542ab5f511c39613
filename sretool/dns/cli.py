"""The manifest of `sretool dns`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "DNS: the path from the root to an answer.",
    {
        "Probe (sends packets)": {
            "trace": Entry(
                "sretool.dns.trace.cli:trace", "Ask every server from the root down to the answer."
            ),
        }
    },
)
