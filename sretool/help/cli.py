"""`sretool help`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer
from msgspec import Meta, Struct

from sretool.command import How, Look, Run, command
from sretool.report.answer import Answer
from sretool.report.table import Block, Lines


class Help(Struct):
    """The help of a command or a group."""

    command: Annotated[str, Meta(description="what was asked about: `sretool sockets list`")]
    text: Annotated[str, Meta(description="the same text that --help prints")]


def view(data: Help, look: Look) -> list[Block]:
    """The text as it is."""
    return [Lines(data.text.splitlines())]


@command(
    "help",
    view="sretool.help.cli:view",
    how=(How("man sretool", "the same as a manual page, one for every command"),),
    examples=(
        ("sretool help", "what there is"),
        ("sretool help sockets list", "the same as sretool sockets list --help"),
    ),
)
def help_(
    run: Run,
    ctx: typer.Context,
    words: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="COMMAND…", help="The words of a command or group. Without: all of them."),
    ] = None,
) -> Answer[Help]:
    """Show the help of a command."""
    from sretool.command.find import find

    found = find(ctx, words or ())
    return Answer(data=Help(found.command_path, found.command.get_help(found)))
