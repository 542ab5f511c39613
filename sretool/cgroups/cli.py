"""The manifest of `sretool cgroups`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Cgroups: limits, use and pressure.",
    {"Commands": {"tree": Entry("sretool.cgroups.commands:tree", "Show the tree of control groups.")}},
)
