"""A recording is untrusted: whatever its members hold, a command answers, or says in one line why not.

One member, or one kind of member, of a real recording is changed at a time, and a passive command run
on it in this process: with --debug anything but a SretoolError comes out as it was raised.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sretool import cli
from sretool.errors import SretoolError
from sretool.host import recording
from sretool.host.shape import SECTIONS

RECORDING = Path(__file__).resolve().parents[1] / "recordings" / "trixie-starved-listener.tar.gz"
COMMANDS = (
    "procs list --json",
    "procs deleted --json",
    "procs deleted --mapped",
    "procs oom --json",
    "procs why name:python3",
    "procs why unit:app.service --json",
    "procs why :8080",
    "procs why 1 -v",
    "procs oom",
    "procs list --fields pid,user,fds,fd_limit,wchan,stuck,command",
    "procs show 1 --json",
    "procs show 1 -v",
    "cgroups tree --json",
    "cgroups tree --all",
    "sockets list --json",
    "sockets list --fields rtt_ms,rtt_min_ms,retransmits_total,user,unit",
    "sockets listen",
    "sockets summary",
    "sockets summary --json",
    "sockets summary --by route --json",
    "sockets summary --by peer",
    "net routes --json",
    "net routes",
    "net rules --json",
    "net nexthops --json",
    "net route 127.0.0.1",
    "net route 2001:db8::1",
    "net addrs --json",
    "net addrs",
    "triage --json",
    "triage",
)
Members = dict[str, bytes]


def _unpacked() -> Members:
    with tarfile.open(RECORDING) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


WHOLE = _unpacked()
INDEXES = {name: json.loads(raw) for name, raw in WHOLE.items() if name.endswith("/index.json")}
MANIFEST = json.loads(WHOLE["manifest.json"])


def _kinds() -> dict[str, list[str]]:
    """Members that one reader reads: `/proc/7/stat` is of one kind with `/proc/8/stat`."""
    found: dict[str, list[str]] = {}
    for name in WHOLE:
        if not name.endswith(".json"):
            kind = re.sub(r"\d+", "N", re.sub(r"(/fs/cgroup/).*/", r"\1", name))
            found.setdefault(kind, []).append(name)
    return found


KINDS = _kinds()


@pytest.fixture(autouse=True, scope="module")
def _signals() -> Iterator[None]:
    kept = signal.getsignal(signal.SIGTERM)  # the program takes it for itself
    yield
    signal.signal(signal.SIGTERM, kept)


def run(changed: Members, command: str) -> str:
    """The command on the recording so changed; an error's one line counts as an answer."""
    printed = io.StringIO()
    with (
        patch.object(recording, "_members", lambda path: {**WHOLE, **changed}),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            cli.run(["--from", "changed.tar.gz", *command.split(), "--debug"])
        except SretoolError as error:
            return str(error)
    return printed.getvalue()


def indexes(change: Any) -> Members:
    """Both indexes, each as `change` makes it of a copy."""
    changed = {}
    for name, index in INDEXES.items():
        copy = json.loads(json.dumps(index))
        made = change(copy)
        changed[name] = json.dumps(copy if made is None else made).encode()
    return changed


def every(section: str, value: Any, *, inside: bool = False) -> Members:
    """`value` for every entry of a section; `inside`: for every part of every entry."""

    def change(index: dict[str, Any]) -> None:
        for key, entry in index[section].items():
            if inside and isinstance(entry, dict):
                index[section][key] = dict.fromkeys(entry, value)
            elif inside and isinstance(entry, list):
                index[section][key] = [value] * len(entry)
            else:
                index[section][key] = value

    return indexes(change)


# surrogates included, which JSON can hold and UTF-8 cannot
texts = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(
    ["\ud800", "\udc80", "²", "1", "../..", "\x1b[2J", "9" * 5000]
)
numbers = (
    st.integers(-(10**25), 10**25)
    | st.sampled_from([0, -1, 2**31, 2**40, 2**64, 10**400])
    | st.floats(allow_nan=True)
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
DIGITS = (b"", b"0", b"-7", b"x", b"18446744073709551615", b"9" * 30, b"9" * 400, b"9" * 5000)


@st.composite
def damaged_files(draw: st.DrawFn) -> Members:
    names = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    how = draw(st.sampled_from(["bytes", "digits", "cut", "flipped", "without"]))
    if how == "bytes":
        return dict.fromkeys(names, draw(st.binary(max_size=200)))
    if how == "digits":
        to = draw(st.sampled_from(DIGITS))
        return {name: re.sub(rb"\d+", to, WHOLE[name][:20_000]) for name in names}
    if how == "cut":
        at = draw(st.floats(0, 1))
        return {name: WHOLE[name][: int(len(WHOLE[name]) * at)] for name in names}
    if how == "without":
        byte = draw(st.sampled_from([b" ", b":", b"\n", b"-", b"=", b"(", b")", b"/", b"\0"]))
        return {name: WHOLE[name].replace(byte, b"") for name in names}
    flips = draw(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8))
    changed = {}
    for name in names:
        data = bytearray(WHOLE[name])
        for at, byte_ in flips if data else ():
            data[int(len(data) * at)] = byte_
        changed[name] = bytes(data)
    return changed


@st.composite
def damaged_indexes(draw: st.DrawFn) -> Members:
    section = draw(st.sampled_from(sorted(SECTIONS)))
    value = draw(values)
    how = draw(st.sampled_from(["section", "entries", "inside", "gone", "whole"]))
    if how == "section":
        return indexes(lambda index: {**index, section: value})
    if how == "gone":
        return indexes(lambda index: {key: kept for key, kept in index.items() if key != section})
    if how == "whole":
        return indexes(lambda index: value)
    return every(section, value, inside=how == "inside")


@st.composite
def damaged_manifests(draw: st.DrawFn) -> Members:
    key = draw(st.sampled_from(sorted(MANIFEST)))
    value = draw(values | st.lists(st.lists(numbers, min_size=3, max_size=3), max_size=3))
    return {"manifest.json": json.dumps({**MANIFEST, key: value}).encode()}


@settings(max_examples=60)
@given(damaged_files(), st.sampled_from(COMMANDS))
def test_damaged_kernel_bytes_cost_their_own_part(changed: Members, command: str) -> None:
    assert run(changed, command)


@settings(max_examples=60)
@given(damaged_indexes() | damaged_manifests(), st.sampled_from(COMMANDS))
def test_a_damaged_index_or_manifest_is_told_in_a_line(changed: Members, command: str) -> None:
    assert run(changed, command)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "changed",
    [
        indexes(lambda index: []),
        every("errors", 2**40),
        every("statvfs", 2**40),
        every("stats", None, inside=True),
        every("walks", ["\ud800"]),
        {"manifest.json": json.dumps({**MANIFEST, "moments": [[2**40] * 3] * 2}).encode()},
        {"manifest.json": json.dumps({**MANIFEST, "moments": [[10**400] * 3] * 2}).encode()},
    ],
    ids=["index", "errno", "statvfs", "stat", "surrogate", "clock", "clock-of-400-digits"],
)
def test_what_no_host_can_have_given_is_refused_when_it_is_opened(changed: Members, command: str) -> None:
    assert "not a recording that can be read" in run(changed, command)


def test_only_what_can_be_a_pid_is_a_process() -> None:
    changed = every("dirs", ["1", "²", "9" * 5000])
    rows = json.loads(run(changed, "procs list --json"))["data"]["processes"]
    assert [row["pid"] for row in rows] == [1]
    assert json.loads(run(changed, "sockets list --json"))["data"]["total"] > 0


@pytest.mark.parametrize("value", [None, {}, {"uid": "0"}, 10**30])
def test_a_reader_nobody_knows_costs_what_hangs_on_it(value: Any) -> None:
    facts = every("facts", value)
    assert "fact identity" in run(facts, "procs list")
    rows = json.loads(run(facts, "sockets list --json"))
    assert rows["data"]["total"] > 0


@pytest.mark.parametrize("to", DIGITS[-3:])
def test_a_number_beyond_64_bits_is_no_number(to: bytes) -> None:
    stats = {name: re.sub(rb"\d+", to, WHOLE[name]) for name in KINDS["TN/files/proc/N/stat"]}
    answer = json.loads(run(stats, "procs list --json"))
    assert (answer["data"]["processes"], answer["status"]) == ([], "partial")
