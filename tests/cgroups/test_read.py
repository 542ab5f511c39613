"""From made-up cgroup filesystems to rows."""

from __future__ import annotations

import errno
from typing import Any

import msgspec
import pytest
from engine_replies import ID, OTHER
from hypothesis import given
from hypothesis import strategies as st

from sretool.cgroups import files, read
from sretool.cgroups.model import Cgroup, Cgroups
from sretool.errors import Denied, Missing, ParseError
from sretool.host.fake import Fake
from sretool.host.source import Clock

ROOT = "/sys/fs/cgroup"
POD = "5f3c1c0e-8f6b-4a52-9d2d-0c5e1f6a7b8c"
V2 = f"29 23 0:30 / {ROOT} rw - cgroup2 cgroup2 rw\n"
V1 = "".join(
    f"{31 + n} 31 0:{31 + n} / {ROOT}/{name} rw - cgroup cgroup rw,{options}\n"
    for n, (name, options) in enumerate(
        {"cpu": "cpu", "cpuacct": "cpuacct", "memory": "memory", "systemd": "name=systemd"}.items()
    )
)
UNIFIED = f"41 31 0:38 / {ROOT}/unified rw - cgroup2 cgroup2 rw\n"
NONE = "9223372036854771712\n"
PSI = (
    "some avg10=1.50 avg60=0.00 avg300=0.00 total={some}\n"
    "full avg10=0.50 avg60=0.00 avg300=0.00 total={full}\n"
)


def v2(
    path: str, *, pids: str = "", usage: int = 0, periods: int = 0, throttled: int = 0, **more: Any
) -> dict[str, Any]:
    stat = (
        f"usage_usec {usage}\nuser_usec 1\nnr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec 9\n"
    )
    files = {
        "cgroup.procs": pids,
        "cpu.stat": stat,
        **{key.replace("_", "."): value for key, value in more.items()},
    }
    return {f"{ROOT}{path}/{name}": data for name, data in files.items()}


def host(*groups: dict[str, Any], mountinfo: str = V2, mono: float = 100.0) -> Fake:
    files: dict[str, Any] = {"/proc/self/mountinfo": mountinfo, "/proc/meminfo": "MemTotal: 1000000 kB\n"}
    for group in groups:
        files.update(group)
    return Fake(files, clock=Clock(1.8e9 + mono, mono, mono))


def built(now: Fake, before: Fake | None = None, **more: Any) -> Cgroups:
    earlier = None if before is None else read.sample(before, read.EVERYTHING)
    return read.build(read.sample(now, read.EVERYTHING), earlier, **more)


def rows(now: Fake, before: Fake | None = None) -> dict[str, Cgroup]:
    return {row.path: row for row in built(now, before).cgroups}


SERVICE = "/system.slice/web.service"


def test_v2_over_a_second() -> None:
    slice_ = v2("/system.slice", memory_max="500000000\n", memory_current="300\n")
    shared = {"memory_current": "200\n", "memory_max": "max\n", "cpu_max": "50000 100000\n"}
    before = v2(SERVICE, pids="7\n8\n", usage=1_000_000, periods=100, throttled=10, **shared)
    before |= {f"{ROOT}{SERVICE}/memory.pressure": PSI.format(some=1_000_000, full=0)}
    now = v2(
        SERVICE,
        pids="7\n8\n",
        usage=1_400_000,
        periods=110,
        throttled=15,
        memory_events="oom 2\noom_kill 1\n",
        **shared,
    )
    now |= {f"{ROOT}{SERVICE}/memory.pressure": PSI.format(some=1_250_000, full=1_000)}
    found = rows(host(v2(""), slice_, now, mono=101.0), host(v2(""), slice_, before))
    row = found[SERVICE]
    assert (row.unit, row.name, row.container) == ("web.service", "web.service", "")
    assert (row.processes, row.processes_total) == (2, 2)
    assert (row.cpu_ratio, row.cpu_limit_ratio) == (0.4, 0.5)
    assert (row.throttled_periods, row.periods, row.throttled_ratio) == (5, 10, 0.5)
    assert (row.memory_current_bytes, row.memory_limit_bytes) == (200, "max")
    assert row.memory_effective_limit_bytes == 500_000_000
    assert row.oom_kills == 1
    assert (row.memory_some_avg10_ratio, row.memory_some_ratio) == (0.015, 0.25)
    assert (row.memory_full_avg10_ratio, row.memory_full_ratio) == (0.005, 0.001)
    assert (row.io_some_ratio, row.io_full_avg10_ratio) == (None, None)
    above = found["/system.slice"]
    assert (above.processes, above.processes_total, above.memory_limit_bytes) == (0, 2, 500_000_000)
    assert found["/"].memory_effective_limit_bytes == 1_024_000_000
    assert found["/"].cpu_limit_ratio is None


def v1(
    path: str,
    *,
    pids: str = "",
    usage_ns: int = 0,
    quota: int = -1,
    periods: int = 0,
    throttled: int = 0,
    limit: str = NONE,
    used: int = 0,
) -> dict[str, Any]:
    return {
        f"{ROOT}/cpu{path}/cgroup.procs": pids,
        f"{ROOT}/cpu{path}/cpu.stat": f"nr_periods {periods}\nnr_throttled {throttled}\nthrottled_time 5\n",
        f"{ROOT}/cpu{path}/cpu.cfs_quota_us": f"{quota}\n",
        f"{ROOT}/cpu{path}/cpu.cfs_period_us": "100000\n",
        f"{ROOT}/cpuacct{path}/cgroup.procs": pids,
        f"{ROOT}/cpuacct{path}/cpuacct.usage": f"{usage_ns}\n",
        f"{ROOT}/memory{path}/cgroup.procs": pids,
        f"{ROOT}/memory{path}/memory.usage_in_bytes": f"{used}\n",
        f"{ROOT}/memory{path}/memory.limit_in_bytes": limit,
        f"{ROOT}/memory{path}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    }


@pytest.mark.parametrize("mountinfo", [V1, V1 + UNIFIED])
def test_v1_and_hybrid_say_the_same_of_a_v1_group(mountinfo: str) -> None:
    unified = {f"{ROOT}/unified/cgroup.procs": "1\n", f"{ROOT}/unified/cpu.stat": "usage_usec 5\n"}
    path = "/docker/" + "4f5c0e8b9a1d2c3e" * 4
    before = v1(path, pids="7\n", usage_ns=10**9, quota=150_000, periods=5, throttled=0)
    now = v1(
        path,
        pids="7\n",
        usage_ns=11 * 10**8,
        quota=150_000,
        periods=15,
        throttled=9,
        limit="4096000\n",
        used=77,
    )
    parents = (v1("", pids="1\n"), v1("/docker"), unified)
    data = built(
        host(*parents, now, mountinfo=mountinfo, mono=101.0), host(*parents, before, mountinfo=mountinfo)
    )
    found = {row.path: row for row in data.cgroups}
    row = found[path]
    assert (row.container, row.engine, row.name) == ("4f5c0e8b9a1d", "docker", "4f5c0e8b9a1d")
    assert (row.cpu_ratio, row.cpu_limit_ratio, row.throttled_ratio) == (0.1, 1.5, 0.9)
    assert (row.memory_current_bytes, row.memory_limit_bytes, row.oom_kills) == (77, 4096000, 3)
    assert row.memory_effective_limit_bytes == 4096000
    assert (row.processes, found["/docker"].processes_total, found["/"].processes_total) == (1, 1, 2)
    assert found["/"].memory_limit_bytes == "max"
    assert found["/"].processes == 1
    assert row.cpu_some_avg10_ratio is None
    assert data.version == ("v1" if mountinfo == V1 else "hybrid")


def test_groups_of_containers_and_pods_go_by_their_names() -> None:
    pod = f"/kubepods/burstable/pod{POD}"
    groups = [v2("", pids="1\n"), v2("/kubepods"), v2("/kubepods/burstable"), v2(pod)]
    groups += [v2(f"{pod}/{ID}", pids="2\n"), v2(f"{pod}/{ID}/init.scope", pids="3\n"), v2(f"{pod}/{OTHER}")]
    found = rows(host(*groups, {f"/var/log/containers/api-7d9-x2_prod_api-{ID}.log": ""}))
    told = {path: (row.name, row.container_name, row.pod_name) for path, row in found.items()}
    assert told == {
        "/": ("/", "", ""),
        "/kubepods": ("kubepods", "", ""),
        "/kubepods/burstable": ("burstable", "", ""),
        pod: ("pod prod/api-7d9-x2", "", "prod/api-7d9-x2"),
        f"{pod}/{ID}": ("prod/api-7d9-x2/api", "prod/api-7d9-x2/api", "prod/api-7d9-x2"),
        f"{pod}/{ID}/init.scope": ("init.scope", "prod/api-7d9-x2/api", "prod/api-7d9-x2"),
        f"{pod}/{OTHER}": (OTHER[:12], None, "prod/api-7d9-x2"),
    }


def test_a_process_that_v1_puts_elsewhere_is_not_in_the_root_too() -> None:
    files = v1("", pids="1\n7\n") | {f"{ROOT}/memory/web/cgroup.procs": "7\n"}
    found = rows(host(files, mountinfo=V1))
    assert (found["/"].processes, found["/"].processes_total, found["/web"].processes) == (1, 2, 1)


def test_without_a_second_reading_there_are_no_rates() -> None:
    data = built(host(v2(""), v2("/a", usage=5, periods=5)))
    row = data.cgroups[1]
    assert (row.cpu_ratio, row.throttled_ratio, row.periods, data.window_s) == (None, None, None, None)


def test_a_counter_that_went_back_gives_no_rate() -> None:
    now = rows(host(v2("/a", usage=5, periods=3), mono=101.0), host(v2("/a", usage=9, periods=4)))
    assert (now["/a"].cpu_ratio, now["/a"].throttled_ratio) == (None, None)


def test_no_period_passed_is_no_share() -> None:
    now = rows(host(v2("/a", periods=4), mono=101.0), host(v2("/a", periods=4)))
    assert (now["/a"].throttled_ratio, now["/a"].periods) == (None, 0)


def test_parents_before_children_and_the_heaviest_sibling_first() -> None:
    groups = [
        v2("", memory_current="900000000"),
        v2("/a", memory_current="1000"),
        v2("/b", memory_current="500000000"),
        v2("/b/c", memory_current="1000"),
        v2("/b/d", memory_current="300000000"),
        v2("/c"),
    ]
    assert [row.path for row in built(host(*groups)).cgroups] == ["/", "/b", "/b/d", "/b/c", "/a", "/c"]


def test_empty_groups_are_left_out_and_counted() -> None:
    data = built(host(v2(""), v2("/a"), v2("/a/b", pids="7\n"), v2("/c")), empty=False)
    assert [row.path for row in data.cgroups] == ["/", "/a", "/a/b"]
    assert (data.total, data.empty) == (3, 1)


def test_a_group_removed_meanwhile_is_dropped() -> None:
    gone = {f"{ROOT}/gone/cpu.stat": "usage_usec 5\n", f"{ROOT}/gone/cgroup.procs": errno.ENODEV}
    assert "/gone" not in rows(host(v2(""), gone))


def test_a_threaded_group_has_no_list_of_processes() -> None:
    threaded = v2("/t", usage=5)
    threaded[f"{ROOT}/t/cgroup.procs"] = errno.EOPNOTSUPP
    reading = read.sample(host(v2("", pids="1\n"), threaded), read.EVERYTHING)
    assert {row.path: row.processes for row in read.build(reading).cgroups} == {"/": 1, "/t": None}
    assert reading.errors == []


def test_what_is_denied_is_null_and_noted() -> None:
    reading = read.sample(host(v2(""), v2("/a", memory_current=errno.EACCES)), read.EVERYTHING)
    assert read.build(reading).cgroups[1].memory_current_bytes is None
    assert [(type(error), error.what) for error in reading.errors] == [(Denied, f"{ROOT}/a/memory.current")]


def test_nonsense_costs_its_own_field() -> None:
    reading = read.sample(
        host(v2("", memory_current="lots", cpu_max="1 0\n", memory_pressure="x")), read.EVERYTHING
    )
    row = read.build(reading).cgroups[0]
    assert (row.memory_current_bytes, row.cpu_limit_ratio, row.memory_some_ratio) == (None, None, None)
    assert {type(error) for error in reading.errors} == {ParseError}


def test_no_hierarchy_at_all() -> None:
    with pytest.raises(Missing, match="no cgroup hierarchy"):
        read.sample(host(mountinfo="22 1 0:21 / /proc rw - proc proc rw\n"), read.EVERYTHING)


def test_only_what_is_asked_is_read() -> None:
    assert read.ask_for(["path", "processes"]) == read.Ask()
    assert read.ask_for(["oom_kills"]) == read.Ask(events=True)
    assert read.ask_for(["memory_working_set_bytes"]) == read.Ask(memory=True, stat=True)
    assert read.ask_for(["memory_full_avg10_ratio"]) == read.Ask(pressure=True)
    assert read.ask_for(Cgroup.__struct_fields__) == read.EVERYTHING
    data = read.build(read.sample(host(v2("", memory_current="5")), read.Ask()))
    assert not {"memory_current_bytes", "cpu_ratio"} & set(msgspec.to_builtins(data.cgroups[0]))


def test_triage_reads_once_who_is_in_a_group_and_how_it_is_limited() -> None:
    removed, kept = v2("/removed"), v2("/a", pids="5\n", cpu_max="50000 100000\n")
    counters = read.sample(host(v2(""), removed, kept), read.COUNTERS)
    assert "v2/cpu.stat" in counters.groups["/a"]
    assert not {"v2/cgroup.procs", "v2/cpu.max", "v2/pids.max"} & set(counters.groups["/a"])
    state = read.sample(host(v2(""), kept, v2("/made")), read.STATE)
    rows = {row.path: row for row in read.build(counters, None, state).cgroups}
    assert set(rows) == {"/", "/a", "/made"}
    assert (rows["/a"].processes, rows["/a"].cpu_limit_ratio, rows["/made"].oom_kills) == (1, 0.5, None)


def test_files_of_controllers_that_v2_has_not_are_not_looked_for() -> None:
    seen: set[str] = set()

    class Watched(Fake):
        def bulk(self, parent: str, entries: Any, files: Any, *, guarded: bool = False) -> Any:
            seen.update(files)
            return super().bulk(parent, entries, files, guarded=guarded)

    made = {**v2("", pids="1\n"), "/proc/self/mountinfo": V2, f"{ROOT}/cgroup.controllers": "memory\n"}
    row = read.build(read.sample(Watched(made), read.EVERYTHING)).cgroups[0]
    assert {"memory.max", "cpu.stat", "io.pressure", "cgroup.events"} <= seen
    assert not {"pids.max", "io.stat", "cpu.max", "cpuset.cpus"} & seen
    assert (row.pids, row.pids_limit, row.cpu_limit_ratio) == (None, None, None)


def test_every_field_beyond_the_name_is_on_demand() -> None:
    row = Cgroup("/", "/", "", "", "", "", 1, 1)
    asked = set().union(*files.FIELDS.values())
    assert asked == set(Cgroup.__struct_fields__) - set(msgspec.to_builtins(row))


def test_the_groups_that_hold_a_process() -> None:
    data = built(host(v2(""), v2("/a"), v2("/a/b"), v2("/ab")))
    assert [row.path for row in data.chain("/a/b")] == ["/a/b", "/a", "/"]
    assert [row.path for row in data.chain("/a/b/unknown")] == ["/a/b", "/a", "/"]


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "cpu.stat",
                "cpu.max",
                "memory.max",
                "memory.events",
                "cpu.pressure",
                "memory.current",
                "cgroup.procs",
            ]
        ),
        st.binary(max_size=80),
    )
)
def test_any_bytes_in_every_file(files: dict[str, bytes]) -> None:
    group = {f"{ROOT}/a/{name}": data for name, data in files.items()}
    group.setdefault(f"{ROOT}/a/cgroup.procs", b"")
    msgspec.json.encode(built(host(group, mono=101.0), host(group)))


class Counted(Fake):
    """Counts the files it is asked for in bulk."""

    asked = 0

    def bulk(self, parent, entries, files, *, guarded=False):
        self.asked += len(entries) * len(files)
        return super().bulk(parent, entries, files, guarded=guarded)


def crowd(kind: type[Fake] = Fake, mono: float = 100.0, usage: int = 0) -> Fake:
    """Two groups with processes, and a hundred without."""
    one = v2("/a", pids="7\n", usage=usage, memory_current="4096")
    below = v2("/b/c\udcff" if mono < 0 else "/b/c", pids="8\n", memory_current="1")
    groups = [v2(""), one, v2("/b", memory_current="2"), below, *(v2(f"/e{number}") for number in range(100))]
    found = host(*groups, mono=abs(mono))
    return kind(found._files, clock=found.clock())


def test_of_groups_without_processes_nothing_more_is_read_and_the_rest_is_the_same() -> None:
    now, before = crowd(Counted, 101.0, 500_000), crowd(Counted)
    lean = read.build(
        read.populated(now, read.EVERYTHING),
        read.populated(before, read.EVERYTHING.compared),
        empty=False,
    )
    assert lean == built(crowd(Fake, 101.0, 500_000), crowd(), empty=False)
    assert (lean.empty, [row.path for row in lean.cgroups]) == (100, ["/", "/a", "/b", "/b/c"])
    assert [row.cpu_ratio for row in lean.cgroups if row.path == "/a"] == [0.5]
    # who is in them, and all files of the four
    assert isinstance(now, Counted)
    assert now.asked < 104 + 4 * 60
    whole = crowd(Counted)
    read.sample(whole, read.EVERYTHING)
    assert isinstance(whole, Counted)
    assert whole.asked > 104 * 10


def test_a_group_whose_name_is_no_text_keeps_its_numbers() -> None:
    rows = read.build(read.populated(crowd(Fake, -100.0), read.EVERYTHING), empty=False).cgroups
    assert [row.memory_current_bytes for row in rows if row.path.endswith("xff")] == [1]


@pytest.mark.parametrize("part", files.FIELDS)
def test_an_earlier_reading_of_what_is_compared_gives_the_same_rates(part: str) -> None:
    ask = files.ask_for(files.FIELDS[part])
    now, before = read.sample(crowd(Fake, 101.0, 500_000), ask), crowd()
    assert read.build(now, read.sample(before, ask.compared)) == read.build(now, read.sample(before, ask))
