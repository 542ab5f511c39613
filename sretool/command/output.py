"""The only printer: an answer as JSON, JSON lines or text; errors as one line."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from sretool import __version__
from sretool.command.options import Options
from sretool.command.rows import most, ordered
from sretool.command.run import Look, Run
from sretool.command.screen import Screen
from sretool.command.spec import Spec
from sretool.errors import Ambiguous, SretoolError
from sretool.manifest import resolve
from sretool.report.answer import RANK, Answer, Evidence, Finding, problem
from sretool.report.escape import ascii_only, cut, escape
from sretool.report.table import FINDINGS, Block, Line, Lines, Style, Table, paint, wrapped, write
from sretool.report.terminal import Terminal, detect
from sretool.report.times import rfc3339
from sretool.report.units import bytes_text, number_text


def terminal(options: Options) -> Terminal:
    """What stdout is."""
    return detect(sys.stdout, os.environ, options.color.value)


def stamp(answer: Answer[Any], run: Run) -> None:
    """When, where and by what the answer was made."""
    answer.tool_version = __version__
    answer.source = run.source_name
    answer.elapsed_ms = round(_elapsed_ms(), 1)
    try:
        answer.collected_at = rfc3339(run.source.clock().wall)
        answer.host = escape(
            run.source.read("/proc/sys/kernel/hostname").decode("utf-8", "backslashreplace").strip()
        )
    except SretoolError:
        answer.collected_at = answer.collected_at or rfc3339(time.time())


def _elapsed_ms() -> float:
    """Since this process started, from /proc/self/stat (field 22, clock ticks since boot)."""
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        started = ticks / os.sysconf("SC_CLK_TCK")
        return (time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1000
    except (OSError, ValueError, IndexError):
        return time.process_time() * 1000


def emit(spec: Spec, run: Run, answer: Answer[Any], number: int) -> None:
    """Print one answer in the form that was asked for."""
    if run.streams:
        _end_stream(run, answer)
        return
    hidden = _sort_and_cut(spec, run, answer)
    if run.options.json:
        _print_json(_narrowed(spec, run, answer), run.terminal.is_terminal)
    elif run.options.jsonl:
        _print_jsonl(spec, run, answer)
    elif run.options.form:
        _print_form(spec.forms[run.options.form], run, answer)
    else:
        _print_text(spec, run, answer, hidden, number)
    sys.stdout.flush()


def _sort_and_cut(spec: Spec, run: Run, answer: Answer[Any]) -> int:
    """Order and limit the rows in place; how many rows were left out."""
    if not spec.rows:
        return 0
    rows = ordered(getattr(answer.data, spec.rows), run.options.sort)
    limit = most(run.options, run.terminal)
    hidden = max(0, len(rows) - limit) if limit else 0
    setattr(answer.data, spec.rows, rows[:limit] if limit else rows)
    return hidden


def _narrowed(spec: Spec, run: Run, answer: Answer[Any]) -> object:
    """The answer with only the fields of a row that --fields asked for."""
    fields = run.fields()
    if not spec.rows or fields is None:
        return answer
    document = {name: getattr(answer, name) for name in answer.__struct_fields__}
    data = narrowed_row(answer.data, answer.data.__struct_fields__)
    data[spec.rows] = [narrowed_row(row, fields) for row in data[spec.rows]]
    document["data"] = data
    return document


def narrowed_row(struct: Any, fields: Sequence[str]) -> dict[str, Any]:
    """Those of `fields` that are there: what was not asked for is absent."""
    return {name: value for name in fields if (value := getattr(struct, name)) is not msgspec.UNSET}


def _print_json(document: object, indent: bool) -> None:
    encoded = msgspec.json.encode(document)
    if indent:
        encoded = msgspec.json.format(encoded, indent=2)
    sys.stdout.flush()
    _write_bytes(encoded, b"\n")  # not their sum: that copies 40 MB for 100,000 sockets


def _write_bytes(*parts: bytes) -> None:
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # a test's StringIO
        sys.stdout.write(b"".join(parts).decode())
        return
    for part in parts:
        buffer.write(part)
    buffer.flush()


def _print_jsonl(spec: Spec, run: Run, answer: Answer[Any]) -> None:
    """A watch: one envelope a line. A list: one row a line, and a last line that says how it
    ended, so that a cut stream can be told from a short one.
    """
    document: Any = _narrowed(spec, run, answer)
    if run.options.watch or not spec.rows:
        _print_json(document, indent=False)
        return
    data = document["data"] if isinstance(document, dict) else {spec.rows: getattr(answer.data, spec.rows)}
    encoder = msgspec.json.Encoder()
    lines = [encoder.encode(row) for row in data[spec.rows]]
    lines.append(encoder.encode(_end(answer)))
    _write_bytes(b"\n".join(lines) + b"\n")


def _print_form(target: str, run: Run, answer: Answer[Any]) -> None:
    """A document of another kind, in UTF-8 whatever the locale, as JSON is."""
    text: str = resolve(target)(answer.data, answer.findings)
    _write_bytes(text.encode())
    for line in [] if run.options.quiet else _problem_lines(run, answer):
        say(line)


def _end(answer: Answer[Any]) -> dict[str, Any]:
    return {
        "type": "end",
        **{name: getattr(answer, name) for name in answer.__struct_fields__ if name != "data"},
    }


def _end_stream(run: Run, answer: Answer[Any]) -> None:
    """What comes after rows that were printed as they came."""
    if run.options.jsonl:
        _print_json(_end(answer), indent=False)
    elif not run.options.quiet:
        for line in _problem_lines(run, answer):
            say(line)


def screen(run: Run) -> contextlib.AbstractContextManager[Screen]:
    """The terminal of a watch, until the block ends."""
    sys.stdout.flush()
    shown = Screen(sys.stdout.fileno(), lambda: terminal(run.options))
    return shown.shown()


def _print_text(spec: Spec, run: Run, answer: Answer[Any], hidden: int, number: int) -> None:
    problems = [] if run.options.quiet else _problem_lines(run, answer)
    if run.screen is not None:

        def frame(terminal: Terminal) -> list[str]:
            blocks = _blocks(spec, run, answer, terminal, hidden)
            return framed(blocks, [_watch_line(spec, run, answer), *problems], terminal)

        run.screen.draw(frame)
        return
    if number > 1:
        sys.stdout.write("\n")
    show(_blocks(spec, run, answer, run.terminal, hidden), run.terminal)
    sys.stdout.flush()
    for line in problems:
        say(line)


def _blocks(spec: Spec, run: Run, answer: Answer[Any], terminal: Terminal, hidden: int) -> list[Block]:
    look = Look(
        run.fields() or spec.default_fields,
        terminal,
        run.options.verbose,
        hidden,
        answer.findings,
        run.options.limit,
    )
    blocks = list(resolve(spec.view)(answer.data, look))
    found = [Lines(finding_lines(answer.findings, run.options.verbose), indent=6)] if answer.findings else []
    at = next((i for i, block in enumerate(blocks) if block is FINDINGS), len(blocks))
    blocks[at : at + 1] = found
    return blocks


def _problem_lines(run: Run, answer: Answer[Any]) -> list[str]:
    if run.options.verbose:
        return [f"sretool: {error}" for error in run.errors]
    return [
        f"sretool: {unread.what}: {unread.message}{f' ({unread.hint})' if unread.hint else ''}"
        for unread in answer.errors
    ]


def _watch_line(spec: Spec, run: Run, answer: Answer[Any]) -> str:
    """What a frame is headed by: where, when, how many, over what time."""
    words = [f"{answer.host}  {answer.collected_at[:19].replace('T', ' ')} UTC"]
    if spec.rows:
        total = getattr(answer.data, "total", len(getattr(answer.data, spec.rows)))
        words.append(f"{total} {spec.rows}")
    window = getattr(answer.data, "window_s", run.options.sample)
    if window is None:
        words.append("first reading, rates follow")
    else:
        words.append(f"over {window:.1f} s")
    return "  ".join([*words, "^C ends"])


def framed(blocks: Sequence[Block], head: Sequence[str], terminal: Terminal) -> list[str]:
    """The lines of a watch's frame. Tables are painted by our own writer: rich takes 50 ms to load
    and 0.45 ms a row, each second.
    """
    columns = terminal.columns or 80
    lines = [cut(escape(line) if terminal.unicode else ascii_only(escape(line)), columns) for line in head]
    if terminal.color and lines:
        lines[0] = paint(lines[0], "dim")
    text = io.StringIO()
    if all(isinstance(block, Table) for block in blocks):
        write(blocks, text, columns, terminal.unicode, paint if terminal.color else None)
    else:
        from sretool.report.text import draw

        draw(blocks, text, terminal)
    return lines + text.getvalue().removesuffix("\n").split("\n")


STYLE_OF: dict[str, Style] = {"critical": "critical", "warning": "warning", "info": "dim"}


def finding_lines(findings: Sequence[Finding], verbose: bool = False) -> list[Line]:
    """Findings, worst first: what is wrong, how we know, what to do, where to look next. Those of one
    check with one remedy stand together and say it once. Evidence is what was held against a
    threshold; --verbose shows all of it, and JSON always does.
    """
    groups: dict[tuple[int, str, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: -RANK[finding.severity]):
        groups.setdefault((RANK[finding.severity], finding.id, finding.remedy), []).append(finding)
    lines: list[Line] = []
    for group in groups.values():
        for finding in group:
            lines.append(
                [
                    (f"{finding.severity.upper():9}", STYLE_OF[finding.severity]),
                    (finding.summary, "strong"),
                    (f"  [{finding.id}]", "dim"),
                ]
            )
            held = [item for item in finding.evidence if item.threshold is not None] or finding.evidence[:1]
            lines.extend(_evidence_line(item) for item in (finding.evidence if verbose else held))
        lines.append([("   do:   ", "dim"), (group[0].remedy, "")])
        for number, step in enumerate(group[0].next):
            lines.append([("         " if number else "   next: ", "dim"), (step, "")])
    return lines


def _evidence_line(item: Evidence) -> Line:
    against = "" if item.threshold is None else f", threshold {_amount(item.threshold, item.unit)}"
    return [
        ("   seen: ", "dim"),
        (f"{item.what}: {_amount(item.value, item.unit)}{against}", ""),
        (f"  ({item.source})" if item.source else "", "dim"),
    ]


def _amount(value: float | int | str | None, unit: str) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return value
    if unit == "bytes":
        return bytes_text(value)
    if unit == "ratio":
        return f"{number_text(value * 100)}%"
    if unit.startswith("1/"):
        return f"{number_text(value)}{unit[1:]}"
    if value == 1 and len(unit) > 2:  # no short one: s, ms
        unit = unit.removesuffix("es" if unit.endswith("sses") else "s")
    return f"{number_text(value)}{'' if unit in ('', '%') else ' '}{unit}"


def show(blocks: list[Block], terminal: Terminal) -> None:
    """Blocks on stdout: drawn by rich on a terminal, streamed as fixed width otherwise."""
    long = any(isinstance(block, Table) and len(block.rows) > 2 * (terminal.lines or 0) for block in blocks)
    if (terminal.is_terminal and not long) or terminal.color:
        from sretool.report.text import draw

        draw(blocks, sys.stdout, terminal)
    else:
        write(blocks, sys.stdout, terminal.columns, terminal.unicode)


def say(line: str) -> None:
    """One message on stderr, safe for any terminal, one line of a pipe; a closed stderr is not our
    problem.
    """
    text = escape(line)
    terminal = detect(sys.stderr, os.environ)
    text = text if terminal.unicode else ascii_only(text)
    hanging = " " * (len(text) - len(text.lstrip()) + 2)
    try:
        sys.stderr.write("\n".join(wrapped(text, terminal.columns, hanging)) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def emit_error(schema: str, run: Run | None, error: SretoolError, as_json: bool | None = None) -> int:
    """A command that has no answer: one line, or one document of status `error`."""
    if as_json if as_json is not None else run is not None and (run.options.json or run.options.jsonl):
        answer: Answer[dict[str, str]] = Answer(
            schema=schema,
            tool_version=__version__,
            source=run.source_name if run is not None else "live",
            collected_at=rfc3339(time.time()),
            elapsed_ms=round(_elapsed_ms(), 1),
            status="error",
            exit_code=int(error.exit_code),
            data={},
            errors=[
                problem(error.code, error.what, error.message, error.hint),
                *(problem("match", what, message, "") for what, message in _matches(error)),
            ],
        )
        if answer.source == "live":  # of a recording nothing may have been read
            answer.host = os.uname().nodename
        _print_json(answer, indent=False)
    else:
        say(str(error) if error.what.startswith("sretool") else f"sretool: {error}")
        for what, message in _matches(error):
            say(f"  {what}: {message}")
    return int(error.exit_code)


def _matches(error: SretoolError) -> list[tuple[str, str]]:
    return error.matches if isinstance(error, Ambiguous) else []


class HowRow(msgspec.Struct):
    """One line of --how."""

    command: str
    shows: str


class HowData(msgspec.Struct):
    """What --how answers."""

    how: list[HowRow]


def emit_how(spec: Spec, run: Run, given: dict[str, Any]) -> int:
    """The stock commands behind a command, with this invocation's own values filled in."""
    values = {key: str(value) for key, value in given.items() if value is not None}
    rows = [HowRow(_fill(how.command, values), how.shows) for how in spec.how]
    if run.options.json or run.options.jsonl:
        answer = Answer(schema="sretool.how/1", data=HowData(rows))
        stamp(answer, run)
        _print_json(answer, run.terminal.is_terminal)
        return 0
    lines: list[Line] = []
    for row in rows:
        lines += [[("# " + row.shows, "dim")], row.command]
    show([Lines(lines)], run.terminal)
    return 0


def _fill(template: str, values: dict[str, str]) -> str:
    import shlex

    for key, value in values.items():
        template = template.replace("{" + key + "}", shlex.quote(value))
    return template
