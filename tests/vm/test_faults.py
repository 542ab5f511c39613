"""Every check on a booted host: silent while it is healthy, and named when its fault is made there."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from faults import Fault, healthy, script, together
from vm import Outcome

RELEASES = ("trixie", "bookworm")


def cases() -> list[Any]:
    return [
        pytest.param(made, fault, check, marks=pytest.mark.vm(script(made, release)), id=f"{release}-{check}")
        for release in RELEASES
        for made in together(release)
        for fault in made
        for check in fault.checks
    ]


def well(when: str) -> list[Any]:
    return [pytest.param(marks=pytest.mark.vm(healthy(release, when)), id=release) for release in RELEASES]


def answer(guest: Outcome) -> Any:
    assert "answer.json" in guest.files, f"{guest.code} {guest.out}{guest.err}"
    assert not guest.files["answer.err"], guest.files["answer.err"].decode()
    return json.loads(guest.files["answer.json"])


def assert_healthy(guest: Outcome) -> None:
    document = answer(guest)
    assert document["findings"] == []
    assert (document["status"], document["errors"], guest.code) == ("ok", [], 0)


@pytest.mark.parametrize((), well("before"))
def test_a_healthy_host_is_called_healthy(guest: Outcome) -> None:
    assert_healthy(guest)


@pytest.mark.parametrize(("made", "fault", "check"), cases())
def test_a_fault_is_found(made: list[Fault], fault: Fault, check: str, guest: Outcome) -> None:
    document = answer(guest)
    subject = fault.header["subject"]
    found = [
        finding
        for finding in document["findings"]
        if finding["id"] == check
        and any(fnmatchcase(finding["subject"].get(key) or "", subject) for key in ("id", "name", "unit"))
    ]
    assert found, (subject, document["findings"], document["data"]["checks"], guest.err)
    for finding in document["findings"]:
        assert finding["id"] in {other for one in made for other in one.checks}
        assert finding["evidence"]
        assert finding["summary"]
    assert found[0]["severity"] == fault.header.get("severity", found[0]["severity"])
    assert guest.code == document["exit_code"]
    assert guest.code == {"critical": 2, "warning": 1, "info": 0}[document["findings"][0]["severity"]]


@pytest.mark.parametrize((), well("after"))
def test_a_healed_host_is_called_healthy(guest: Outcome) -> None:
    assert_healthy(guest)
