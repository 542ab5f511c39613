"""Sockets read from the kernel: one sample, and the models derived from it."""

from sretool.sockets.read.build import Narrow, build, build_list
from sretool.sockets.read.sample import COUNTERS, EVERYTHING, LISTENERS, TRIAGE, Ask, Sample, sample

__all__ = [
    "COUNTERS",
    "EVERYTHING",
    "LISTENERS",
    "TRIAGE",
    "Ask",
    "Narrow",
    "Sample",
    "build",
    "build_list",
    "sample",
]
