"""What every test gets: an environment that no terminal or CI setting leaks into."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

import hypothesis
import pytest
import vm

# how long an example takes says how loaded this machine is, and nothing about the code
hypothesis.settings.register_profile("sretool", deadline=None)
hypothesis.settings.load_profile("sretool")

# a shell starts what it puts into the background with SIGINT ignored, and so would be our children
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LEAKING = [
    *("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "GITHUB_ACTIONS", "COLORTERM"),
    *("COLUMNS", "LINES", "TERMINAL_WIDTH", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LANG", "LC_CTYPE"),
]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LEAKING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TZ", "UTC")


def no_lab() -> str:
    """Why network namespaces cannot be built here; empty when they can. Root in a container often
    has not the capabilities for it.
    """
    if os.geteuid() != 0:
        return "needs root to build network namespaces"
    name = f"sretool-try-{os.getpid()}"
    try:
        subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True)
        try:
            subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True, capture_output=True)
            subprocess.run(["unshare", "-m", "true"], check=True, capture_output=True)
        finally:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"namespaces cannot be built here: {error}"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    labs = [item for item in items if "lab" in item.keywords]
    why = no_lab() if labs else ""
    for item in labs if why else []:
        item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def booted(request: pytest.FixtureRequest) -> Callable[[vm.Script], vm.Outcome]:
    """What a script left in its guest. All scripts of this session's tests that are for one image run
    in one boot of it, at the first question, in the order of the tests. One guest at a time: two on
    two cores starve each other until stock commands run out of time.
    """
    if vm.missing():
        pytest.skip(f"booting a guest needs {', '.join(vm.missing())}")
    marks = [mark for item in request.session.items for mark in item.iter_markers("vm")]
    scripts = {script.name: script for mark in marks for script in mark.args}
    left: dict[tuple[str, str], dict[str, vm.Outcome] | AssertionError] = {}

    def outcome(script: vm.Script) -> vm.Outcome:
        image = (script.release, script.kind)
        if image not in left:
            together = [other for other in scripts.values() if (other.release, other.kind) == image]
            together.sort(key=lambda other: not other.first)
            try:
                left[image] = vm.run(together)
            except AssertionError as error:
                left[image] = error
        found = left[image]
        if isinstance(found, AssertionError):
            raise found
        return found[script.name]

    return outcome


@pytest.fixture
def guest(request: pytest.FixtureRequest, booted: Callable[[vm.Script], vm.Outcome]) -> vm.Outcome:
    """What the script of the test's mark `vm(script)` left."""
    return booted(request.node.get_closest_marker("vm").args[0])
