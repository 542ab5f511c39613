"""Which routes are wanted, decided on bytes before a row is made, and on rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sretool.errors import ParseError
from sretool.net.routes.model import Route
from sretool.net.routes.read.names import TableNames


class Wanted(NamedTuple):
    """Which routes to make rows of. `covering` keeps those whose destination holds this address; `dst`
    those to this prefix (address and bits; no address: the default of either family), `inside` also
    those to longer prefixes in it. Names are those of a row. `tables` are the names of tables, for the
    kernel's filter.
    """

    table: str | None = None
    dev: str | None = None
    covering: bytes | None = None
    dst: tuple[bytes, int] | None = None
    inside: bool = False
    gateway: str | None = None
    type: str | None = None
    protocol: str | None = None
    tables: TableNames | None = None

    @property
    def narrow(self) -> bool:
        """Whether it leaves any route out."""
        return self._replace(tables=None) != EVERY

    def of(self, families: Sequence[str]) -> tuple[str, ...]:
        """Those of the families that its addresses leave."""
        asked = [len(one) for one in (self.covering, (self.dst or (b"", 0))[0]) if one]
        return tuple(one for one in families if not asked or ("inet" if 4 in asked else "inet6") == one)

    def takes(self, route: Route) -> bool:
        """Whether a row is wanted, but for its destination."""
        return (
            self.table in (None, route.table)
            and self.type in (None, route.type)
            and self.protocol in (None, route.protocol)
            and (self.dev is None or self.dev in (route.dev, *(leg.dev for leg in route.nexthops)))
            and (
                self.gateway is None
                or self.gateway in (route.gateway, *(leg.gateway for leg in route.nexthops))
            )
        )


EVERY = Wanted()


class Prefixes:
    """Whether a destination is wanted, by its bytes."""

    def __init__(self, wanted: Wanted, width: int) -> None:
        self.width = width
        self.covering = None if wanted.covering is None else int.from_bytes(wanted.covering, "big")
        dst, self.bits = wanted.dst or (None, 0)
        self.dst: bytes | None = dst
        self.number = 0 if self.dst is None else int.from_bytes(self.dst, "big") >> (width - self.bits)
        self.inside = wanted.inside
        asked = [len(one) * 8 for one in (wanted.covering, self.dst) if one]
        self.never = any(bits != width for bits in asked)  # of the other family

    def __call__(self, raw: bytes, bits: int, what: str) -> bool:
        if self.never:
            return False
        if bits > len(raw) * 8:
            raise ParseError(what, f"a prefix of {bits} bits in {len(raw)} bytes")
        number = int.from_bytes(raw, "big") if bits else 0
        if self.covering is not None:
            shift = self.width - bits
            if number >> shift != self.covering >> shift:
                return False
        if self.dst is None:
            return True
        if bits != self.bits and not (self.inside and bits > self.bits):
            return False
        return number >> (self.width - self.bits) == self.number
