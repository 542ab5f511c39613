"""What stands out about a socket, in sentences, each with its formula and the fields behind it.

Not findings: a check has an id and a remedy. Where a number is no kernel's and no document's, it is
judgement, and says so.
"""

from __future__ import annotations

from sretool.report.answer import RANK
from sretool.sockets.show.model import Detail, Note
from sretool.sockets.show.notes import held, path, waiting


def notes(one: Detail, limits: dict[str, int]) -> list[Note]:
    """Worst first, else in the order in which they are asked. `limits` are by name of the sysctl."""
    found = [*waiting.notes(one, limits), *held.notes(one)]
    if one.tcp is not None and one.socket.state not in ("time-wait", "syn-sent"):
        found += path.notes(one, one.tcp)
    return sorted(found, key=lambda note: -RANK[note.severity])
