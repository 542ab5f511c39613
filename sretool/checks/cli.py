"""The manifest of `sretool checks`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "The checks: what they read, when they fire, and why.",
    {
        "Commands": {
            "list": Entry("sretool.checks.commands:list_", "List the checks: what is found, and by what."),
            "explain": Entry(
                "sretool.checks.commands:explain",
                "Explain one check: what it reads, when it fires, what to do.",
            ),
        }
    },
)
