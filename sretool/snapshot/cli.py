"""The manifest of `sretool snapshot`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Record this host for replay with --from.",
    {
        "Commands": {
            "save": Entry(
                "sretool.snapshot.commands:save", "Record this host: all that passive commands read, twice."
            ),
            "show": Entry("sretool.snapshot.commands:show", "Show what a recording holds."),
        }
    },
)
