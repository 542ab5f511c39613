"""The root command. Groups and commands load lazily from manifests of strings."""

from __future__ import annotations

import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sretool.errors import ExitCode, SretoolError, UsageError
from sretool.manifest import Entry, Group, resolve

ROOT = Group(
    "What is wrong with this host, with evidence and the next step.",
    {
        "Start here": {
            "triage": Entry("sretool.triage.cli:triage", "Say what is wrong with this host, worst first."),
        },
        "Look closer (nothing is sent, nothing is changed)": {
            "procs": Entry("sretool.procs.cli:GROUP", "Processes: what runs, for whom, at what cost."),
            "cgroups": Entry("sretool.cgroups.cli:GROUP", "Cgroups: limits, use and pressure."),
            "sockets": Entry(
                "sretool.sockets.cli:GROUP", "Sockets: who talks, who listens, which queue is full."
            ),
            "net": Entry(
                "sretool.net.cli:GROUP",
                "Network: interfaces, addresses, routes, neighbours; paths (sends packets).",
            ),
        },
        "Ask the network (sends packets)": {
            "dns": Entry("sretool.dns.cli:GROUP", "DNS: the path from the root to an answer."),
        },
        "Recordings and reference": {
            "snapshot": Entry(
                "sretool.snapshot.cli:GROUP",
                "Record this host for replay with --from; compare what was saved.",
            ),
            "checks": Entry(
                "sretool.checks.cli:GROUP", "The checks: what they read, when they fire, and why."
            ),
            "schema": Entry("sretool.schema.cli:schema", "Print the JSON Schema of a command's answer."),
            "help": Entry("sretool.help.cli:help_", "Show the help of a command."),
            "version": Entry("sretool.version.cli:version", "Show version, interpreter and libraries."),
        },
    },
)

_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Command(TyperCommand):
    """A leaf: plain help with its examples below."""

    def get_help(self, ctx: Any) -> str:
        return _shown(super().get_help(ctx))

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        spec = self.spec  # type: ignore[attr-defined]
        with formatter.section("Examples"):
            for line, why in spec.examples:
                formatter.write_text(line)
                formatter.indent()
                formatter.write_text(why)
                formatter.dedent()


class _LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called, not when they are listed."""

    group: Group

    def get_help(self, ctx: Any) -> str:
        return _shown(super().get_help(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.group.entries)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = self.group.entries.get(cmd_name)
        return None if entry is None else load(cmd_name, entry)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name.startswith("-"):
            raise UsageError(f"{ctx.command_path} {name}", "no such option", f"see {ctx.command_path} --help")
        command = self.get_command(ctx, name)
        if command is None:
            import difflib

            near = difflib.get_close_matches(name, list(self.group.entries), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"see {ctx.command_path} --help"
            raise UsageError(f"{ctx.command_path} {name}", "no such command", hint)
        return name, command, args[1:]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, entries in self.group.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        formatter.write_paragraph()
        formatter.write_text(f"'{ctx.command_path} COMMAND --help' shows options and examples.")


def _shown(text: str) -> str:
    """Help in the characters that stdout takes."""
    from sretool.report.terminal import detect

    if text.isascii() or detect(sys.stdout, os.environ).unicode:
        return text
    from sretool.report.escape import ascii_only

    return ascii_only(text)


def new_group(name: str, group: Group) -> _LazyGroup:
    """A typer group over a manifest."""
    app = typer.Typer(
        name=name,
        help=group.help,
        cls=_LazyGroup,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
        subcommand_metavar="COMMAND …",
    )

    if name == "sretool":

        @app.callback(invoke_without_command=False)
        def root(version: bool = typer.Option(False, "--version", help="Show the version and stop.")) -> None:
            if version:
                from sretool import __version__

                sys.stdout.write(f"sretool {__version__}\n")
                raise typer.Exit

    else:
        app.callback()(lambda: None)
    command: Any = typer.main.get_command(app)
    command.name = name
    command.group = group
    command.help = group.help
    return command  # type: ignore[no-any-return]


def load(name: str, entry: Entry) -> Any:
    """The typer command or group an entry names."""
    found = resolve(entry.target)
    if isinstance(found, Group):
        return new_group(name, found)
    return new_command(name, found)


def new_command(name: str, function: Callable[..., int]) -> _Command:
    """A typer command over one `@command` function."""
    app = typer.Typer(
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
    )
    app.command(name, cls=_Command)(function)
    command: Any = typer.main.get_command(app)
    command.name = name
    command.spec = function.spec  # type: ignore[attr-defined]
    return command  # type: ignore[no-any-return]


def hoist(args: list[str]) -> list[str]:
    """Shared options given before or between the command's words, moved behind them: `sretool
    --json sockets list` is `sretool sockets list --json`.
    """
    early = [arg for arg in args[:3] if arg.startswith("-")]
    if all(arg in _SETTINGS["help_option_names"] for arg in early):
        return args  # help is shown without importing what commands need
    from sretool.command.options import flags

    known = flags()
    moved: list[str] = []
    words: list[str] = []
    group: Group | None = ROOT
    at = 0
    while at < len(args) and group is not None:
        arg = args[at]
        flag = arg.partition("=")[0]
        if arg.startswith("-") and flag in known:
            takes = known[flag] and "=" not in arg
            moved += args[at : at + (2 if takes else 1)]
            at += 2 if takes else 1
        elif not arg.startswith("-") and arg in group.entries:
            words.append(arg)
            found = resolve(group.entries[arg].target) if moved or at + 1 < len(args) else None
            group = found if isinstance(found, Group) else None
            at += 1
        else:
            break
    # a group takes none of them: it says what is wrong with the words
    return [*words, *(moved if group is None else ()), *args[at:]]


def run(args: list[str]) -> int:
    """The whole program: arguments in, exit code out. No traceback reaches a user."""
    debug = "--debug" in args
    as_json = "--json" in args or "--jsonl" in args
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = _dispatch(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _pipe_closed()
    except SretoolError as error:
        if debug:
            raise
        return _emit_error(error, as_json)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except _Terminated:
        return ExitCode.TERMINATED
    except OSError as error:
        import errno

        if debug:
            raise
        if error.errno == errno.ENOSPC:
            from sretool.command.output import say

            say(f"sretool: stdout: {os.strerror(errno.ENOSPC)} (free some space or write elsewhere)")
            return _quiet_exit(ExitCode.CANNOT_LOOK)
        return _bug(error, as_json)
    except Exception as error:
        if debug:
            raise
        return _bug(error, as_json)


def _dispatch(args: list[str]) -> int:
    try:
        root = new_group("sretool", ROOT)
        if not args:
            with root.make_context("sretool", ["--help"], resilient_parsing=True) as ctx:
                sys.stderr.write(root.get_help(ctx) + "\n")
            return ExitCode.USAGE
        # not root.main(): that would take SIGINT and EPIPE for itself, and exit 1 for both
        with root.make_context("sretool", hoist(args)) as ctx:
            return int(root.invoke(ctx) or 0)
    except typer.Exit as done:
        return done.exit_code
    except Exception as error:
        # typer's own errors; the class paths moved between versions, the two attributes did not
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            raise _usage(error) from error
        raise


def _usage(error: Any) -> UsageError:
    """One of typer's own errors in our words."""
    path = getattr(getattr(error, "ctx", None), "command_path", "sretool")
    near = getattr(error, "possibilities", None)
    if near:  # of an option
        return UsageError(f"{path} {error.option_name}", "no such option", f"did you mean {near[0]!r}?")
    group = getattr(getattr(getattr(error, "ctx", None), "command", None), "group", None)
    if group is not None and error.format_message().startswith("Missing command"):
        return UsageError(path, "missing command", f"one of {', '.join(group.entries)}; see {path} --help")
    message = inspect.cleandoc(error.format_message()).replace("\n", " ").strip()
    if message.startswith("Got unexpected extra argument"):
        message = f"takes no further argument: {message.partition(' (')[2].rstrip(')')}"
    for theirs, ours in (("a valid float range", "a number"), ("a valid int range", "a whole number")):
        message = message.replace(theirs, ours)
    return UsageError(path, (message[:1].lower() + message[1:]).rstrip("."), f"see {path} --help")


class _Terminated(BaseException):
    """SIGTERM."""


def _terminate(signum: int, frame: object) -> None:
    raise _Terminated


def _emit_error(error: SretoolError, as_json: bool) -> int:
    from sretool.command.output import emit_error

    try:
        return emit_error("sretool.error/1", None, error, as_json)
    except BrokenPipeError:
        return _pipe_closed()


def _pipe_closed() -> int:
    return _quiet_exit(ExitCode.PIPE_CLOSED)


def _quiet_exit(code: int) -> int:
    # the interpreter flushes stdout at exit; give it somewhere that takes the bytes
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    return code


def _bug(error: BaseException, as_json: bool) -> int:
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="sretool-bug-", suffix=".txt", delete=False, errors="backslashreplace"
        ) as file:
            file.write(text)
            where = f"the report is in {file.name}"
    except OSError:
        where = "no report could be written; run again with --debug to see it"
    bug = SretoolError("bug in sretool", f"{type(error).__name__}: {str(error)[:200]}", where)
    bug.code, bug.exit_code = "bug", ExitCode.BUG
    return _emit_error(bug, as_json)
