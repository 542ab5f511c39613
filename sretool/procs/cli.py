"""The manifest of `sretool procs`."""

from sretool.manifest import Entry, Group

GROUP = Group(
    "Processes: what runs, for whom, at what cost.",
    {
        "Commands": {
            "list": Entry("sretool.procs.list.cli:list_", "List processes, the busiest first."),
            "show": Entry(
                "sretool.procs.show.cli:show", "Show one process: what it is, uses, waits for and may do."
            ),
            "why": Entry(
                "sretool.procs.why.cli:why", "Say what started a process: the chain of causes, with evidence."
            ),
            "deleted": Entry(
                "sretool.procs.deleted.cli:deleted", "Show space held by deleted files that are still open."
            ),
            "oom": Entry(
                "sretool.procs.oom.cli:oom",
                "Show who would be killed next for want of memory, and who was.",
            ),
        }
    },
)
