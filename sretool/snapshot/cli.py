"""The manifest of `sretool snapshot`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Record this host for replay with --from; compare what was saved.",
    {
        "Commands": {
            "save": Entry(
                "sretool.snapshot.commands:save", "Record this host: all that passive commands read, twice."
            ),
            "show": Entry("sretool.snapshot.commands:show", "Show what a recording holds."),
            "diff": Entry(
                "sretool.snapshot.diff.cli:diff",
                "Compare two saved answers of one command, or two recordings: what changed, worst first.",
            ),
        }
    },
)
