"""What triage reads of each process, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from procfs import host, process

from sretool.host.fake import Fake
from sretool.host.source import Bulk, Source, Stat
from sretool.triage.domains import domains
from sretool.triage.look import sampler


class Counted(Fake):
    """Counts what is read of process 7."""

    def bulk(
        self, parent: str, entries: Sequence[str], files: Sequence[str], *, guarded: bool = False
    ) -> Bulk:
        if "7" in entries:
            self.__dict__.setdefault("read_of", Counter()).update(files)
        return super().bulk(parent, entries, files, guarded=guarded)

    def stat(self, path: str) -> Stat:
        if path.startswith("/proc/7"):
            self.__dict__.setdefault("read_of", Counter())[path.removeprefix("/proc/7")] += 1
        return super().stat(path)


def read_by(before: bool) -> Counter[str]:
    made = host(process(7, majflt=1))
    made.__class__ = Counted
    source: Source = made
    sampler([domain for domain in domains() if domain.name == "procs"], before=before)(source)
    found = made.__dict__["read_of"]
    assert isinstance(found, Counter)
    return found


def test_only_the_second_reading_asks_what_only_it_is_judged_by() -> None:
    assert read_by(before=True) == {"stat": 1}
    assert read_by(before=False) == {"stat": 1, "limits": 1, "cgroup": 1, "": 1, "/fd": 1}
