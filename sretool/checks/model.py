"""What the reference of checks answers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class CheckThreshold(Struct):
    """A number that a check holds a measurement against."""

    name: Annotated[str, Meta(description="its name in --set CHECK.NAME=VALUE")]
    value: Annotated[float, Meta(description="the value used when nothing else is set")]
    unit: Annotated[str, Meta(description="unit of the value")]
    source: Annotated[str, Meta(description="who published it, or that it is a judgement")]


class Check(Struct):
    """One check."""

    id: Annotated[str, Meta(description="permanent name, as in a finding's id")]
    domain: Annotated[
        str,
        Meta(description="domain of triage, or the probe, whose readings it judges"),
    ]
    title: Annotated[str, Meta(description="what it finds, in a few words")]
    reads: Annotated[str, Meta(description="files, fields and messages it goes by")]
    window: Annotated[str, Meta(description="the time it speaks of")]
    about: Annotated[str, Meta(description="what it means, and when it is a warning or critical")]
    thresholds: Annotated[list[CheckThreshold], Meta(description="what --set can change")]
    remedy: Annotated[str, Meta(description="what to do when it fires")]
    refs: Annotated[list[str], Meta(description="man pages, kernel documents, RFCs")]


class Checks(Struct):
    """The checks there are."""

    checks: Annotated[
        list[Check],
        Meta(description="one row a check: triage's, in its order, then those of the probes"),
    ]
    total: Annotated[int, Meta(description="rows before --limit")]
