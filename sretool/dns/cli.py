"""The manifest of `sretool dns`."""

from sretool.manifest import Group

GROUP = Group("DNS: the path from the root to an answer.", {"Commands": {}})
