"""`@command`: turns a function from options to an `Answer` into a typer command.

The function says what is true. This file does the rest, the same for every command: shared
options, rows sorted and cut, JSON or text, the exit code, watches, interruption and errors.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from sretool.command import options as shared
from sretool.command import output
from sretool.command.options import FORMS, FailOn, Options
from sretool.command.run import Run
from sretool.command.spec import How, Spec
from sretool.errors import DeadlineReached, Denied, ExitCode, SretoolError, UsageError
from sretool.report.answer import Answer, exit_code_for, problems


def command(
    name: str,
    *,
    view: str,
    options: tuple[str, ...] = (),
    rows: str = "",
    default_fields: tuple[str, ...] = (),
    judges: bool = False,
    sends: bool = False,
    counted_by: str = "",
    how: Sequence[How],
    examples: Sequence[tuple[str, str]],
    forms: Mapping[str, str] = MappingProxyType({}),
    version: int = 1,
) -> Callable[[Callable[..., Answer[Any]]], Callable[..., int]]:
    """Make a command of a function `(run, own options…) -> Answer[Model]`.

    Args:
        name: the command's words joined by dots (`sockets.list`); also names its JSON schema.
        view: `module:function`, a function `(data, look) -> list[Block]`, loaded only for text.
        options: the sets of shared options it takes (`options.SETS`).
        rows: the list in its data that --fields, --sort and --limit work on.
        default_fields: what text shows of a row without --fields.
        judges: findings set its exit code by default.
        sends: it sends packets.
        counted_by: an own flag with which --count means something without --watch.
        how: what `--how` prints.
        examples: (command line, what it is for), for help and man page.
        forms: output forms it has beside text and JSON (`options.FORMS`), each with its
            `module:function`, a function `(data, findings) -> str`, loaded only for that form.
        version: the major version of its JSON.
    """

    def wrap(function: Callable[..., Answer[Any]]) -> Callable[..., int]:
        hints = get_type_hints(function, include_extras=True)
        data = get_args(hints["return"])[0]
        row = get_args(get_type_hints(data)[rows])[0] if rows else None
        sets = (*options, *forms, "judging")
        spec = Spec(
            name,
            version,
            function,
            data,
            view,
            sets,
            rows,
            row,
            default_fields,
            judges,
            sends,
            counted_by,
            how,
            examples,
            forms,
        )
        taken = shared.names(sets)

        @functools.wraps(function)
        def invoke(**given: Any) -> int:
            return run_command(spec, Options(**{key: given.pop(key) for key in taken}), given)

        own = [
            parameter.replace(annotation=_bare(hints[parameter.name]))
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]
        extra = shared.parameters(sets)
        invoke.__signature__ = inspect.Signature([*own, *extra])  # type: ignore[attr-defined]
        invoke.__annotations__ = {p.name: p.annotation for p in [*own, *extra]}
        invoke.spec = spec  # type: ignore[attr-defined]
        del invoke.__wrapped__  # or inspect looks through to the bare function
        return invoke

    return wrap


def _bare(hint: Any) -> Any:
    """Before Python 3.11 get_type_hints makes Optional[Annotated[…]] of a parameter that defaults to
    None, and typer then sees no option in it.
    """
    marked = [arg for arg in get_args(hint) if hasattr(arg, "__metadata__")]
    return marked[0] if marked and not hasattr(hint, "__metadata__") else hint


def run_command(spec: Spec, options: Options, given: dict[str, Any]) -> int:
    """One invocation from parsed options to exit code."""
    run = Run(options, output.terminal(options))
    try:
        if options.how:
            return output.emit_how(spec, run, given)
        _check_options(spec, options, counts=bool(given.get(spec.counted_by)))
        # what sends packets or follows changes keeps its own deadline, and has an answer when it is over
        with _within(None if spec.sends or options.changes else options.deadline):
            return _rounds(spec, run, given)
    except KeyboardInterrupt:
        error = SretoolError("interrupted", "stopped before there was an answer")
        error.code, error.exit_code = "interrupted", ExitCode.INTERRUPTED
        return output.emit_error(spec.schema, run, error)
    except SretoolError as error:
        if options.debug:
            raise
        _suit(run, [error])
        return output.emit_error(spec.schema, run, error)


def _suit(run: Run, errors: Sequence[SretoolError]) -> None:
    if any(isinstance(error, Denied) for error in errors):
        from sretool.command.rights import suit

        suit(errors, run.source)


def _rounds(spec: Spec, run: Run, given: dict[str, Any]) -> int:
    if not run.options.watch:
        return _round(spec, run, given, 1)
    watch = not run.options.jsonl and run.terminal.moves
    # rows without rates are worth a look while the second reading is waited for; a judgement is not
    run.at_once = watch and bool(spec.rows)
    with output.screen(run) if watch else contextlib.nullcontext() as run.screen:
        number = 0 if run.at_once else 1
        while True:
            code = _round(spec, run, given, number)
            if run.interrupted or run.over or number == run.options.count:
                return code
            number += 1


def _round(spec: Spec, run: Run, given: dict[str, Any], number: int) -> int:
    """One answer; its exit code. Of a watch, number 0 is the reading before the first answer."""
    run.errors = []
    if run.screen is not None:
        run.terminal = output.terminal(run.options)
    answer = spec.function(run, **given)
    code = _finish(spec, run, answer)
    output.emit(spec, run, answer, number)
    return code


def _finish(spec: Spec, run: Run, answer: Answer[Any]) -> int:
    """Fill the envelope in: everything but data, findings and errors is the same for all."""
    _suit(run, run.errors)
    answer.errors = [*answer.errors, *problems(run.errors)]
    if answer.findings:
        from sretool.command.steps import ahead

        answer.findings = ahead(answer.findings, sys.argv[1:], run.same, run.options.from_file)
    fail_on = run.options.fail_on or (FailOn.warning if spec.judges else FailOn.never)
    code = int(answer.exit_code) or int(exit_code_for(answer.findings, fail_on.value))
    if run.interrupted:
        code = ExitCode.INTERRUPTED
    answer.exit_code = int(code)
    answer.schema = spec.schema
    if answer.status == "ok" and (answer.errors or run.interrupted):
        answer.status = "partial"
    output.stamp(answer, run)
    return answer.exit_code


def _check_options(spec: Spec, options: Options, counts: bool) -> None:
    for flag in ("sample", "timeout", "deadline"):
        if math.isnan(getattr(options, flag) or 0):  # typer's range lets it through
            raise UsageError(f"--{flag}", "nan is no number of seconds", "give a number")
    given = [name for name in ("json", "jsonl", *FORMS) if getattr(options, name)]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]}", "exclude each other", "give one of them")
    if options.four and options.six:
        raise UsageError("-4 and -6", "exclude each other", "leave both out for both")
    _check_watch(options, counts)
    if spec.row is None:
        return
    valid = spec.row.__struct_fields__
    for flag, names in (
        ("--fields", (options.fields or "").split(",") if options.fields is not None else []),
        ("--sort", [options.sort.removeprefix("-")] if options.sort is not None else []),
    ):
        for name in names:
            if name.strip() not in valid:
                raise UsageError(
                    flag, f"unknown field {name.strip()!r}", f"the fields are {', '.join(valid)}"
                )


def _check_watch(options: Options, counts: bool) -> None:
    if options.changes:
        _check_changes(options)
        return
    if options.count is not None and not options.watch and not counts:
        raise UsageError("--count", "counts the answers of a watch", "add --watch")
    if options.watch and (options.json or options.form):
        raise UsageError("--watch", "gives more than one document", "use --jsonl with it")
    if options.watch and options.sample == 0:
        raise UsageError("--watch", "needs a period", "give --sample more than 0")
    if options.watch and options.from_file is not None:
        raise UsageError("--watch", "a recording does not change", "leave --watch or --from out")


def _check_changes(options: Options) -> None:
    if options.watch:
        raise UsageError("--changes and --watch", "exclude each other", "give one of them")
    if options.json or options.form:
        raise UsageError("--changes", "gives more than one document", "use --jsonl with it")
    if options.from_file is not None:
        raise UsageError("--changes", "a recording does not change", "leave --changes or --from out")
    for flag, given in (("--sort", options.sort), ("--limit", options.limit)):
        if given is not None:
            raise UsageError(flag, "changes come in their own order, until --count", f"leave {flag} out")


class _Over(BaseException):
    """The deadline, on its way up: no reader that notes its errors and goes on may take it."""


@contextlib.contextmanager
def _within(seconds: float | None) -> Iterator[None]:
    """Raise DeadlineReached in the main thread once `seconds` are over (None: never)."""
    if seconds is None:
        yield
        return
    import signal

    def over(signum: int, frame: object) -> None:
        raise _Over

    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Over:
        message = f"{seconds:g} s were over before there was an answer"
        raise DeadlineReached("--deadline", message) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
