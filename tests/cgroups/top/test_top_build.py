"""Victims and culprits among made-up groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sretool.cgroups.model import Capacity, Cgroup, Cgroups, IoDevice
from sretool.cgroups.top.build import build, leaves
from sretool.cgroups.top.model import Ranked, Top
from sretool.host.attribution import attribute

MIB = 1 << 20


def group(path: str, processes: int = 1, **more: Any) -> Cgroup:
    whose = attribute(path)
    name = path.rpartition("/")[2]
    stalls = {f"{kind}_some_avg10_ratio": 0.0 for kind in ("cpu", "memory", "io")}
    stalls |= {f"{kind}_some_ratio": 0.0 for kind in ("cpu", "memory", "io")}
    values = {**stalls, "cpu_ratio": 0.0, "memory_growth_bytes_per_s": 0.0, **more}
    return Cgroup(path, name, *whose[:1], *whose[2:], processes, max(1, processes), **values)


def ranked(*rows: Cgroup, every: bool = False) -> Top:
    return build(
        Cgroups(list(rows), len(rows), "v2", 0, 1.0, Capacity(memory_bytes=1 << 34, cpus=2)), every=every
    )


def by_path(*rows: Cgroup) -> dict[str, Ranked]:
    return {row.path: row for row in ranked(*rows).groups}


def test_who_waits_much_and_uses_little_is_the_victim_of_who_uses_much_and_waits_little() -> None:
    found = by_path(
        group("/a.service", cpu_ratio=0.1, cpu_some_ratio=0.6),
        group("/b.service", cpu_ratio=1.9, cpu_some_ratio=0.05),
        group("/c.service", cpu_ratio=0.01),
    )
    victim, culprit = found["/a.service"], found["/b.service"]
    assert (victim.role, victim.resource, victim.stall_ratio) == ("victim", "cpu", 0.6)
    assert victim.why == "waits for the CPU 60% of the sample: 92% of all waiting, 5% of the CPU time"
    assert (culprit.role, culprit.use_share_ratio) == ("culprit", round(1.9 / 2.01, 4))
    assert (found["/c.service"].role, found["/c.service"].why) == ("quiet", "")
    assert list(found) == ["/b.service", "/a.service", "/c.service"]


def test_use_is_no_crime_where_nobody_waits() -> None:
    assert by_path(group("/a.service", cpu_ratio=2.0), group("/b.service"))["/a.service"].role == "quiet"


def test_who_waits_at_its_own_limit_is_nobodys_victim() -> None:
    device = IoDevice("254:0", "vda", 999.0, 0.0, 1.0, 0.0, 1, 0, read_limit_bytes_per_s=1000)
    found = by_path(
        group("/a.service", cpu_some_ratio=0.9, cpu_ratio=0.1, throttled_ratio=0.9),
        group("/b.service", memory_some_ratio=0.5, memory_high_hits_local_in_sample=4),
        group("/c.service", io_some_ratio=0.5, io_devices=[device]),
        group("/d.service", cpu_ratio=1.0),
    )
    assert [found[f"/{one}.service"].role for one in "abc"] == ["own-limit"] * 3
    assert found["/a.service"].why == "waits for the CPU 90% of the sample, at its own quota"
    # who uses the most makes none of them wait
    assert found["/d.service"].role == "quiet"


def test_memory_goes_by_who_grows() -> None:
    found = by_path(
        group("/a.service", memory_some_ratio=0.4, memory_growth_bytes_per_s=-5.0 * MIB),
        group("/b.service", memory_some_ratio=0.02, memory_growth_bytes_per_s=90.0 * MIB),
    )
    assert (found["/a.service"].role, found["/b.service"].role) == ("victim", "culprit")
    assert found["/b.service"].resource == "memory"


def test_io_goes_by_bytes() -> None:
    found = by_path(
        group("/a.service", io_some_ratio=0.8, io_read_bytes_per_s=1e4, io_write_bytes_per_s=0.0),
        group("/b.service", io_some_ratio=0.3, io_read_bytes_per_s=0.0, io_write_bytes_per_s=1e8),
    )
    assert (found["/a.service"].role, found["/b.service"].role) == ("victim", "culprit")


def test_units_and_containers_and_never_a_group_and_one_around_it() -> None:
    docker = "/system.slice/docker-" + "4f5c0e8b9a1d2c3e" * 4 + ".scope"
    rows = [
        group("/"),
        group("/system.slice", 0),
        group("/system.slice/a.service", 0),
        group("/system.slice/a.service/worker"),
        group(docker, 0),
        group(f"{docker}/init.scope"),
        group("/batch"),
        group("/batch/job"),
    ]
    assert {row.path for row in ranked(*rows).groups} == {"/system.slice/a.service", docker, "/batch"}
    assert {row.path for row in ranked(*rows, every=True).groups} == {
        "/system.slice/a.service/worker",
        f"{docker}/init.scope",
        "/batch",
        "/batch/job",
    }


def test_a_unit_that_holds_containers_is_not_one_of_them() -> None:
    kubelet = "/kubelet.service"
    inner = f"{kubelet}/" + "4f5c0e8b9a1d2c3e" * 4
    assert [row.path for row in ranked(group(kubelet, 0), group(inner)).groups] == [inner]


def test_without_pressure_the_role_is_unknown_and_use_orders() -> None:
    rows = [Cgroup(path, path[1:], "", "", "", "", 1, 1, used) for path, used in (("/a", 0.1), ("/b", 1.5))]
    data = ranked(*rows)
    assert [(row.path, row.role) for row in data.groups] == [("/b", "unknown"), ("/a", "unknown")]
    assert (data.stalls, data.groups[0].stall_ratio) == (False, None)


class Counted(list[Cgroup]):
    """Rows that count how often one is looked at."""

    looks = 0

    def __iter__(self) -> Iterator[Cgroup]:
        for row in super().__iter__():
            self.looks += 1
            yield row


def test_the_work_grows_with_the_number_of_groups_and_not_with_its_square() -> None:
    containers = [
        group(f"/docker.slice/docker-{number:064x}.scope{below}")
        for number in range(200)
        for below in ("", "/a")
    ]
    services = [
        group(f"/system.slice/a{number}.service{below}") for number in range(200) for below in ("", "/a")
    ]
    rows = Counted([group("/docker.slice"), *containers, group("/system.slice", 0), *services])
    assert len(leaves(rows)) == 400
    assert rows.looks <= 4 * len(rows)
