"""What every test gets: an environment that no terminal or CI setting leaks into."""

from __future__ import annotations

import os
import subprocess

import pytest

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
