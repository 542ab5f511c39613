"""Every command of the manifest, and arguments with which a test may run it on any machine.

A command that needs arguments and is not in `ARGUMENTS` fails the tests that walk over all commands:
a new one is added here. Nothing here may send a packet beyond this host.
"""

from __future__ import annotations

from pathlib import Path

from tools.gen import walk

COMMANDS = {" ".join(command.words): command for command in walk.commands()}
GROUPS = [" ".join(branch.words) for branch in walk.branches()]

# {tmp} is the test's own directory, {recording} a recording of this host made by the test
ARGUMENTS: dict[str, list[str]] = {
    "procs show": ["1"],
    "procs why": ["1"],
    "cgroups show": ["/"],
    "sockets show": [":5398"],  # tests/contract/conftest.py holds one there
    "net route": ["127.0.0.1"],
    "net trace": ["127.0.0.1"],
    "net mtu": ["127.0.0.1"],
    "dns trace": ["example.test", "--hints", "{tmp}/hints", "--port", "5399", "--timeout", "0.2"],
    "snapshot save": ["{tmp}/made.tar.gz"],
    "snapshot show": ["{recording}"],
    "snapshot diff": ["{tmp}/before", "{tmp}/after"],
    "checks explain": ["cpu.saturation"],
    "schema": ["version"],
    "help": ["version"],
}
# root hints that lead nowhere but to this host
HINTS = ".                3600000 NS    a.root.test.\na.root.test.     3600000 A     127.0.0.53\n"
# two saved answers that differ in one row
ANSWERS = {
    "before": '{"schema": "sretool.net.routes/1", "data": {"routes": [{"dst": "default", "dev": "eth0"}]}}',
    "after": '{"schema": "sretool.net.routes/1", "data": {"routes": [{"dst": "default", "dev": "eth1"}]}}',
}


ONE_READING = {"sockets list", "net trace"}
"""They take --sample, and more than one reading only when they are watched, followed or report."""


def takes(words: str, option: str) -> bool:
    """Whether the command has this flag."""
    return any(option in param.flags for param in COMMANDS[words].params)


def passive() -> list[str]:
    """Commands that --from works on."""
    return [words for words in COMMANDS if takes(words, "--from")]


def line(words: str, tmp: Path, recording: Path | None = None) -> list[str]:
    """A command line for `words` that ends soon: its arguments, and one reading where it would take two."""
    given = ARGUMENTS.get(words, [])
    needed = [param.metavar for param in COMMANDS[words].params if param.argument and param.required]
    assert given or not needed, f"sretool {words} needs {needed}: add it to ARGUMENTS in {__file__}"
    if "{tmp}/hints" in given:
        (tmp / "hints").write_text(HINTS)
    if words == "snapshot diff":
        for name, text in ANSWERS.items():
            (tmp / name).write_text(text)
    filled = [part.format(tmp=tmp, recording=recording) for part in given]
    return [*words.split(), *filled, *(["--sample", "0"] if takes(words, "--sample") else [])]
