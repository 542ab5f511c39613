"""The manifest of `sretool procs`."""

from sretool.manifest import Group

GROUP = Group("Processes: what runs, for whom, at what cost.", {"Commands": {}})
