"""Entering a network namespace: a socket belongs for ever to the one it was made in.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def inside(netns: str | None) -> Iterator[None]:
    """This thread is in the namespace of that path; in its own again at the end. None: nothing happens.

    Raises:
        OSError: no such file, no namespace, or no right (CAP_SYS_ADMIN) to enter it.
    """
    if netns is None:
        yield
        return
    import ctypes  # only they pay for it who enter one

    libc = ctypes.CDLL(None, use_errno=True)
    ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        theirs = os.open(netns, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if libc.setns(theirs, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(theirs)
        try:
            yield
        finally:
            if libc.setns(ours, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns back")
    finally:
        os.close(ours)
