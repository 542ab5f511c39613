"""One process from /proc: counters at two moments, all else once."""

from sretool.procs.show.read.build import build
from sretool.procs.show.read.sample import EVERYTHING, Ask, Sample, sample
from sretool.procs.show.read.state import State, state

__all__ = ["EVERYTHING", "Ask", "Sample", "State", "build", "sample", "state"]
