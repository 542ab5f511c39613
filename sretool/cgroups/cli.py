"""The manifest of `sretool cgroups`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Cgroups: limits, use and pressure.",
    {
        "Commands": {
            "tree": Entry("sretool.cgroups.commands:tree", "Show the tree of control groups."),
            "top": Entry(
                "sretool.cgroups.top.cli:top",
                "Show units and containers by what matters now: who waits, and who makes them wait.",
            ),
            "show": Entry("sretool.cgroups.show.cli:show", "Show one control group on one screen."),
        }
    },
)
