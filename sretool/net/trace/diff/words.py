"""Differences of paths in words, and how much each matters to whoever depends on the target. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sretool.net.trace.diff.model import PathDiff, Step, addresses
from sretool.net.trace.model import Hop, Path
from sretool.report.answer import Severity

MOST_NAMES = 4


def name(path: Path) -> str:
    """The target as a person calls it."""
    return path.target if path.target == path.address else f"{path.target} ({path.address})"


def hosts(hop: Hop | None) -> str:
    """Who answers at a hop."""
    if hop is None:
        return "no such hop"
    names = sorted(addresses(hop))
    if not names:
        return "nobody"
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def place(step: Step) -> str:
    """`hop 5`; `hop 5, now 6` where it moved."""
    old, new = step
    if new is None or old is None:
        hop = new or old
        return f"hop {hop.ttl}" if hop is not None else ""
    return f"hop {new.ttl}" if old.ttl == new.ttl else f"hop {old.ttl}, now {new.ttl}"


def end(path: Path) -> str:
    """How a path ends."""
    at = f"hop {path.end_ttl} ({path.end_address or 'unknown address'})"
    if path.reached:
        port = f", port {path.port} {path.port_state}" if path.port_state not in (None, "unknown") else ""
        exact = "" if path.end_ttl_exact is not False else " or nearer"
        return f"reached at hop {path.end_ttl}{exact}, {path.end_answer or 'answered'}{port}"
    if path.end_ttl is None:
        return (
            "no probe left this host"
            if path.end_reason == "local-failure"
            else f"{path.end_reason}, no answer"
        )
    if path.end_reason in ("unreachable", "prohibited"):
        return f"{path.end_answer or path.end_reason} by {at}"
    return f"{path.end_reason} after {at}"


class EndChange(NamedTuple):
    """`severity` is info for what is better now, or as good."""

    severity: Severity
    said: str


def end_change(diff: PathDiff) -> EndChange | None:
    """How the end is different, None when it is not."""
    old, new = diff.before, diff.after
    if old.reached and new.reached:
        if (old.port_state, old.end_answer) == (new.port_state, new.end_answer):
            return None
        if old.port_state == "open" and new.port_state in ("closed", "filtered"):
            return EndChange("critical", f"port {new.port} of {name(new)} was open and is {new.port_state}")
        return EndChange("info", f"{name(new)} answers otherwise than before")
    if old.reached:
        return EndChange("critical", f"{name(new)} is not reached any more")
    if new.reached:
        return EndChange("info", f"{name(new)} is reached, which it was not")
    if (old.end_reason, old.end_address, old.end_answer) == (new.end_reason, new.end_address, new.end_answer):
        return None
    return EndChange("warning", f"{name(new)} is not reached, as before, but the path ends otherwise")


def longer(diff: PathDiff) -> int | None:
    """By how many hops the target is farther than before; None when that is not known of both."""
    old, new = diff.before, diff.after
    if not (old.reached and new.reached) or old.end_ttl is None or new.end_ttl is None:
        return None
    return None if False in (old.end_ttl_exact, new.end_ttl_exact) else new.end_ttl - old.end_ttl


def length(diff: PathDiff) -> str:
    """`, and it is 1 hop longer`; empty when it is not."""
    by = longer(diff)
    if not by:
        return ""
    return f", and it is {abs(by)} hop{'s' if abs(by) > 1 else ''} {'longer' if by > 0 else 'shorter'}"


def stretches(steps: Sequence[Step]) -> list[list[Step]]:
    """Changed steps that follow each other."""
    found: list[list[Step]] = []
    last: Step | None = None
    for step in steps:
        if last is not None and _follows(last, step):
            found[-1].append(step)
        else:
            found.append([step])
        last = step
    return found


def _follows(last: Step, step: Step) -> bool:
    return any(
        one is not None and other is not None and other.ttl == one.ttl + 1 for one, other in zip(last, step)
    )


def stretch(steps: Sequence[Step]) -> str:
    """`at hop 4: 10.0.4.1 before, 10.9.4.1 now` for one stretch."""
    olds = [step.before for step in steps if step.before is not None]
    news = [step.after for step in steps if step.after is not None]
    where = _span(news or olds)
    if not olds:
        return f"{_who(news)} came in at {where}"
    if not news:
        return f"{_who(olds)} is gone from {where}"
    return f"at {where} {_who(news)} instead of {_who(olds)}"


def _span(hops: Sequence[Hop]) -> str:
    first, last = hops[0].ttl, hops[-1].ttl
    return f"hop {first}" if first == last else f"hops {first} to {last}"


def _who(hops: Sequence[Hop]) -> str:
    shown = " > ".join(hosts(hop) for hop in hops[:MOST_NAMES])
    return shown + (f" > {len(hops) - MOST_NAMES} more" if len(hops) > MOST_NAMES else "")
