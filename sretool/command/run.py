"""What a command gets besides its own options: the source, the sampler, and room for problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from sretool.command.options import Options
from sretool.command.rows import most, ordered
from sretool.command.screen import Screen
from sretool.errors import SretoolError
from sretool.host.sampler import Sampler
from sretool.host.source import Source
from sretool.report.answer import Finding
from sretool.report.escape import clean
from sretool.report.terminal import Terminal

S = TypeVar("S")


class Look(NamedTuple):
    """What a view may know of how it will be shown."""

    fields: tuple[str, ...]
    terminal: Terminal
    verbose: bool
    hidden: int = 0
    findings: Sequence[Finding] = ()
    limit: int | None = None  # as --limit says


class Run:
    """One invocation of one command (of a watch: all its rounds)."""

    def __init__(self, options: Options, terminal: Terminal) -> None:
        self.options = options
        self.terminal = terminal
        self.errors: list[SretoolError] = []
        self._source: Source | None = None
        self._sampler: Sampler | None = None
        self.interrupted = False
        self.screen: Screen | None = None
        self.at_once = False
        self.streams = False  # its rows were printed as they came
        self.kept: Any = None  # what an active command goes on with in the next round of a watch
        self.over = False  # this answer is the last one of a watch
        self.same = ""  # this command with its target's whole name, as findings' next steps write it

    @property
    def source(self) -> Source:
        """The live host, or the recording named by --from.

        Raises:
            UsageError: FILE is not a recording that can be read.
        """
        if self._source is None:
            if self.options.from_file is not None:
                from sretool.host.recording import open_recording

                self._source = open_recording(self.options.from_file)
            elif self.options.watch:
                from sretool.host.kept import Watched

                self._source = Watched()
            else:
                from sretool.host.live import Live

                self._source = Live()
        return self._source

    @property
    def source_name(self) -> str:
        """What the answer's `source` says, without opening anything."""
        return "live" if self.options.from_file is None else f"recording:{clean(self.options.from_file)}"

    @property
    def sampler(self) -> Sampler:
        """Takes this command's readings; keeps the last one for the next round of a watch."""
        if self._sampler is None:
            self._sampler = Sampler(self.source, self.options.sample, at_once=self.at_once)
        return self._sampler

    def pair(
        self,
        sample: Callable[[Source], S],
        during: Callable[[Source, Callable[[], bool]], None] | None = None,
        first: Callable[[Source], S] | None = None,
    ) -> tuple[S, S | None]:
        """(now, before): two readings --sample seconds apart; before is None with --sample 0.
        `first` may read less, for a reading that is only there to be compared with.
        """
        now, before = self.sampler.pair(sample, during, first)
        self.interrupted = self.interrupted or self.sampler.interrupted
        return now, before

    def begin(self, sample: Callable[[Source], S]) -> S:
        """The first reading of what is followed, at once."""
        return self.sampler.begin(sample)

    @property
    def last(self) -> Any:
        """The newest reading of the round before; None outside a watch."""
        return self.sampler.last

    def one(self, sample: Callable[[Source], S]) -> S:
        """One reading."""
        return sample(self.source)

    def fields(self) -> tuple[str, ...] | None:
        """The names given to --fields, None when it was not given."""
        if self.options.fields is None:
            return None
        return tuple(name.strip() for name in self.options.fields.split(","))

    def wanted(self, shown: Sequence[str], document: Sequence[str]) -> set[str]:
        """The fields of a row that this invocation needs: those named by --fields, else `document`
        for JSON and `shown` for text; and the one named by --sort. A reader need not read the rest.
        """
        default = document if self.options.json or self.options.jsonl else shown
        sort = () if self.options.sort is None else (self.options.sort.removeprefix("-"),)
        return {*(self.fields() or default), *sort}

    @property
    def limit(self) -> int | None:
        """How many rows are shown at most; None or 0 is all."""
        return most(self.options, self.terminal)

    def shown(self, rows: list[Any]) -> list[Any]:
        """Those of `rows` that will be shown: what only they need, need not be read of the others."""
        rows = ordered(rows, self.options.sort)
        return rows[: self.limit] if self.limit else rows
