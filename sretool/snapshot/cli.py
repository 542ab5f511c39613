"""The manifest of `sretool snapshot`."""

from sretool.manifest import Group

GROUP = Group("Record this host for replay with --from.", {"Commands": {}})
