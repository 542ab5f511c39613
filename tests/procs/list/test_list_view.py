"""Processes on a screen."""

from __future__ import annotations

from procfs import host, process

from sretool.command import Look
from sretool.procs.list import read
from sretool.procs.list.view import listing
from sretool.report.table import write
from sretool.report.terminal import Terminal

ID = "4f5c0e8b9a1d2c3e" * 4


def screen(*made: dict[str, object], fields: str, terminal: bool = False) -> list[str]:
    import io

    source = host(*made)
    data = read.build(read.sample(source, read.EVERYTHING))
    look = Look(tuple(fields.split(",")), Terminal(terminal, None, None, False, True), False)
    out = io.StringIO()
    write(listing(data, look), out, None, True)
    return out.getvalue().splitlines()[1:]


def test_the_unit_column_is_whose_it_is() -> None:
    made = [
        process(1, rss=9),
        process(2, rss=8, cgroup=f"0::/system.slice/docker-{ID}.scope\n"),
        process(3, rss=7, cgroup=f"0::/kubepods/pod{'a' * 32}/{ID}\n"),
        process(4, rss=6, cgroup="0::/\n"),
    ]
    shown = [line.split()[1] for line in screen(*made, fields="pid,unit")]
    assert shown == ["app.service", "docker:4f5c0e8b9a1d", "container:4f5c0e8b9a1d", "-"]
    assert screen(made[1], fields="unit,container")[0].split() == [f"docker-{ID}.scope", "4f5c0e8b9a1d"]


def test_a_directory_goes_on_a_terminal_only() -> None:
    made = process(1, cmdline=b"/usr/bin/app\0/etc/app.conf\0")
    assert screen(made, fields="command") == ["/usr/bin/app /etc/app.conf"]
    assert screen(made, fields="command", terminal=True) == ["app /etc/app.conf"]
    title = process(1, cmdline=b"nginx: master process /usr/sbin/nginx\0")
    assert screen(title, fields="command", terminal=True) == ["nginx: master process /usr/sbin/nginx"]


def test_who_has_no_arguments_goes_by_its_name() -> None:
    assert screen(process(1, comm=b"kworker/0:1", cmdline=b""), fields="command") == ["[kworker/0:1]"]


def test_states_as_letters_and_users_without_names_as_numbers() -> None:
    source = host(
        process(1, state=b"K"), process(2, state=b"I", rss=1), uids={1: 4321}, facts={"user 4321": None}
    )
    data = read.build(read.sample(source, read.EVERYTHING))
    (table,) = listing(data, Look(("state", "user"), Terminal(False, None, None, False, True), False))
    assert [[column.cell(row) for column in table.columns] for row in data.processes] == [  # type: ignore[union-attr]
        ["unknown-K", "4321"],
        ["I", "root"],
    ]
