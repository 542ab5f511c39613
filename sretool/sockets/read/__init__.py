"""Sockets read from the kernel: one sample, and the models derived from it."""

from sretool.sockets.read.ask import COUNTERS, EVERYTHING, LISTENERS, OTHERS, TRIAGE, Ask
from sretool.sockets.read.build import build_list
from sretool.sockets.read.sample import Sample, attributed, sample
from sretool.sockets.read.whose import Narrow

__all__ = [
    "COUNTERS",
    "EVERYTHING",
    "LISTENERS",
    "OTHERS",
    "TRIAGE",
    "Ask",
    "Narrow",
    "Sample",
    "attributed",
    "build_list",
    "sample",
]
