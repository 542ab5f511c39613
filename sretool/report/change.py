"""One change of a table that is followed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class Change(Struct, frozen=True):
    """A row that came, changed or went; of one that went, its last state."""

    at: Annotated[str, Meta(description="when it was seen, RFC 3339 UTC")]
    change: Annotated[Literal["added", "changed", "removed"], Meta(description="what happened to the row")]
    was: Annotated[dict[str, Any], Meta(description="of a row that changed: the fields that did, before")]
    row: Annotated[Any, Meta(description="the row, as the listing has it")]
