"""What the checks share: rows with the cut they are in, and how a finding names them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from sretool.dns.trace.model import Cut, Server, Trace
from sretool.report.answer import Subject

ASKED = "DNS replies of the servers asked"
ONCE = "one trace"


class Seen(NamedTuple):
    """One server's row and the cut it is in."""

    cut: Cut
    server: Server


def rows(data: Trace) -> Iterator[Seen]:
    """Every row once an address and zone, on the way to the answer first."""
    seen: set[tuple[str, str]] = set()
    for cut in sorted(data.cuts, key=lambda cut: cut.wanted_by is not None):
        for server in cut.servers:
            if (cut.zone, server.address) not in seen:
                seen.add((cut.zone, server.address))
                yield Seen(cut, server)


def faulty(data: Trace) -> Iterator[Seen]:
    """Rows whose faults are findings of their own: not those of the cut where the trace ended without an
    answer, which are the evidence of that finding.
    """
    stopped = last(data) if data.end_reason == "no-answer" else None
    return (seen for seen in rows(data) if seen.cut is not stopped)


def last(data: Trace) -> Cut:
    """The last cut on the way to the answer."""
    return next(cut for cut in reversed(data.cuts) if cut.wanted_by is None)


def dig(data: Trace, cut: Cut, server: Server, *more: str) -> str:
    """The dig line that asks this server the same."""
    port = [] if data.port == 53 else ["-p", str(data.port)]
    return shlex.join(
        ["dig", "+norecurse", *more, *port, f"@{server.address}", cut.query_name, cut.query_type]
    )


def subject(seen: Seen) -> Subject:
    """The server, as a finding's subject."""
    return Subject(kind="server", id=seen.server.address, name=seen.server.names[0])


def who(seen: Seen) -> str:
    """The server by name and address."""
    return f"{seen.server.names[0]} ({seen.server.address})"


def asked(cut: Cut, transport: str = "UDP") -> str:
    """Where evidence comes from: the question asked."""
    return f"{transport} query {cut.query_name} {cut.query_type}"


def ede(server: Server) -> str:
    """Its extended errors, to be put behind a reason; empty without."""
    return "".join(f"; EDE {each.code} {each.name} {each.text}".rstrip() for each in server.ede)
