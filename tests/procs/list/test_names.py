"""Containers by the names people know them by, in rows, filters, the table and findings."""

from __future__ import annotations

from typing import Any

import msgspec
from engine_replies import DOCKER_REPLY, ID, OTHER, OTHER_SHORT, SHORT
from procfs import host, process

from sretool.host import engines
from sretool.host.fake import Fake
from sretool.procs.list import read
from sretool.procs.list.checks import fd_limit
from sretool.procs.list.filters import Selection
from sretool.procs.list.model import Process
from sretool.report.check import judge

POD = "5f3c1c0e-8f6b-4a52-9d2d-0c5e1f6a7b8c"
LOG = f"/var/log/containers/api-7d9-x2_prod_api-{OTHER}.log"
DOCKER = {f"engine docker {engines.DOCKER_SOCKET}": DOCKER_REPLY}
ALL = (
    process(1, cgroup=f"0::/system.slice/docker-{ID}.scope\n"),
    process(2, cgroup=f"0::/kubepods/burstable/pod{POD}/{OTHER}\n"),
    process(3, cgroup="0::/system.slice/ssh.service\n"),
    process(4, cgroup="0::/lxc.payload.web\n"),
    process(5, cgroup=f"0::/docker/{'9' * 64}\n"),
)


def rows(source: Fake, ask: read.Ask = read.EVERYTHING) -> dict[int, Process]:
    now = read.sample(source, ask)
    return {row.pid: row for row in read.build(now).processes}


def test_names_pods_namespaces_and_images() -> None:
    found = rows(host(*ALL, facts=DOCKER, **{LOG: ""}))
    told: dict[int, tuple[Any, ...]] = {
        pid: (row.container, row.container_name, row.pod_name, row.namespace, row.image)
        for pid, row in found.items()
    }
    assert told == {
        1: (SHORT, "shop-web-1", "", "", "nginx:1.27"),
        2: (OTHER_SHORT, "prod/api-7d9-x2/api", "api-7d9-x2", "prod", None),
        3: ("", "", "", "", ""),
        4: ("web", "web", None, None, None),
        5: ("9" * 12, None, None, None, None),
    }


def test_names_may_be_all_that_is_asked() -> None:
    found = rows(host(*ALL, facts=DOCKER), read.ask_for(["container_name"]))
    assert (found[1].container_name, found[1].container) == ("shop-web-1", msgspec.UNSET)


def test_a_host_without_containers_asks_no_engine() -> None:
    class Strict(Fake):
        def fact(self, name: str, *args: str) -> bytes:
            assert not name.startswith("engine")
            return super().fact(name, *args)

    source = Strict(dict(ALL[2]), facts={})
    read.sample(source, read.ask_for(["container_name"]))


def test_a_container_by_id_or_name() -> None:
    def kept(wanted: str) -> list[int]:
        select = Selection(container=wanted)
        now = read.sample(host(*ALL, facts=DOCKER, **{LOG: ""}), read.ask_for(select.fields))
        return sorted(row.pid for row in read.build(now, None, select.keeps).processes)

    assert kept(SHORT[:5]) == kept("shop-web-1") == kept("shop*") == [1]
    assert kept("api") == kept("prod/*") == [2]
    assert kept("web") == [1, 4]
    assert kept("ssh") == []


def test_a_finding_names_the_container() -> None:
    crowded = process(1, cgroup=f"0::/system.slice/docker-{ID}.scope\n", limit="4")
    source = host(crowded, fds={1: 4}, facts=DOCKER)
    data = read.build(read.sample(source, read.TRIAGE))
    (_, (finding,)) = next(iter(judge((fd_limit,), data)))
    assert finding.subject.unit == "shop-web-1"
