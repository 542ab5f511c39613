"""What was recorded is judged as it was live: the seam that everything passes through holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli import sretool
from hosts import CPU_STAT, GROUP, NETSTAT, Made, healthy, listener, space

from sretool.host.recorder import pack
from sretool.snapshot.write import about, record
from sretool.triage.domains import rules


def starved() -> Made:
    """A listener whose queue overflows while its cgroup is out of quota, and a full /dev/shm."""
    made = healthy()
    made.now["/proc/net/netstat"] = NETSTAT.format(overflows=105, drops=105)
    made.netlink_before["inet-diag/tcp/4"] = [listener(8080, queue=129, backlog=128, drops=0)]
    made.netlink["inet-diag/tcp/4"] = [listener(8080, queue=129, backlog=128, drops=100)]
    made.now[f"{GROUP}/cpu.stat"] = CPU_STAT.format(usage=1_500_000, periods=110, throttled=12)
    made.statvfs["/dev/shm"] = space(total=1 << 26, available=0)
    return made


def recorded(made: Made, path: Path, without: str = "") -> Path:
    """A recording of `made`, in which the file `without` is not."""
    source = made.source()
    assert source.earlier is not None
    moments = [record(moment)[0] for moment in (source.earlier, source)]
    for moment in moments:
        moment.files.pop(without, None)
    with path.open("wb") as file:
        pack(moments, about(moments[-1]), file)
    return path


def test_healthy_host_exits_0(tmp_path: Path) -> None:
    file = recorded(healthy(), tmp_path / "healthy.tar.gz")
    done = sretool("--from", file, "triage")
    assert done.code == 0, done.out + done.err
    assert done.out.startswith(f"fake: nothing wrong found by {len(rules()) - 2} checks.")
    assert done.err == ""


def test_faults_are_named_and_joined(tmp_path: Path) -> None:
    file = recorded(starved(), tmp_path / "starved.tar.gz")
    done = sretool("--from", file, "triage", "--json")
    assert done.code == 2
    answer = done.json
    assert answer["source"].startswith("recording:")
    assert answer["status"] == "ok"
    assert [(item["id"], item["subject"]["id"]) for item in answer["findings"]] == [
        ("fs.space", "/dev/shm"),
        ("join.accept-queue-starved", "127.0.0.1:8080"),
        ("cgroup.cpu-throttled", "/system.slice/app.service"),
    ]
    assert "throttled in 90% of its periods" in answer["findings"][1]["summary"]


@pytest.mark.parametrize(
    ("path", "blind"),
    [
        ("/proc/meminfo", {"memory.available", "memory.swapping", "process.swapped-hot"}),
        ("/proc/diskstats", {"disk.latency", "disk.saturation"}),
        ("/proc/pressure/io", {"io.pressure"}),
    ],
)
def test_what_was_not_recorded_is_unknown(tmp_path: Path, path: str, blind: set[str]) -> None:
    file = recorded(healthy(), tmp_path / "partial.tar.gz", without=path)
    done = sretool("--from", file, "triage", "--json")
    checks = done.json["data"]["checks"]
    assert {row["id"] for row in checks if row["outcome"] == "unknown"} == blind
    assert (done.code, done.json["status"]) == (0, "partial")
    assert {error["code"] for error in done.json["errors"]} == {"not-recorded"}
