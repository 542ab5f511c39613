"""The manifest of `sretool cgroups`."""

from sretool.manifest import Group

GROUP = Group("Cgroups: limits, use and pressure.", {"Commands": {}})
