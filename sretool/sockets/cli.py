"""The manifest of `sretool sockets`."""

from sretool.manifest import Group

GROUP = Group("Sockets: who talks, who listens, which queue is full.", {"Commands": {}})
