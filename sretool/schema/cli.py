"""`sretool schema`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Optional

import typer
from msgspec import Meta, Struct

from sretool.command import How, Look, Run, command
from sretool.errors import UsageError
from sretool.report.answer import Answer
from sretool.report.table import Block, Lines


class Schema(Struct):
    """A command's schema."""

    command: Annotated[str, Meta(description="the command's words; empty for the answer of a failure")]
    schema: Annotated[dict[str, Any], Meta(description="the JSON Schema (2020-12) of its answer")]


def view(data: Schema, look: Look) -> list[Block]:
    """The schema itself, as a document: what a validator reads. ASCII, whatever the locale."""
    return [Lines(json.dumps(data.schema, indent=2).splitlines())]


@command(
    "schema",
    view="sretool.schema.cli:view",
    how=(
        How(
            "jq -r .schema answer.json",
            "which schema an answer names; `sretool schema` prints it from the types that are encoded",
        ),
    ),
    examples=(
        ("sretool schema sockets list", "the schema itself, one JSON document"),
        ("sretool schema sockets list --json", "the same inside the usual envelope, as data.schema"),
        ("sretool schema", "that of an error before any command was run"),
    ),
)
def schema(
    run: Run,
    ctx: typer.Context,
    words: Annotated[
        Optional[list[str]],
        typer.Argument(metavar="COMMAND…", help="The command's words. Without: the answer of a failure."),
    ] = None,
) -> Answer[Schema]:
    """Print the JSON Schema of a command's answer."""
    from sretool.command.find import find
    from sretool.report.schema import document, failure

    if not words:
        return Answer(data=Schema("", failure()))
    found = find(ctx, words)
    spec = getattr(found.command, "spec", None)
    if spec is None:
        names = ", ".join(found.command.group.entries)
        raise UsageError(found.command_path, "is a group, not a command", f"its commands are {names}")
    made = document(spec.schema, f"sretool {spec.words}", spec.data, spec.row)
    return Answer(data=Schema(spec.words, made))
