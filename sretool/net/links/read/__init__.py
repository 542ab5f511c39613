"""Interfaces read from the kernel: samples, and the rows derived from them."""

from sretool.net.links.read.build import AVAILABLE, Wanted, alone, build
from sretool.net.links.read.sample import COUNTERS, EVERYTHING, Ask, Sample, sample

__all__ = ["AVAILABLE", "COUNTERS", "EVERYTHING", "Ask", "Sample", "Wanted", "alone", "build", "sample"]
