"""What `snapshot diff` answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from sretool.net.trace.diff.model import Difference
from sretool.report.answer import Severity
from sretool.report.check import Verdict


class Side(Struct, frozen=True):
    """One of the two files."""

    file: Annotated[str, Meta(description="as given; - is standard input")]
    schema: Annotated[str, Meta(description="what it holds: schema of an answer, or format of a recording")]
    host: Annotated[str, Meta(description="host it is of")]
    collected_at: Annotated[str, Meta(description="when it was collected, RFC 3339 UTC")]
    tool_version: Annotated[str, Meta(description="sretool that wrote it")]


class Change(Struct, frozen=True):
    """One difference."""

    kind: Annotated[
        str,
        Meta(
            description="end, loss, rtt, path-length, hop-replaced, hop-came, hop-gone, hops-moved, "
            "leg-lost, leg-came, hop-silent, hop-answers, as-path, mtu, nat, target-came, target-gone; "
            "of listings row-came, row-gone, row-changed, field-changed; finding-new, finding-gone"
        ),
    ]
    impact: Annotated[
        Severity, Meta(description="what it means to a user; info for what is better, or only different")
    ]
    subject: Annotated[str, Meta(description="the target of a path, or the listing a row is in")]
    where: Annotated[str, Meta(description="at which hop, or which row")]
    before: Annotated[Any, Meta(description="what it was; null: there was none")]
    after: Annotated[Any, Meta(description="what it is; null: there is none")]
    chance: Annotated[
        float | None,
        Meta(description="probability that it is only chance, where that was computed"),
    ] = None


class Diff(Struct):
    """Two answers, or two recordings, compared."""

    before: Annotated[Side, Meta(description="the first file")]
    after: Annotated[Side, Meta(description="the second file")]
    compared: Annotated[Literal["traces", "answers", "recordings"], Meta(description="what they are")]
    made_differently: Annotated[
        list[Difference], Meta(description="in what two traces were not made alike, and what that spoils")
    ]
    changes: Annotated[list[Change], Meta(description="those that matter most to a user first")]
    total: Annotated[int, Meta(description="changes before --limit")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")]
