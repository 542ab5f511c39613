"""The hint of a denial is one that whoever met it can follow."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from cli import NOBODY, sretool

from sretool.command.rights import suit
from sretool.errors import Denied, Missing, from_errno
from sretool.host.fake import Fake
from sretool.host.recorder import pack
from sretool.host.recording import Moment
from sretool.host.source import Clock

ALL = (1 << 41) - 1
SYS_PTRACE = 1 << 19


def hint(uid: int | None, capabilities: int = ALL, live: bool = True) -> str:
    who = errno.ENODATA if uid is None else {"uid": uid, "capabilities": capabilities}
    source = Fake(facts={"identity": who})
    source.live = live
    error = from_errno(errno.EACCES, "/proc/812/io")
    suit([Missing("/proc/813/io", "it ended", "kept"), error], source)
    return error.hint


def test_a_user_is_told_of_sudo():
    assert hint(1000) == "run with sudo to see it"


def test_root_is_told_what_stands_in_the_way():
    assert hint(0) == (
        "closed even to root: a container or a security module (AppArmor, SELinux) stands in the way"
    )
    assert hint(0, ALL & ~SYS_PTRACE) == (
        "root lacks CAP_SYS_PTRACE here, as in a container: run it where root has all rights"
    )


@pytest.mark.parametrize("uid", [1000, None])
def test_a_recording_should_have_been_made_by_root(uid: int | None):
    assert hint(uid, live=False) == "record it as root: sudo sretool snapshot save FILE"


def test_a_recording_made_by_root():
    assert "sudo" not in hint(0, live=False)
    assert hint(0, 0, live=False).endswith(": record it where root has all rights")


def test_other_errors_keep_their_hint():
    other = Missing("/proc/813/io", "it ended", "kept")
    suit([other, Denied("/x", "no", "run with sudo")], Fake())
    assert other.hint == "kept"


def test_live_a_user_is_told_of_sudo():
    errors = sretool("procs", "show", 1, "--sample", 0, "--json", uid=NOBODY).json["errors"]
    assert errors
    assert all(error["hint"].startswith("run with sudo") for error in errors)


def test_a_replay_never_speaks_of_this_run(tmp_path: Path):
    moment = Moment(Clock(1_800_000_000.0, 1000.0, 1000.0))
    moment.index["dirs"]["/proc"] = ["812"]
    moment.index["link_dirs"]["/proc/812/fd"] = errno.EACCES
    file = tmp_path / "made-by-a-user.tar.gz"
    with file.open("wb") as out:
        pack([moment], {}, out)
    told = sretool("--from", file, "procs", "deleted").err.splitlines()
    denied = [line for line in told if "could not be looked at" in line]
    assert len(denied) == 1
    assert denied[0].endswith("(record it as root: sudo sretool snapshot save FILE)")
