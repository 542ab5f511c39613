"""What the probes of `triage --probe` found. None of it is in the answer: the checks speak for it."""

from __future__ import annotations

from typing import NamedTuple

from sretool.net.mtu.model import Mtu
from sretool.net.trace.diff.model import PathDiff
from sretool.probe.live import Method


class Gateway(NamedTuple):
    """The next hop of a default route, as the routes name it."""

    address: str
    dev: str

    @property
    def name(self) -> str:
        """As a person says it."""
        return f"{self.address} on {self.dev}"


class Asked(NamedTuple):
    """A gateway that was asked. `rtts_ms` are those of probes that waited for no ARP; `failed` is why
    no probe left; `neighbour` the state of its entry afterwards, None when there is none or it could not be
    read.
    """

    gateway: Gateway
    method: Method | None
    sent: int
    answered: int
    rtts_ms: list[float]
    failed: str = ""
    neighbour: str | None = None

    @property
    def lost(self) -> int:
        """Probes without an answer."""
        return self.sent - self.answered


class Gateways(NamedTuple):
    """Every default gateway that was asked; `unread` is why they are not known."""

    asked: list[Asked]
    unread: str = ""


class Sizes(NamedTuple):
    """Path MTUs to the targets that were named; `problems` are why one is not known."""

    found: list[Mtu]
    problems: list[str]
    wanted: bool = True


class Changes(NamedTuple):
    """Paths of the baseline traced again; `problems` are why one could not be."""

    diffs: list[PathDiff]
    problems: list[str]
    wanted: bool = True
