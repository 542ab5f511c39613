"""The manifest of `sretool procs`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Processes: what runs, for whom, at what cost.",
    {"Commands": {"list": Entry("sretool.procs.commands:list_", "List processes, the busiest first.")}},
)
