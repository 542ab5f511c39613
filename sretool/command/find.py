"""A command found by its words, for the commands that speak about commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from sretool.errors import UsageError


def find(ctx: typer.Context, words: Sequence[str]) -> Any:
    """The context of the command or group that `words` name below the root of `ctx`; its `command`
    has a `spec` when it is a command.

    Raises:
        UsageError: there is none; the hint names the nearest.
    """
    here: Any = ctx.find_root()
    for word in words:
        if not hasattr(here.command, "group"):
            raise UsageError(
                f"{here.command_path} {word}", "no such command", f"{here.command_path} is one command"
            )
        _, command, _ = here.command.resolve_command(here, [word])
        here = command.context_class(command, info_name=word, parent=here, **command.context_settings)
    return here
