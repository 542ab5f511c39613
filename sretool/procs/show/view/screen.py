"""One process on one screen: what stands out first, then a section a subject."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.command import Look
from sretool.procs.show.model import Identity, Note, Shown
from sretool.procs.show.view import held, use
from sretool.procs.show.view.held import place
from sretool.report.sections import Row, Section, Text, blocks
from sretool.report.table import Block, Line, Lines, Style
from sretool.report.units import bytes_text, duration_text, ratio_text

_STYLES: dict[str, Style] = {"disk-sleep": "critical", "zombie": "warning", "stopped": "warning"}
_NOTES: dict[str, Style] = {"critical": "critical", "warning": "warning", "info": "dim"}
_WORD = 10


def shown(data: Shown, look: Look) -> list[Block]:
    """Its name and figures, what stands out, then all else."""
    top: list[Line] = [_headline(data), *(_note(note) for note in data.notes)]
    sections = [
        Section("PROCESS", _process(data, look.verbose)),
        use.group(data),
        use.limits(data, look.verbose),
        use.memory(data),
        use.cpu(data),
        held.threads(data),
        held.files(data, look.verbose),
        held.sockets(data, look.verbose),
        Section("SECURITY", list(_security(data, look.verbose))),
        Section("LOG", list(_log(data))),
        Section("ENVIRONMENT", list(_environment(data))),
    ]
    return [Lines(top, indent=_WORD), *blocks(sections, look.terminal.columns)]


def _headline(data: Shown) -> Line:
    process, group = data.process, data.group
    state: Style = _STYLES.get(process.state, "")
    words = [process.user or "", f"up {duration_text(process.age_s)}"]
    if group is not None:
        name = group.container_name or group.container
        words.insert(1, name or group.unit)
    if data.cpu.cpu_ratio is not None:
        words.append(f"CPU {ratio_text(data.cpu.cpu_ratio)}")
    if data.memory.rss_bytes is not None:
        words.append(f"memory {bytes_text(data.memory.rss_bytes)}")
    kind = " (kernel thread)" if process.kernel else ""
    return [
        (f"{process.comm}[{process.pid}]", "strong"),
        (f"{kind} · ", ""),
        (process.state, state),
        ("".join(f" · {word}" for word in words if word), ""),
    ]


def _note(note: Note) -> Line:
    return [(f"{note.severity:<{_WORD}}", _NOTES[note.severity]), (note.text, "")]


def _process(data: Shown, verbose: bool) -> list[Row]:
    one = data.process
    rows: list[Row] = []
    if one.command:
        rows.append(("command", one.command if verbose else _short(one.command)))
    if one.exe is not None and not (one.command or "").startswith(one.exe + " ") and one.command != one.exe:
        rows.append(("executes", one.exe + (" (deleted)" if one.exe_deleted else "")))
    elif one.exe_deleted:
        rows.append(("executes", f"{one.exe} (deleted)"))
    if one.cwd is not None:
        rows.append(("directory", one.cwd + (f", root {one.root}" if one.root not in (None, "/") else "")))
    rows.append(("user", _user(one)))
    rows.append(("started", f"{one.started_at}, {duration_text(one.age_s)} ago{_session(one)}"))
    if one.ancestors:
        rows.append(("parents", _parents(one)))
    if one.wchan and one.state != "running":
        rows.append(("waits in", place(one.wchan)))
    if one.namespace_pids and len(one.namespace_pids) > 1:
        rows.append(("pid inside", ", ".join(map(str, one.namespace_pids[1:]))))
    return rows


def _short(command: str) -> str:
    return command if len(command) <= 300 else command[:299] + "…"


def _user(one: Identity) -> str:
    if one.uids is None:
        return "-"
    real, effective, saved = one.uids[:3]
    text = f"{one.user or '-'} ({effective})"
    if real != effective or saved != effective:
        text += f", real uid {real}, saved {saved}"
    if one.gids:
        text += f", gid {one.gids[1]}"
    more = [group for group in one.groups or () if one.gids and group != one.gids[1]]
    if more:
        text += f", groups {','.join(map(str, more[:12]))}{',…' if len(more) > 12 else ''}"
    if one.login_user is not None:
        text += f", logged in as {one.login_user}"
    return text


def _session(one: Identity) -> str:
    return f", on {one.terminal}" if one.terminal else ""


def _parents(one: Identity) -> str:
    names = []
    unit = ""
    for above in reversed(one.ancestors):
        new = above.unit if above.unit != unit else ""
        unit = above.unit
        names.append(f"{above.comm}[{above.pid}]" + (f" ({new})" if new else ""))
    return " → ".join(names)


def _security(data: Shown, verbose: bool) -> Iterator[Row]:
    found = data.security
    rights = found.capabilities
    if rights is not None:
        text = _words(rights.effective, "nothing that takes a capability", verbose)
        if rights.lacking is not None and len(rights.lacking) < len(rights.effective):
            text = f"all but {_words(rights.lacking, '', verbose)}" if rights.lacking else "all"
        if rights.permitted != rights.effective:
            text += f"; may take {_words(rights.permitted, 'none', verbose)}"
        yield "may", text
        if rights.dropped:
            yield "may never", _words(rights.dropped, "", verbose)
    confined = [
        *([f"seccomp {found.seccomp}"] if found.seccomp not in (None, "disabled") else []),
        *(["no new privileges"] if found.no_new_privs else []),
        *([found.label] if found.label else []),
    ]
    if confined:
        yield "confined by", ", ".join(confined)
    if found.namespaces is not None:
        own = [one.name for one in found.namespaces if one.shared is False]
        yield "namespaces", f"its own: {', '.join(own)}" if own else "the host's"
    if found.signals is not None:
        parts = [
            f"{word} {_words(names, '', verbose)}"
            for word, names in (
                ("pending", found.signals.pending),
                ("blocks", found.signals.blocked),
                ("ignores", found.signals.ignored),
                ("catches", found.signals.caught),
            )
            if names
        ]
        if parts:
            yield "signals", "; ".join(parts)


def _words(names: list[str], none: str, verbose: bool) -> str:
    if not names:
        return none
    shown = names if verbose else names[:12]
    return " ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _log(data: Shown) -> Iterator[Row]:
    for kill in (data.kills or ())[:5]:
        size = f", {bytes_text(kill.rss_bytes)}" if kill.rss_bytes is not None else ""
        text: Text = [
            (kill.at[:19].replace("T", " "), "dim"),
            (f" {kill.comm}[{kill.pid}]{size}, by {kill.limit}", "warning"),
        ]
        yield "OOM kill", text
    for line in (data.log or ())[-8:]:
        style: Style = "critical" if line.priority in ("emerg", "alert", "crit", "err") else ""
        yield line.priority, [(line.at[:19].replace("T", " "), "dim"), (f" {line.message}", style)]


def _environment(data: Shown) -> Iterator[Row]:
    if isinstance(data.environment, dict):
        for name, value in sorted(data.environment.items()):
            yield "", f"{name}={value}"
