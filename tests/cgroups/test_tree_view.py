"""The tree on a screen."""

from __future__ import annotations

from typing import Any

from sretool.cgroups.model import Cgroup, Cgroups
from sretool.cgroups.view import tree
from sretool.command import Look
from sretool.report.table import table_lines
from sretool.report.terminal import Terminal

ID = "4f5c0e8b9a1d"


def group(path: str, **more: Any) -> Cgroup:
    name = path.rpartition("/")[2] or "/"
    return Cgroup(
        **(
            {
                "path": path,
                "name": name,
                "unit": "",
                "container": "",
                "engine": "",
                "pod": "",
                "processes": 1,
                "processes_total": 1,
            }
            | more
        )
    )


def drawn(rows: list[Cgroup], fields: tuple[str, ...] = ("name",), columns: int | None = None) -> list[str]:
    look = Look(fields, Terminal(True, columns, 24, False, True), False)
    (table,) = tree(Cgroups(rows, len(rows), "v2"), look)
    return list(table_lines(table, columns, str))[1:]  # type: ignore[arg-type]


def test_branches() -> None:
    paths = [
        "/",
        "/system.slice",
        "/system.slice/a.service",
        "/system.slice/b.service",
        "/user.slice",
        "/user.slice/x",
    ]
    assert drawn([group(path) for path in paths]) == [
        "/",
        "├─system.slice",
        "│ ├─a.service",
        "│ └─b.service",
        "└─user.slice",
        "  └─x",
    ]


def test_a_container_goes_by_its_engine_and_short_id() -> None:
    rows = [
        group("/"),
        group("/docker", processes=0),
        group("/docker/" + "f" * 64, name=ID, container=ID, engine="docker"),
        group("/docker/" + "f" * 64 + "/init.scope", container=ID, engine="docker"),
    ]
    assert drawn(rows) == ["/", "└─docker", f"  └─docker {ID}", "    └─init.scope"]


def test_names_of_containers_and_pods() -> None:
    rows = [
        group("/"),
        group("/kubepods"),
        group("/kubepods/pod1", name="pod prod/api"),
        group("/kubepods/pod1/" + "f" * 64, name="prod/api/web", container=ID, engine="containerd"),
        group("/lxc/web", name="web", container="web", engine="lxc"),
    ]
    assert drawn(rows) == [
        "/",
        "├─kubepods",
        "│ └─pod prod/api",
        "│   └─containerd prod/api/web",
        "└─lxc web",
    ]


def test_another_order_shows_whole_paths() -> None:
    assert drawn([group("/b/c"), group("/"), group("/b")]) == ["/b/c", "/", "/b"]


def test_without_the_parents_what_is_left_stands_alone() -> None:
    assert drawn([group("/docker/a"), group("/docker/a/b"), group("/x")]) == ["a", "└─b", "x"]


def test_eighty_columns_keep_the_name_and_what_holds_a_group_back() -> None:
    from sretool.cgroups.commands import tree as command

    fields = command.spec.default_fields  # type: ignore[attr-defined]
    zero = dict.fromkeys((name for name in Cgroup.__struct_fields__ if name.endswith("_ratio")), 1.0)
    rows = [
        group("/"),
        group("/system.slice", **zero, memory_current_bytes=1 << 30, memory_limit_bytes="max", oom_kills=2),
    ]
    look = Look(fields, Terminal(True, 80, 24, False, True), False)
    (table,) = tree(Cgroups(rows, 2, "v2"), look)
    lines = list(table_lines(table, 80, str))  # type: ignore[arg-type]
    assert all(len(line) <= 80 for line in lines[:-1])
    for title in ("GROUP", "PROCS", "CPU", "THROT", "MEMORY", "LIMIT", "OOM"):
        assert title in lines[0]
