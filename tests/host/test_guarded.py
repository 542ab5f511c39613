"""Work in a child with a deadline."""

from __future__ import annotations

import errno
import os
import struct
import time

import pytest

from sretool.host import guarded


@pytest.mark.parametrize("batch", [1, 2, 4, 64])
def test_a_read_that_hangs_costs_its_own_part(batch: int) -> None:
    def work(path: str) -> bytes:
        if path == "hangs":
            time.sleep(60)
        if path == "dies":
            os._exit(9)
        if path == "fails":
            raise OSError(errno.EIO, "EIO")
        return path.encode()

    started = time.monotonic()
    found = list(guarded.in_child(work, ["a", "hangs", "b", "fails", "dies", "c"], 1.0, batch))
    assert found == [b"a", errno.ETIMEDOUT, b"b", errno.EIO, errno.ETIMEDOUT, b"c"]
    assert time.monotonic() - started < 30


def test_half_an_answer_of_a_child_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter([struct.pack("=Q", 9), None, b"what follows is not looked at"])
    monkeypatch.setattr(guarded, "_exactly", lambda *_: next(given))
    assert list(guarded._child(str.encode, ["a", "b"], 1.0, 1)) == [[errno.ETIMEDOUT]]
