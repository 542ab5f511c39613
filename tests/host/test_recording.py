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
from sretool.host.recorder import Packer, Recorder, pack
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
        stats={"/etc": Stat(1, 2, 3, 4, 5, 6, 7.5), "/proc/1/fd/4": Stat(1, 2, 3, 4, 5, 6, 7.5, 0)},
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
        outcome(source.stats, ["/proc/1/fd/4", "/proc/1/fd/5"]),
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


def test_a_process_that_no_listing_had_is_gone_and_not_unrecorded(tmp_path: Path) -> None:
    recorder = Recorder(Fake({"/proc/1/stat": b"1 (init) S", "/proc/7/stat": b"7 (sh) S"}))
    assert recorder.listdir("/proc") == ["1", "7"]
    recorder.read("/proc/1/stat")
    path = tmp_path / "host.tar.gz"
    with path.open("wb") as file:
        pack([recorder.moment], {}, file)
    replayed = open_recording(str(path))
    with pytest.raises(Missing):
        replayed.read("/proc/99/stat")
    assert replayed.bulk("/proc", ["1", "99", "7"], ["stat"]) == {
        "1": (b"1 (init) S",),
        "99": (errno.ESRCH,),
        "7": (errno.ENODATA,),
    }


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
    # a command by its name, as live does: its arguments would fill a screen
    with pytest.raises(NotRecorded, match=r"^systemctl: not in this recording"):
        replay.run(["systemctl", "show", "--property=" + "Id," * 200])
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


def test_a_moment_has_one_listing_of_a_directory() -> None:
    files = {"/proc/1/stat": "x"}
    recorder = Recorder(Fake(files))
    assert recorder.listdir("/proc") == ["1"]
    recorder._inner = Fake({**files, "/proc/2/stat": "y"})
    assert recorder.listdir("/proc") == ["1"]


class Counted(Fake):
    """Counts what is read in bulk."""

    reads = 0

    def bulk(self, parent, entries, files, *, guarded=False):
        self.reads += len(entries) * len(files)
        return super().bulk(parent, entries, files, guarded=guarded)


def test_a_moment_has_one_reading_of_a_file() -> None:
    source = Counted({f"/proc/{pid}/{file}": "x" for pid in (1, 2) for file in ("stat", "comm")})
    recorder = Recorder(source)
    recorder.bulk("/proc", ["1"], ["stat"])
    recorder.bulk("/proc", ["1", "2"], ["stat"])
    assert recorder.bulk("/proc", ["1", "2", "3"], ["comm", "stat"]) == {
        "1": (b"x", b"x"),
        "2": (b"x", b"x"),
        "3": (errno.ENOENT, errno.ENOENT),
    }
    assert recorder.bulk("/proc", ["3"], ["stat"]) == {"3": (errno.ENOENT,)}
    assert source.reads == 6
    assert len(recorder.moment.files) == 4


def test_a_file_read_from_two_parents_is_held_once(tmp_path: Path) -> None:
    recorder = Recorder(Fake({"/sys/fs/cgroup/a/memory.max": "max"}))
    recorder.bulk("/sys/fs", ["cgroup/a"], ["memory.max"])
    recorder.bulk("/sys/fs/cgroup", ["a"], ["memory.max"])
    recorder.read("/sys/fs/cgroup/a/memory.max")
    path = tmp_path / "x.tar.gz"
    with path.open("wb") as file:
        packer = Packer(file)
        assert packer.add(recorder.kept, recorder.drain()) == 1
        packer.close({})
    assert open_recording(str(path)).read("/sys/fs/cgroup/a/memory.max") == b"max"


def test_of_a_moment_of_counters_the_rest_is_not_recorded(tmp_path: Path) -> None:
    files = {"/proc/1/stat": "x", "/proc/1/cmdline": "y", "/proc/1/task/7/stat": "z", "/proc/loadavg": "1"}
    recorder = Recorder(Fake(files, links={"/proc/1/exe": "/bin/a"}), counters_only=True)
    assert recorder.bulk("/proc", ["1"], ["cmdline", "stat"]) == {"1": (errno.ENODATA, b"x")}
    assert recorder.bulk("/proc/1/task", ["7"], ["stat"]) == {"7": (b"z",)}
    for refused in (lambda: recorder.readlink("/proc/1/exe"), lambda: recorder.listdir("/proc/1/fd")):
        with pytest.raises(NotRecorded):
            refused()
    assert recorder.read("/proc/loadavg") == b"1"
    assert recorder.moment.files.keys() == {"/proc/1/stat", "/proc/1/task/7/stat", "/proc/loadavg"}
    assert recorder.moment.index["errors"] == {}


def test_guarded_reads_of_a_whole_host_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sretool.host.recorder.GUARDED_S", -1.0)
    recorder = Recorder(Fake({"/proc/1/environ": "A=1"}))
    assert recorder.bulk("/proc", ["1"], ["environ"], guarded=True) == {"1": (errno.ENODATA,)}
    assert recorder.left_out == ["environ of 1 of 1 processes, for time"]
    assert recorder.moment.files == {}


@settings(max_examples=150)
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
