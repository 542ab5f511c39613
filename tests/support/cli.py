"""Run sretool as a user does: a process of its own, a clean environment, both streams kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from forked import server

NOBODY = 65534
ROOT = Path(__file__).resolve().parents[2]
CLEAN = {
    "TERM": "dumb",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": str(ROOT),  # the tree under test, whatever is installed
}


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    return {**kept, **CLEAN, **more}


@cache
def reachable() -> list[str]:
    """A prefix that lets any user run this interpreter. Where it, its venv or the clone lies below a
    directory closed to others (root's home), a private mount namespace shows an open empty directory
    in its place, with only those trees in it.
    """
    trees = [Path(path).resolve() for path in (sys.base_prefix, sys.prefix, ROOT)]
    hidden: dict[Path, Path] = {}
    for tree in trees:
        for parent in reversed([tree, *tree.parents]):
            if not parent.stat().st_mode & 0o001:
                hidden[tree] = parent
                break
    if not hidden:
        return []
    script = ["set -e", "umask 022", "mount -t tmpfs none /mnt"]
    for number, tree in enumerate(hidden):
        script.append(f"mkdir /mnt/{number}; mount --bind '{tree}' /mnt/{number}")
    script += [f"mount -t tmpfs -o mode=755 none '{closed}'" for closed in sorted(set(hidden.values()))]
    for number, tree in enumerate(hidden):
        script.append(f"mkdir -p '{tree}'; mount --bind /mnt/{number} '{tree}'")
    script += ["umount -l /mnt", 'exec "$@"']
    return ["unshare", "-m", "sh", "-c", "\n".join(script), "sh"]


def elsewhere(uid: int | None, netns: str | None) -> list[str]:
    """A prefix that runs a command as another user, in a network namespace."""
    argv = []
    if netns is not None:
        argv = ["ip", "netns", "exec", netns]
    if uid is not None:
        # setpriv drops groups and capabilities with the uid
        drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all"]
        argv += [*reachable(), *drop]
    return argv


def sretool(
    *args: object,
    uid: int | None = None,
    netns: str | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 60,
    **popen: Any,
) -> Outcome:
    """`python -m sretool ARGS`, as `uid` (65534 is nobody) and in network namespace `netns` when given."""
    if "SRETOOL_TEST_FORKED" in os.environ and not (uid or netns or env or popen):
        code, out, err = server(*environment().items()).run([*map(str, args)], environment(), timeout)
        return Outcome(code, *(stream.decode(errors="backslashreplace") for stream in (out, err)))
    argv = [sys.executable, "-m", "sretool", *map(str, args)]
    argv = [*elsewhere(uid, netns), *argv]
    popen.setdefault("cwd", "/")
    done = subprocess.run(
        argv,
        env=environment(**(env or {})),
        capture_output=True,
        timeout=timeout,
        text=True,
        errors="backslashreplace",
        stdin=subprocess.DEVNULL,
        check=False,
        **popen,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
