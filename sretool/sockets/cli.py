"""The manifest of `sretool sockets`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Sockets: who talks, who listens, which queue is full.",
    {
        "Commands": {
            "list": Entry(
                "sretool.sockets.commands:list_",
                "List sockets with their owners: TCP and UDP, or the families named.",
            ),
            "listen": Entry("sretool.sockets.listen.cli:listen", "List listeners, those in trouble first."),
            "show": Entry(
                "sretool.sockets.show.cli:show",
                "Show one socket: its queues, path, limits, and what holds it up.",
            ),
            "summary": Entry(
                "sretool.sockets.summary.cli:summary",
                "Count sockets by state, process and peer, and hold them against their limits.",
            ),
        }
    },
)
