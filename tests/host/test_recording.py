"""A recording replays what was recorded, and refuses what is not a recording."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sretool.errors import Denied, Missing, NotRecorded, SourceError, UsageError
from sretool.host.fake import Fake
from sretool.host.recorder import Recorder, pack
from sretool.host.recording import FORMAT, open_recording
from sretool.host.source import Completed, Dump, Source, Stat, StatVfs

TCP = Dump("inet-diag/tcp/4", 4, 20, 0x300, b"")


def host(load: str, earlier: Source | None = None) -> Fake:
    return Fake(
        {
            "/proc/loadavg": load,
            "/proc/1/stat": b"1 (in\xffit) S",
            "/proc/1/cmdline": b"init\0--password=hunter2\0",
            "/proc/1/io": errno.EACCES,
        },
        links={"/proc/1/fd/3": "socket:[77]", "/proc/1/exe": "/sbin/init"},
        netlink={"inet-diag/tcp/4": [b"first", b"", b"second frame"]},
        facts={"user 7": "joe"},
        runs={"systemctl": Completed(1, b"out", b"err")},
        statvfs={"/": StatVfs(1, 2, 3, 4, 5, 6, 7, 8), "/dead": errno.ETIMEDOUT},
        stats={"/etc": Stat(1, 2, 3, 4, 5, 6, 7.5)},
        earlier=earlier,
    )


def ask_everything(source: Source) -> list[object]:
    """Each verb once, failures as (code, errno): live and replay must agree on all of it."""

    def outcome(verb, *args, **more):
        try:
            return verb(*args, **more)
        except SourceError as error:
            return error.code, error.errno

    return [
        source.clock(),
        outcome(source.read, "/proc/loadavg"),
        outcome(source.read, "/proc/1/io"),
        outcome(source.read, "/proc/gone"),
        outcome(source.listdir, "/proc"),
        outcome(source.listdir, "/nowhere"),
        outcome(source.walk, "/proc"),
        outcome(source.readlink, "/proc/1/exe"),
        outcome(source.stat, "/etc"),
        outcome(source.statvfs, ["/", "/dead"]),
        outcome(source.bulk, "/proc", ["1", "2"], ["stat", "io"]),
        outcome(source.links, "/proc", ["1", "2"], "fd"),
        outcome(source.netlink, TCP),
        outcome(source.netlink, TCP, "/run/netns/x"),
        outcome(source.run, ["systemctl", "list-units"]),
        outcome(source.run, ["absent"]),
        outcome(source.fact, "user", "7"),
        outcome(source.fact, "user", "8"),
    ]


def written(tmp_path: Path, *sources: Source) -> str:
    moments = []
    for source in sources:
        recorder = Recorder(source)
        ask_everything(recorder)
        moments.append(recorder.moment)
    path = tmp_path / "host.tar.gz"
    with path.open("wb") as file:
        pack(moments, {"host": "fake"}, file)
    return str(path)


def test_replay_gives_what_the_host_gave(tmp_path: Path) -> None:
    first = host("0.1")
    second = host("9.9", earlier=first)
    replay = open_recording(written(tmp_path, first, second))
    assert ask_everything(replay) == ask_everything(second)
    assert replay.earlier is not None
    assert ask_everything(replay.earlier) == ask_everything(first)
    assert replay.earlier.earlier is None


def test_what_nobody_asked_for_is_not_recorded_rather_than_absent(tmp_path: Path) -> None:
    replay = open_recording(written(tmp_path, host("1")))
    with pytest.raises(NotRecorded):
        replay.read("/proc/meminfo")
    assert replay.bulk("/proc", ["1"], ["schedstat"]) == {"1": (errno.ENODATA,)}
    with pytest.raises(Missing):
        replay.read("/proc/gone")
    with pytest.raises(Denied):
        replay.read("/proc/1/io")


def test_secrets_do_not_enter_a_recording(tmp_path: Path) -> None:
    path = written(tmp_path, host("1"))
    recorder = Recorder(host("1"))
    recorder.bulk("/proc", ["1"], ["cmdline"])
    assert b"hunter2" not in gzip.decompress(Path(path).read_bytes())
    assert b"hunter2" not in recorder.moment.files["/proc/1/cmdline"]


def archive(tmp_path: Path, members: dict[str, bytes | tarfile.TarInfo]) -> str:
    path = tmp_path / "made.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            if isinstance(data, tarfile.TarInfo):
                tar.addfile(data)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(path)


def link(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return info


def manifest(members: int, moments: int = 1) -> bytes:
    return json.dumps({"format": FORMAT, "members": members, "moments": [[1, 2, 3]] * moments}).encode()


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"hello.txt": b"hi"}, "laid out"),
        ({"manifest.json": b"{"}, "laid out"),
        ({"manifest.json": b"[]"}, "laid out"),
        ({"manifest.json": b'{"format": "sretool.recording/9", "moments": []}'}, "sretool.recording/9"),
        ({"manifest.json": manifest(0, 0)}, "no moment"),
        ({"manifest.json": manifest(0)}, "laid out"),
        ({"manifest.json": manifest(9)}, "9 files were recorded, 0 are left"),
        ({"manifest.json": manifest(1), "T0/index.json": b'{"dirs": []}'}, "wrong kind"),
        ({"manifest.json": manifest(1), "T0/index.json": b'{"errors": {"files /x": "EIO"}}'}, "wrong kind"),
        ({"manifest.json": manifest(2), "T0/index.json": b"{}", "T7/files/x": b""}, "laid out"),
        ({"../../etc/cron.d/x": b"boom"}, "climbs out"),
        ({"/etc/cron.d/x": b"boom"}, "climbs out"),
        ({"T0/files/../../x": b"boom"}, "climbs out"),
        ({"T0/files/link": link("T0/files/link")}, "no plain file"),
    ],
)
def test_foreign_archives_are_refused_in_words(
    tmp_path: Path, members: dict[str, bytes | tarfile.TarInfo], why: str
) -> None:
    with pytest.raises(UsageError) as caught:
        open_recording(archive(tmp_path, members))
    assert why in str(caught.value)
    assert caught.value.exit_code == 64


def test_oversized_members_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sretool.host.recording.READ_LIMIT_BYTES", 1000)
    with pytest.raises(UsageError, match="larger than the limits"):
        open_recording(archive(tmp_path, {"T0/files/x": bytes(1001)}))


@pytest.mark.parametrize("make", [b"", b"hello", gzip.compress(b"hello", mtime=0), b"\x1f\x8b\x08\x00junk"])
def test_files_of_other_kinds_are_refused(tmp_path: Path, make: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(make)
    with pytest.raises(UsageError):
        open_recording(str(path))


def test_missing_file_and_directory_are_usage_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(UsageError):
            open_recording(str(path))


def test_damage_that_still_unpacks_is_seen_by_its_checksum(tmp_path: Path) -> None:
    path = Path(written(tmp_path, host("1")))
    whole = bytearray(path.read_bytes())
    whole[-8] ^= 1  # the first byte of the CRC
    path.write_bytes(whole)
    with pytest.raises(UsageError, match="damaged"):
        open_recording(str(path))


def test_no_name_and_a_pipe_without_a_writer_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--from"):
        open_recording("")
    os.mkfifo(tmp_path / "fifo")  # open(2) of it would wait for a writer
    with pytest.raises(UsageError):
        open_recording(str(tmp_path / "fifo"))


def test_a_pipe_with_a_writer_is_as_good_as_a_file(tmp_path: Path) -> None:
    whole = Path(written(tmp_path, host("1"))).read_bytes()
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:  # a recording this small fits into the pipe
        pipe.write(whole)
    try:
        assert ask_everything(open_recording(f"/dev/fd/{reading}")) == ask_everything(host("1"))
    finally:
        os.close(reading)


def test_every_truncation_is_refused_or_complete(tmp_path: Path) -> None:
    whole = Path(written(tmp_path, host("1"))).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    cuts = 0
    for size in range(0, len(whole) - 8, 7):
        cut.write_bytes(whole[:size])
        try:
            assert ask_everything(open_recording(str(cut))) == ask_everything(host("1"))
        except UsageError:
            cuts += 1
    assert cuts > len(range(0, len(whole) - 8, 7)) * 0.9


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_recordings_never_crash(data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        raw = bytearray(Path(written(Path(folder), host("1"))).read_bytes())
        inner = bytearray(gzip.decompress(bytes(raw)))
        target = inner if data.draw(st.booleans()) else raw
        for _ in range(data.draw(st.integers(1, 6))):
            target[data.draw(st.integers(0, len(target) - 1))] = data.draw(st.integers(0, 255))
        path = Path(folder) / "damaged.tar.gz"
        path.write_bytes(gzip.compress(bytes(inner)) if target is inner else bytes(raw))
        try:
            source = open_recording(str(path))
        except UsageError:
            return
        ask_everything(source)
