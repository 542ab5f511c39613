"""Recordings of real booted hosts (tests/support/fixtures.py says how they were made), replayed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli import NOBODY, sretool

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
HEALTHY = RECORDINGS / "trixie-healthy.tar.gz"
OLDER = RECORDINGS / "bookworm-healthy.tar.gz"
STARVED = RECORDINGS / "trixie-starved-listener.tar.gz"
FAULTY = RECORDINGS / "trixie-faulty.tar.gz"
ENGINES = RECORDINGS / "trixie-engines.tar.gz"

PASSIVE = [
    ("procs", "list"),
    ("procs", "show", "1"),
    ("procs", "why", "1"),
    ("procs", "oom"),
    ("procs", "deleted"),
    ("cgroups", "tree"),
    ("cgroups", "top"),
    ("cgroups", "show", "init.scope"),
    ("sockets", "list"),
    ("sockets", "list"),
    ("sockets", "list", "--unix", "--netlink", "--packet"),
    ("sockets", "listen"),
    ("sockets", "summary"),
    ("sockets", "summary", "--by", "peer"),
    ("net", "links"),
    ("net", "addrs"),
    ("net", "neigh"),
    ("net", "routes"),
    ("net", "route", "127.0.0.1"),
    ("net", "rules"),
    ("net", "nexthops"),
    ("net", "qdisc"),
    ("net", "conntrack"),
    ("net", "softnet"),
    ("triage",),
]


@pytest.mark.parametrize("recording", [HEALTHY, OLDER, STARVED, FAULTY, ENGINES], ids=lambda path: path.name)
def test_every_passive_command_answers_whole_from_a_booted_host(recording: Path) -> None:
    for words in PASSIVE:
        done = sretool("--from", recording, *words, "--json")
        assert done.code in (0, 1, 2), (words, done.err)
        assert done.json["host"] == "vm-test"
        assert (done.json["status"], done.json["errors"]) == ("ok", []), words


@pytest.mark.parametrize("recording", [HEALTHY, OLDER], ids=lambda path: path.name)
def test_a_healthy_host_is_called_healthy(recording: Path) -> None:
    done = sretool("--from", recording, "triage", "--json")
    assert (done.code, done.json["findings"]) == (0, [])
    assert not [check["id"] for check in done.json["data"]["checks"] if check["outcome"] == "unknown"]


def data(recording: Path, *words: str) -> Any:
    return sretool("--from", recording, *words, "--json").json["data"]


def test_a_host_with_many_faults_is_told_them_all() -> None:
    found = {
        finding["id"]: finding["subject"]
        for finding in sretool("--from", FAULTY, "triage", "--json").json["findings"]
    }
    assert found["cgroup.oom-kill"]["id"] == "/shop.slice"
    assert found["cgroup.pids-max"]["unit"] == "forks.service"
    assert found["memory.oom-kill"]["id"] == "host"
    assert found["units.restart-loop"]["unit"] == "crash.service"


def test_kills_are_blamed_on_the_slice_above_the_unit() -> None:
    oom = data(FAULTY, "procs", "oom")
    assert len(oom["kills"]) == oom["kills_logged"] == oom["kills_total"] >= 2
    for kill in oom["kills"]:
        assert (kill["unit"], kill["level"], kill["limit_cgroup"]) == ("cart.service", "above", "/shop.slice")
        assert kill["limit_bytes"] == 60 << 20
    (memory,) = [
        limit
        for limit in data(FAULTY, "procs", "show", "cart.service")["group"]["limits"]
        if limit["resource"] == "memory"
    ]
    assert (memory["path"], memory["limit"], memory["own_limit"]) == ("/shop.slice", 60 << 20, "max")


def test_a_deleted_log_is_found_with_the_unit_that_holds_it() -> None:
    (holder,) = data(FAULTY, "procs", "deleted")["holders"]
    assert (holder["unit"], holder["path"], holder["fd"]) == ("cart.service", "/var/tmp/app.log", 7)
    assert holder["space_bytes"] == 30 << 20


def test_why_a_unit_runs_and_why_another_does_not() -> None:
    cart = data(FAULTY, "procs", "why", "cart.service")
    assert (cart["comm"], cart["cause"], cart["comes_back"]) == ("sh", "systemd", False)
    crash = sretool("--from", FAULTY, "procs", "why", "crash.service")
    assert crash.code == 3
    assert "has no process" in crash.err
    assert "it was restarted" in crash.err


def test_containers_have_the_names_their_engines_gave_them() -> None:
    names = {row["container_name"]: row for row in data(ENGINES, "procs", "list")["processes"]}
    assert {"web", "db", "cache"} <= set(names)
    assert names["db"]["pod_name"] == "data"
    cache = data(ENGINES, "cgroups", "show", "cache")["cgroup"]
    assert (cache["memory_limit_bytes"], cache["pids_limit"]) == (32 << 20, 20)
    web = data(ENGINES, "procs", "why", "web")
    assert web["command"] == "sleep 9001"
    assert any("shop" in link["says"] for link in web["links"])


def test_a_full_accept_queue_is_blamed_on_the_quota_that_fills_it() -> None:
    done = sretool("--from", STARVED, "triage", "--json", uid=NOBODY)
    assert done.code == 2
    worst = done.json["findings"][0]
    assert (worst["id"], worst["severity"]) == ("join.accept-queue-starved", "critical")
    assert worst["subject"]["id"] == "127.0.0.1:8080"
    assert worst["subject"]["unit"] == "app.service"
    assert "app.service" in worst["remedy"]
    # the join tells it all: the plain finding, whose remedy would mislead, is not repeated
    assert "tcp.accept-queue-overflow" not in {finding["id"] for finding in done.json["findings"]}


def test_units_of_a_systemd_host_are_known() -> None:
    rows = sretool("--from", STARVED, "procs", "list", "--json").json["data"]["processes"]
    unit_of = {row["comm"]: row["unit"] for row in rows}
    assert unit_of["systemd-journal"] == "systemd-journald.service"
    [app] = [row for row in rows if row["unit"] == "app.service"]
    assert 0.01 < app["cpu_ratio"] < 0.2  # its quota is 5 % of one CPU
    [group] = [
        row
        for row in sretool("--from", STARVED, "cgroups", "tree", "--json").json["data"]["cgroups"]
        if row["path"] == "/system.slice/app.service"
    ]
    assert group["throttled_ratio"] > 0.9
    [listener] = sretool("--from", STARVED, "sockets", "listen", "--json").json["data"]["listeners"]
    assert (listener["unit"], listener["pid"]) == ("app.service", app["pid"])


def test_sockets_listen_judges_by_the_thresholds_it_was_given() -> None:
    def answer(*more: str) -> tuple[str, dict[str, float]]:
        document = sretool("--from", STARVED, "sockets", "listen", "--json", *more).json
        found = next(row for row in document["findings"] if row["id"].startswith("tcp.accept-queue"))
        [check] = [row for row in document["data"]["checks"] if row["id"] == found["id"]]
        return found["severity"], check["overrides"]

    assert answer() == ("critical", {})
    given = "tcp.accept-queue-overflow.critical_per_s"
    assert answer("--set", f"{given}=1000000") == ("warning", {"critical_per_s": 1_000_000})
    refused = sretool("--from", STARVED, "sockets", "listen", "--set", "no.such=1")
    assert (refused.code, "no check is named" in refused.err) == (64, True)


def test_an_answer_about_a_recording_never_names_this_host() -> None:
    done = sretool("--from", RECORDINGS / "no-such.tar.gz", "triage", "--json")
    assert (done.code, done.json["host"], done.json["status"]) == (64, "", "error")
