"""The one walker: manifests -> commands -> parameters and fields. Everything generated reads this.

Reads functions, `inspect.signature` and typer's OptionInfo and ArgumentInfo: these are the same on
every typer we allow and on Python 3.10 to 3.13, which the parsed command objects are not.
"""

from __future__ import annotations

import enum
import inspect
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Union

import msgspec
import typer
from typer.models import ArgumentInfo, OptionInfo

from sretool.cli import ROOT
from sretool.command.options import SHARED
from sretool.command.spec import Spec
from sretool.manifest import Group, resolve


class Param(NamedTuple):
    """One option or argument of one command."""

    name: str
    flags: tuple[str, ...]
    metavar: str
    takes_value: bool
    choices: tuple[str, ...]
    default: str
    required: bool
    multiple: bool
    help: str
    shared: bool
    hidden: bool

    @property
    def about(self) -> str:
        """Its help, and its default where there is one to name."""
        return f"{self.help} Default: {self.default}." if self.default and self.takes_value else self.help

    @property
    def argument(self) -> bool:
        """Given by its place, not by a flag."""
        return not self.flags


class Field(NamedTuple):
    """One key of an answer's data; keys of an inner object are `outer.inner`."""

    name: str
    type: str
    description: str


class Command(NamedTuple):
    """One command as the user meets it."""

    words: tuple[str, ...]
    help: str
    about: str
    params: tuple[Param, ...]
    spec: Spec

    @property
    def line(self) -> str:
        """What the user types: `sretool sockets list`."""
        return " ".join(("sretool", *self.words))

    @property
    def usage(self) -> str:
        """`sretool net trace [OPTIONS] HOST`."""
        places = [p.metavar if p.required else f"[{p.metavar}]" for p in self.params if p.argument]
        return " ".join((self.line, "[OPTIONS]", *places))


class Branch(NamedTuple):
    """A group as the user meets it; `words` is empty for sretool itself."""

    words: tuple[str, ...]
    help: str
    sections: dict[str, dict[str, str]]


def branches() -> Iterator[Branch]:
    """Every group, the root first."""
    for words, line, found in _walk((), "", ROOT):
        if isinstance(found, Group):
            sections = {
                title: {name: entry.help for name, entry in entries.items()}
                for title, entries in found.sections.items()
            }
            yield Branch(words, line or found.help, sections)


def commands() -> Iterator[Command]:
    """Every command, in the order of the help."""
    for words, line, found in _walk((), "", ROOT):
        if not isinstance(found, Group):
            about = inspect.cleandoc(found.spec.function.__doc__ or "")
            yield Command(words, line, about, tuple(_params(found)), found.spec)


def shared_options() -> list[Param]:
    """Every option that means the same in every command, once, in the order of the help."""
    found = {param.name: param for command in commands() for param in command.params if param.shared}
    return [found[name] for name in SHARED if name in found]


def _walk(words: tuple[str, ...], help: str, found: Any) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    yield words, help, found
    if isinstance(found, Group):
        for name, entry in found.entries.items():
            yield from _walk((*words, name), entry.help, resolve(entry.target))


def _params(function: Any) -> Iterator[Param]:
    for name, parameter in inspect.signature(function).parameters.items():
        base, info = _unwrap(parameter.annotation)
        if base is typer.Context:
            continue
        flags, negative = _flags(info)
        inner, multiple = _element(base)
        choices: tuple[str, ...] = ()
        if isinstance(inner, type) and issubclass(inner, enum.Enum):
            choices = tuple(str(member.value) for member in inner)
        elif typing.get_origin(inner) is typing.Literal:
            choices = tuple(map(str, typing.get_args(inner)))
        default = parameter.default
        required = default is inspect.Parameter.empty or default is ...
        yield Param(
            name=name,
            flags=(*flags, *negative),
            metavar=info.metavar or "|".join(choices) or (_metavar(name, inner) if inner is not bool else ""),
            takes_value=inner is not bool or not flags,
            choices=choices,
            default="" if required or default in (None, False) else _shown(default),
            required=required,
            multiple=multiple,
            help=info.help or "",
            shared=name in SHARED and flags != () and set(flags) <= set(_flags(_shared_info(name))[0]),
            hidden=bool(info.hidden),
        )


def _unwrap(annotation: Any) -> tuple[Any, Any]:
    # get_type_hints on Python 3.10 wraps a parameter with `= None` as Optional[Annotated[…]]
    if typing.get_origin(annotation) in (Union, types.UnionType):
        for inner in typing.get_args(annotation):
            if typing.get_origin(inner) is Annotated:
                annotation = inner
    if typing.get_origin(annotation) is not Annotated:
        return annotation, None
    base, *marks = typing.get_args(annotation)
    found = [mark for mark in marks if isinstance(mark, (OptionInfo, ArgumentInfo))]
    if len(found) != 1:
        raise TypeError(f"{annotation}: not one typer.Option or typer.Argument")
    return base, found[0]


def _flags(info: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if isinstance(info, ArgumentInfo):
        return (), ()
    # inside Annotated, typer.Option("-w", "--watch") keeps the first flag as its `default`
    first = info.default if isinstance(info.default, str) else None
    given = [flag for flag in (first, *(info.param_decls or ())) if flag is not None]
    positive = [flag.partition("/")[0].strip() for flag in given]
    negative = [flag.partition("/")[2].strip() for flag in given if "/" in flag]
    return tuple(flag for flag in positive if flag.startswith("-")), tuple(negative)


def _shared_info(name: str) -> Any:
    return SHARED[name][0].__metadata__[0]


def _element(base: Any) -> tuple[Any, bool]:
    """(the type of one value, whether it may be given more than once)."""
    if typing.get_origin(base) in (Union, types.UnionType):
        base = next(arg for arg in typing.get_args(base) if arg is not type(None))
    if typing.get_origin(base) is list:
        return typing.get_args(base)[0], True
    return base, False


def _metavar(name: str, kind: Any) -> str:
    return {int: "N", float: "S"}.get(kind, name.strip("_").upper())


def _shown(default: Any) -> str:
    if isinstance(default, enum.Enum):
        return str(default.value)
    return f"{default:g}" if isinstance(default, float) else str(default)


def fields(data: Any) -> list[Field]:
    """Every key of a struct, and of the structs in it as `outer.inner`."""
    return list(_fields(data, "", None, ()))


def row_fields(spec: Spec) -> list[Field]:
    """Every key of a listing's rows, none when the command is no listing."""
    return [] if spec.row is None else fields(spec.row)


def beside_rows(spec: Spec) -> list[Field]:
    """Every key of an answer's data but those of its rows."""
    return list(_fields(spec.data, "", spec.row, ()))


def _fields(struct: Any, prefix: str, skip: Any, above: tuple[Any, ...]) -> Iterator[Field]:
    hints = typing.get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        hint = hints[field.name]
        description = ""
        if typing.get_origin(hint) is Annotated:
            hint, *marks = typing.get_args(hint)
            description = next((m.description for m in marks if isinstance(m, msgspec.Meta)), None) or ""
        name = prefix + field.encode_name
        yield Field(name, type_text(hint), description)
        for inner in _structs(hint):
            if inner is not skip and inner not in above:
                yield from _fields(inner, f"{name}.", None, (*above, inner))


def _structs(hint: Any) -> Iterator[Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for inner in typing.get_args(hint):
        yield from _structs(inner)


_WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", Any: "any", type(None): "null"}


def type_text(hint: Any) -> str:
    """A type in words: `list of text`, `integer or null`."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return type_text(args[0])
    if origin in (Union, types.UnionType):
        words = [type_text(arg) for arg in args if arg is not msgspec.UnsetType]
        return " or ".join(sorted(words, key=lambda word: word == "null"))
    if origin in (list, tuple):
        return f"list of {type_text(args[0])}"
    if origin is dict:
        return f"object of {type_text(args[1])}"
    if origin is typing.Literal:
        return " or ".join(map(str, args))
    if hint in _WORDS:
        return _WORDS[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return " or ".join(str(member.value) for member in hint)
    return "object"
