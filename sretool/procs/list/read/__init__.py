"""Processes straight from /proc: one pass, each file read once, and only those that were asked for."""

from sretool.procs.list.read.ask import (
    COUNTERS,
    EVERYTHING,
    LIGHT_FIELDS,
    TRIAGE,
    TRIAGE_BEFORE,
    TWICE,
    Ask,
    ask_for,
)
from sretool.procs.list.read.build import build, complete
from sretool.procs.list.read.sample import Sample, details, sample

__all__ = [
    "COUNTERS",
    "EVERYTHING",
    "LIGHT_FIELDS",
    "TRIAGE",
    "TRIAGE_BEFORE",
    "TWICE",
    "Ask",
    "Sample",
    "ask_for",
    "build",
    "complete",
    "details",
    "sample",
]
