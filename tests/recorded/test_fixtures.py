"""Recordings of real booted hosts (tests/support/fixtures.py says how they were made), replayed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli import NOBODY, sretool

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
HEALTHY = RECORDINGS / "trixie-healthy.tar.gz"
STARVED = RECORDINGS / "trixie-starved-listener.tar.gz"

PASSIVE = [
    ("procs", "list"),
    ("cgroups", "tree"),
    ("sockets", "list"),
    ("sockets", "listen"),
    ("net", "routes"),
    ("net", "addrs"),
    ("triage",),
]


@pytest.mark.parametrize("recording", [HEALTHY, STARVED], ids=lambda path: path.name)
@pytest.mark.parametrize("words", PASSIVE, ids=" ".join)
def test_every_passive_command_answers_whole_from_a_booted_host(
    recording: Path, words: tuple[str, ...]
) -> None:
    done = sretool("--from", recording, *words, "--json")
    assert done.code in (0, 1, 2), done.err
    assert done.json["host"] == "vm-test"
    assert done.json["status"] == "ok", done.json["errors"]


def test_a_healthy_host_is_called_healthy() -> None:
    done = sretool("--from", HEALTHY, "triage", "--json")
    assert (done.code, done.json["findings"]) == (0, [])
    outcomes = {check["outcome"] for check in done.json["data"]["checks"]}
    assert outcomes <= {"clear", "not-applicable"}


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
