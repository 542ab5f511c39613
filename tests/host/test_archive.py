"""Our tar headers are tarfile's, and what is not ours is still read."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.host.archive import Writer, header, unpack

WHEN = 1_764_078_000
NAMES = ["a", "x" * 99, "x" * 100, "x" * 101, "é" * 60, "y/" * 300, "z" * 511, "z" * 512, "T0/files/a\udcff"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 511, 512, 8**11 - 1])
def test_headers_are_those_of_tarfile(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, WHEN, 0o600
    theirs = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    assert b"".join(header(name, size, WHEN)) == theirs


def written(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    writer = Writer(out)
    for name, data in files.items():
        writer.add(name, data, WHEN + 0.5)
    writer.close()
    return out.getvalue()


def opened(raw: bytes) -> BinaryIO:
    import gzip

    return cast("BinaryIO", gzip.GzipFile(fileobj=io.BytesIO(raw)))


def admitting(seen: list[str]) -> Callable[[tarfile.TarInfo], None]:
    return lambda info: seen.append(info.name)


@given(st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=2000), max_size=9))
def test_what_was_written_is_read_by_us_and_by_tarfile(files: dict[str, bytes]) -> None:
    raw = written(files)
    seen: list[str] = []
    assert unpack(opened(raw), admitting(seen)) == files
    assert seen == list(files)
    with tarfile.open(fileobj=io.BytesIO(raw), mode="r:gz") as tar:
        assert tar.getnames() == list(files)
        assert [cast("io.BytesIO", tar.extractfile(one)).read() for one in tar] == list(files.values())


def test_from_the_first_header_of_another_kind_on_tarfile_reads() -> None:
    ours = {"first": b"1" * 600, "z" * 300: b"2"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in {"third": b"3", "ü" * 200: b"4" * 513}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname = len(data), WHEN, "joe"
            tar.addfile(info, io.BytesIO(data))
    plain = opened(written(ours)).read()
    at = plain.index(b"\0" * 1024, plain.index(b"2" + b"\0" * 511))
    both = plain[: at - at % 512 + 512] + out.getvalue()
    seen: list[str] = []
    assert unpack(io.BytesIO(both), admitting(seen)) == {**ours, "third": b"3", "ü" * 200: b"4" * 513}
    assert seen == [*ours, "third", "ü" * 200]


def test_an_end_in_the_middle_of_a_member_is_an_error() -> None:
    plain = opened(written({"first": b"1" * 600})).read()
    with pytest.raises(tarfile.ReadError):
        unpack(io.BytesIO(plain[:1024]), admitting([]))
