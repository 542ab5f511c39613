"""Crontabs: which line started a command (crontab(5), cron(8) of Debian and cronie)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

SYSTEM = "/etc/crontab"
DIRECTORY = "/etc/cron.d"
SPOOLS = ("/var/spool/cron/crontabs", "/var/spool/cron", "/var/spool/cron/tabs")
_VARIABLE = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*\s*=")


class Entry(NamedTuple):
    """One job. `number` counts lines from 1."""

    path: str
    number: int
    schedule: str
    user: str
    command: str


def entries(path: str, raw: bytes) -> Iterator[Entry]:
    """The jobs of one crontab; those of the system have a column for the user, a user's own has not."""
    system = path == SYSTEM or path.startswith(DIRECTORY + "/")
    for number, line in enumerate(raw.decode("utf-8", "backslashreplace").split("\n"), 1):
        text = line.strip()
        if not text or text.startswith("#") or _VARIABLE.match(text):
            continue
        times = 1 if text.startswith("@") else 5
        words = text.split(None, times + system)
        if len(words) < times + system + 1:
            continue
        user = words[times] if system else path.rpartition("/")[2]
        # an unescaped % ends the command, what follows is its input
        command = re.split(r"(?<!\\)%", words[-1])[0].replace("\\%", "%").strip()
        yield Entry(path, number, " ".join(words[:times]), user, command)


def match(tabs: Mapping[str, bytes], commands: Sequence[Sequence[str]], user: str | None) -> list[Entry]:
    """The jobs that can have started one of `commands` (argvs, the job's own shell first): the whole
    line as the shell was given it, else the same words, else a line that names the program by its path.
    """
    jobs = [entry for path in sorted(tabs) for entry in entries(path, tabs[path])]
    if user is not None:
        jobs = [job for job in jobs if job.user in (user, "")] or jobs
    shells = {argv[2].strip() for argv in commands if len(argv) > 2 and argv[1] == "-c"}
    if found := [job for job in jobs if job.command in shells]:
        return found
    for argv in commands:
        if found := [job for job in jobs if _words(job.command) == list(argv)]:
            return found
    programs = {word for argv in commands for word in argv[:2] if word.startswith("/")}
    folders = {word.rpartition("/")[0] for word in programs}
    return [
        job
        for job in jobs
        if programs.intersection(_words(job.command))
        or ("run-parts" in job.command and folders.intersection(_words(job.command)))
    ]


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()
