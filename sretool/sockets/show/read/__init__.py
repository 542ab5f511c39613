"""One socket, or a few, read from the kernel: two samples, what stands around them, and the model."""

from sretool.sockets.show.read.build import build
from sretool.sockets.show.read.sample import EVERYTHING, Around, Ask, Sample, around, first, sample

__all__ = ["EVERYTHING", "Around", "Ask", "Sample", "around", "build", "first", "sample"]
