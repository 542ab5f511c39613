"""The manifest of `sretool sockets`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Sockets: who talks, who listens, which queue is full.",
    {
        "Commands": {
            "list": Entry("sretool.sockets.commands:list_", "List TCP and UDP sockets with their owners."),
            "listen": Entry("sretool.sockets.listen.cli:listen", "List listeners, those in trouble first."),
            "summary": Entry(
                "sretool.sockets.summary.cli:summary",
                "Count sockets by state, process and peer, and hold them against their limits.",
            ),
        }
    },
)
