"""Real kills on a booted host with cgroup v2: a whole group, a limit above, and a victim foretold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli import sretool
from vm import Outcome, Script

FAULT = (Path(__file__).resolve().parents[2] / "vm/faults/process.deleted-files.sh").read_text()
SCENARIO = (
    FAULT
    + r"""
. /opt/payload/prelude.sh
cat >/opt/hold.py <<'APP'
import sys, time
held = bytearray(int(sys.argv[1]) << 20)
open("/proc/self/oom_score_adj", "w").write(sys.argv[2])
open(f"/run/holds-{sys.argv[1]}", "w").close()
time.sleep(600)
APP
killed_in() { await "dmesg | grep -q 'oom_memcg=$1,.*task_memcg=$2,'"; }

# the kernel alone kills: a process that systemd was quicker to kill is none of its victims (oom_kill.c,
# __oom_kill_process: "already exiting")
systemd-run --quiet --unit=whole -p MemoryMax=40M -p MemorySwapMax=0 \
    -p OOMPolicy=continue -p KillMode=process \
    sh -c 'echo 1 >/sys/fs/cgroup/system.slice/whole.service/memory.oom.group
        sleep 600 & sleep 601 & python3 /opt/hold.py 100 0; wait'
killed_in /system.slice/whole.service /system.slice/whole.service

systemctl set-property --runtime tight.slice MemoryMax=100M MemorySwapMax=0
# beside the larger one, one that its adjustment puts first
systemd-run --quiet --slice=tight.slice --unit=large -p OOMPolicy=continue python3 /opt/hold.py 25 0
systemd-run --quiet --slice=tight.slice --unit=first -p OOMPolicy=continue python3 /opt/hold.py 15 500
await '[ -e /run/holds-25 ] && [ -e /run/holds-15 ]'
into next.json procs oom --cgroup tight.slice --json
systemd-run --quiet --slice=tight.slice --unit=grows -p OOMPolicy=continue python3 /opt/hold.py 65 0
killed_in /tight.slice /tight.slice/first.service
into oom.json procs oom --json
into oom.txt procs oom
useradd --groups systemd-journal reader
for as in nobody reader; do into $as.json procs oom --json; done
as=root

inject
into deleted.json procs deleted --json
into triage.json triage --only memory.oom-kill,process.deleted-files --sample 0 --json
warm snapshot save --sample 0.1 recording.tar.gz
heal
systemctl stop large first grows whole tight.slice
systemctl reset-failed
systemctl revert tight.slice
"""
)


pytestmark = pytest.mark.vm(Script("procs oom", SCENARIO))


def data(guest: Outcome, name: str) -> Any:
    return json.loads(guest.files[f"{name}.json"])["data"]


def kills(guest: Outcome, name: str = "oom") -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for kill in data(guest, name)["kills"]:
        found.setdefault(kill["unit"], []).append(kill)
    return found


def found(guest: Outcome, id: str) -> Any:
    (finding,) = [one for one in json.loads(guest.files["triage.json"])["findings"] if one["id"] == id]
    return finding


def test_a_group_that_was_killed_whole(guest: Outcome) -> None:
    whole = kills(guest)["whole.service"]
    assert sorted(kill["process"] for kill in whole) == ["python3", "sh", "sleep", "sleep"]
    for kill in whole:
        assert (kill["level"], kill["group"]) == ("own", "/system.slice/whole.service")
        assert kill["limit_bytes"] == 40 << 20
    assert (
        b"with it 3 more processes of /system.slice/whole.service (memory.oom.group)"
        in guest.files["oom.txt"]
    )
    # the group's first victim is logged and counted twice: no kill is missing
    assert data(guest, "oom")["kills_total"] == data(guest, "oom")["kills_logged"] >= 6
    assert data(guest, "oom")["lost"] == []


def test_the_victim_foretold_is_the_one_killed(guest: Outcome) -> None:
    foretold = data(guest, "next")
    first, second = foretold["processes"]
    assert (first["unit"], second["unit"]) == ("first.service", "large.service")
    assert first["points_bytes"] > second["points_bytes"] > second["oom_score_adj"] == 0
    (limited,) = foretold["groups"]
    assert (limited["path"], limited["victim_pid"]) == ("/tight.slice", first["pid"])
    (kill,) = kills(guest)["first.service"]
    assert (kill["pid"], kill["level"], kill["limit_cgroup"]) == (first["pid"], "above", "/tight.slice")
    assert kill["oom_score_adj"] == 500
    assert kill["choices"] == 3
    assert "large.service" not in kills(guest)
    finding = found(guest, "memory.oom-kill")
    assert (
        "of first.service, because of the limit of /tight.slice, a cgroup above its own" in finding["summary"]
    )


def test_who_may_not_read_the_log_reads_the_journal(guest: Outcome) -> None:
    nobody = json.loads(guest.files["nobody.json"])
    assert nobody["data"]["kills"] is None
    assert nobody["data"]["kills_total"] >= 6
    assert [error["what"] for error in nobody["errors"]] == ["/dev/kmsg"]
    reader = data(guest, "reader")
    assert reader["log"] == "journalctl -k"
    named = [
        [(kill["pid"], kill["whose"]) for kill in data(guest, name)["kills"]] for name in ("reader", "oom")
    ]
    assert named[0] == named[1]


def test_deleted_files_of_a_service(guest: Outcome) -> None:
    (row,) = [row for row in data(guest, "deleted")["holders"] if row["unit"] == "logger.service"]
    assert (row["mount"], row["files"], row["space_bytes"]) == ("/run/logs", 120, 120 * 4096)
    finding = found(guest, "process.deleted-files")
    assert finding["subject"]["unit"] == "logger.service"
    assert "in 120 deleted files" in finding["summary"]
    assert "restart logger.service" in finding["remedy"]


def test_a_recording_says_the_same(guest: Outcome, tmp_path: Path) -> None:
    file = tmp_path / "recording.tar.gz"
    file.write_bytes(guest.files["recording.tar.gz"])
    deleted = sretool("--from", file, "procs", "deleted", "--json").json
    assert deleted["errors"] == []
    (row,) = [row for row in deleted["data"]["holders"] if row["unit"] == "logger.service"]
    assert (row["mount"], row["files"], row["space_bytes"]) == ("/run/logs", 120, 120 * 4096)
    oom = sretool("--from", file, "procs", "oom", "--json").json
    assert oom["errors"] == []
    assert [kill["pid"] for kill in oom["data"]["kills"]] == [
        kill["pid"] for kill in data(guest, "oom")["kills"]
    ]
    assert "/tight.slice" in [row["path"] for row in oom["data"]["groups"]]
