"""How large a packet gets to the targets that were named."""

from __future__ import annotations

from sretool.errors import SretoolError
from sretool.host.source import Source
from sretool.net.mtu.read import Ask, measure
from sretool.triage.probe.model import Sizes

DEADLINE_S = 2.0
"""A black hole is found in less than one second."""


def ask(source: Source, host: str) -> Sizes:
    """Measure the path MTU to a host."""
    errors: list[SretoolError] = []
    try:
        found = measure(source, Ask(host, deadline_s=DEADLINE_S), errors)
    except SretoolError as error:
        return Sizes([], [f"{host}: {error}"])
    return Sizes([found], [])
