"""The JSON Schema of an answer: what a script may rely on, made from the types that are encoded."""

from __future__ import annotations

from typing import Any

import msgspec

from sretool.errors import ExitCode
from sretool.report.answer import Answer

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FAILED = {"type": "object", "maxProperties": 0, "description": "nothing: see errors"}


def document(name: str, title: str, data: Any, row: Any = None) -> dict[str, Any]:
    """The schema of the envelope `name` (`sretool.sockets.list/1`) around `data`.

    Within a major version keys are only added, so unknown keys are allowed everywhere. `row` is the
    type of a listing's rows: --fields narrows them, so none of their keys is required.
    """
    types = [Answer[data]] if row is None else [Answer[data], row]
    (envelope, *rows), definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    answer = definitions.pop(_name(envelope))
    for reference in rows:
        definitions[_name(reference)].pop("required", None)
    properties: dict[str, Any] = answer["properties"]
    properties["schema"] = {"const": name}
    properties["exit_code"] = {"enum": sorted(int(code) for code in ExitCode)}
    properties["data"] = {"anyOf": [{**properties["data"]}, FAILED]}
    return {
        "$schema": DIALECT,
        "$id": name,
        "title": title,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "$defs": definitions,
    }


def failure() -> dict[str, Any]:
    """The schema of the answer of a command line that names no command: errors, and no data."""
    schema = document("sretool.error/1", "sretool: an error before any command was run", dict[str, str])
    schema["properties"]["data"] = FAILED
    return schema


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rpartition("/")[2]
