"""Who read the host, and what it is: the fact `identity` (live.py `_identity`), typed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sretool.errors import ParseError
from sretool.host.source import Source

_Count = Annotated[int, Meta(gt=0, le=1 << 30)]


class Identity(Struct, frozen=True):
    """The part that readers use. `uid` is the effective one of who read, `capabilities` CapEff."""

    uid: int
    kernel: str
    hostname: str
    clock_ticks_per_s: _Count
    page_bytes: _Count
    cpus: _Count
    machine: str = ""
    capabilities: Annotated[int, Meta(ge=0)] = (1 << 64) - 1


def identity(source: Source) -> Identity:
    """The identity of host and reader.

    Raises:
        SourceError: it was not recorded.
        ParseError: it is not what `live.py` gives.
    """
    raw = source.fact("identity")
    try:
        return msgspec.json.decode(raw, type=Identity)
    except msgspec.MsgspecError as error:
        raise ParseError("fact identity", str(error)) from None
