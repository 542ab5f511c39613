"""`sretool version`."""

from __future__ import annotations

import platform
from typing import Annotated

from msgspec import Meta, Struct

from sretool import __version__
from sretool.command import How, Look, Run, command
from sretool.report.answer import Answer
from sretool.report.table import Block, Lines

LIBRARIES = ("typer", "rich", "msgspec", "dnspython")


class Version(Struct):
    """What is installed."""

    version: Annotated[str, Meta(description="sretool's version")]
    python: Annotated[str, Meta(description="the interpreter's version")]
    kernel: Annotated[str, Meta(description="the running kernel's release")]
    libraries: Annotated[dict[str, str], Meta(description="version of every library sretool uses")]


def view(data: Version, look: Look) -> list[Block]:
    """One line a component."""
    rows = {"sretool": data.version, "python": data.python, "kernel": data.kernel, **data.libraries}
    return [Lines([f"{name:10} {value}" for name, value in rows.items()])]


@command(
    "version",
    view="sretool.version.cli:view",
    how=(How("uname -r", "the kernel's release"), How("python3 --version", "the interpreter")),
    examples=(("sretool version --json", "for a bug report"),),
)
def version(run: Run) -> Answer[Version]:
    """Show version, interpreter and libraries."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    libraries = {}
    for name in LIBRARIES:
        try:
            libraries[name] = installed(name)
        except PackageNotFoundError:
            libraries[name] = "missing"
    return Answer(data=Version(__version__, platform.python_version(), platform.release(), libraries))
