"""Deleted files that hold space, as a person sees them."""

from __future__ import annotations

from sretool.command import Look
from sretool.procs.deleted.model import Deleted, Held
from sretool.report.table import Block, Line, Lines, Table, columns_for
from sretool.report.units import UNKNOWN, bytes_text, count_text

FREE_FROM_BYTES = 1024 * 1024


def deleted(data: Deleted, look: Look) -> list[Block]:
    """Each filesystem in a sentence, who holds what, and how to get it back."""
    columns = columns_for(
        look.fields,
        titles={"processes": "PROCS", "path": "LARGEST", "path_space_bytes": "OF IT"},
        cells={
            "unit": lambda row: row.whose or UNKNOWN,
            "mount": lambda row: row.mount or UNKNOWN,
        },
        right=("pid", "files", "processes", "fd"),
        flexible=("mount", "process", "unit", "path"),
        drop=("processes", "unit", "files"),
    )
    empty = "no deleted file is held" + (" by the processes that could be looked at" if data.unseen else "")
    blocks: list[Block] = [Table(columns, data.holders, empty=empty, hidden=look.hidden)]
    if data.filesystems:
        blocks.insert(0, Lines([_sentence(row) for row in data.filesystems], indent=2))
    notes = [*_remedy(data), *_notes(data)]
    return [*blocks, Lines(notes, indent=2)] if notes else blocks


def _sentence(row: Held) -> Line:
    name = f"{row.mount or 'a filesystem not mounted here'}" + (f" ({row.type})" if row.type else "")
    if not row.here and row.mount is not None:
        name += ", as the process sees it"
    of = ""
    if row.total_bytes is not None and row.held_ratio is not None:
        share = f"{row.held_ratio:.1%}" if row.held_ratio >= 0.001 else "under 0.1%"
        of = f" of {bytes_text(row.total_bytes)} ({share})"
    held = f"{bytes_text(row.held_bytes)}{of} is held by {count_text(row.files, 'deleted file')}"
    left = "" if row.available_bytes is None else f"; {bytes_text(row.available_bytes)} available"
    return [(name, "strong"), (f": {held} of {count_text(row.processes, 'process')}{left}", "")]


def _remedy(data: Deleted) -> list[Line]:
    """For the one that holds most; the others go the same way."""
    first = max(data.holders, key=lambda row: row.space_bytes, default=None)
    if first is None or first.space_bytes < FREE_FROM_BYTES:
        return []
    return [[("to get it back: ", "strong"), (first.remedy, "")]]


def _notes(data: Deleted) -> list[Line]:
    notes: list[Line] = []
    if data.memory_files:
        text = f"not counted: {count_text(data.memory_files, 'file')} of memory (memfd, shared memory), "
        notes.append([(f"{text}{bytes_text(data.memory_bytes)}", "dim")])
    if not data.mapped:
        text = "files that are only mapped (old libraries) were not looked for; --mapped looks for them too"
        notes.append([(text, "dim")])
    return notes
