"""What changed between two traces of one target."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from sretool.net.trace.model import Hop, Path

Aspect = Literal["path", "legs", "rtt", "loss", "end"]


class Difference(Struct, frozen=True):
    """Two traces were not made alike, so some of them cannot be compared."""

    target: Annotated[str, Meta(description="HOST of the traces")]
    what: Annotated[str, Meta(description="in what they differ: protocol, source address, …")]
    before: Annotated[str | int | bool | None, Meta(description="how the earlier one was made")]
    after: Annotated[str | int | bool | None, Meta(description="how the later one was made")]
    spoils: Annotated[list[Aspect], Meta(description="what is not judged for it: path, legs, rtt, loss, end")]


class Limits(NamedTuple):
    """What counts as a change: thresholds of `trace.rtt-shifted` and `trace.path-changed`."""

    least_ms: float = 4.0
    most_ms: float = 16.0
    share: float = 0.125
    rtt_chance: float = 0.01
    path_chance: float = 0.05

    def floor_ms(self, before_ms: float) -> float:
        """How much later an answer must be to matter, of one that took `before_ms`."""
        return min(self.most_ms, max(self.least_ms, before_ms * self.share))


def addresses(hop: Hop) -> frozenset[str]:
    """Who answered there, as far as it is known."""
    return frozenset(host.address for host in hop.hosts if host.address)


class Step(NamedTuple):
    """A hop before beside the same hop after; None where only one path has it."""

    before: Hop | None
    after: Hop | None

    @property
    def shared(self) -> frozenset[str]:
        """Hosts that answered in both."""
        if self.before is None or self.after is None:
            return frozenset()
        return addresses(self.before) & addresses(self.after)

    @property
    def other(self) -> bool:
        """No host of before answers there after, though somebody does; or there is no such hop."""
        if self.before is None or self.after is None:
            return True
        return bool(addresses(self.before)) and bool(addresses(self.after)) and not self.shared


class Leg(NamedTuple):
    """A host that answers at a hop which others share, and answers there in only one of the traces.
    `chance`: that it is still there and no probe happened to take its way.
    """

    step: Step
    address: str
    lost: bool
    chance: float


class Shift(NamedTuple):
    """Round-trip times that moved at a hop and stayed so up to the farthest both traces have.

    Medians in milliseconds: at the step where it begins, then at the farthest. `answers` are those
    compared, before and after, over all steps; `chance` that they differ so much by chance.
    """

    step: Step
    before_ms: float
    after_ms: float
    floor_ms: float
    far: Step
    far_before_ms: float
    far_after_ms: float
    answers: tuple[int, int]
    chance: float
    least_chance: float


class Loss(NamedTuple):
    """Unanswered probes to the target: their ratio and its 95 % interval, before and after. `step` is the
    first hop from which on it is seen.
    """

    step: Step
    before: tuple[float, float, float]
    after: tuple[float, float, float]

    @property
    def began(self) -> bool:
        """More are lost than before, beyond chance."""
        return self.after[1] > self.before[2]

    @property
    def ended(self) -> bool:
        """Fewer are."""
        return self.before[1] > self.after[2]


class PathDiff(NamedTuple):
    """Two paths to one target, hop beside hop, and what is different. `path_chance` is the chance that
    only other legs of the same paths answered.
    `loss` is None when it is not known of both; `shift` where times did not move enough to matter.
    """

    before: Path
    after: Path
    differences: list[Difference]
    steps: list[Step]
    path_chance: float
    legs: list[Leg]
    shift: Shift | None
    loss: Loss | None
    limits: Limits

    def spoilt(self, aspect: Aspect) -> str:
        """Why `aspect` cannot be compared; empty when it can."""
        return ", ".join(one.what for one in self.differences if aspect in one.spoils)

    @property
    def changed(self) -> list[Step]:
        """The steps where other hosts answer than before, or where only one path has a hop."""
        return [step for step in self.steps if step.other]
