"""Units as systemd knows them: one `systemctl show` of all that are loaded and not inactive.

The command line is fixed, so that a recording replays it for whoever asks; what one caller does not
need costs nothing beside the round trips. Times are microseconds on CLOCK_MONOTONIC, 0 made None.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

from msgspec import Struct

from sretool.errors import Denied, ParseError, SretoolError
from sretool.host.decimal import integer
from sretool.host.source import Source, attempt

BOOTED = "/run/systemd/system"  # sd_booted(3)
TIMEOUT_S = 10.0
UNITS_LIMIT = 50_000
_VALUE_LIMIT = 4096

_PROPERTIES = (
    *("Id", "Names", "Description", "LoadState", "ActiveState", "SubState", "Result", "Type", "Transient"),
    *("FragmentPath", "DropInPaths", "SourcePath", "UnitFileState", "MainPID", "ControlGroup", "Slice"),
    *("User", "NRestarts", "Restart", "RestartUSec", "ExecMainCode", "ExecMainStatus"),
    *("ExecMainStartTimestampMonotonic", "ExecMainExitTimestampMonotonic", "ActiveEnterTimestampMonotonic"),
    *("InactiveExitTimestampMonotonic", "StateChangeTimestampMonotonic", "InvocationID"),
    *("TriggeredBy", "Triggers", "WantedBy", "RequiredBy", "PartOf", "BoundBy"),
    *("TimersCalendar", "TimersMonotonic", "LastTriggerUSecMonotonic", "Persistent"),
    *("Listen", "Accept", "NAccepted", "Paths", "StartLimitBurst", "StartLimitIntervalUSec"),
)
ARGV = (
    *("systemctl", "show", "--no-pager", f"--property={','.join(_PROPERTIES)}", "--"),
    *("*.service", "*.scope", "*.socket", "*.timer", "*.path", "*.slice"),
)
_PROPERTY = re.compile(f"({'|'.join(_PROPERTIES)})=")
_SPECIFICATION = re.compile(r"\{ (\w+=.*?) ; next_elapse=")
_EXITED, _DUMPED = 1, 3  # CLD_EXITED, CLD_DUMPED; include/uapi/asm-generic/siginfo.h
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
_SPAN = re.compile(r"(\d+(?:\.\d+)?)([a-zµ]+)")
# format_timespan of systemd's src/basic/time-util.c
_SPAN_US = {
    "y": 31_557_600_000_000,
    "month": 2_629_800_000_000,
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "min": 60_000_000,
    "s": 1_000_000,
    "ms": 1000,
    "us": 1,
}


class Unit(Struct, frozen=True):
    """One unit. Empty text, an empty tuple or None: it has no such thing, or systemd does not say.

    name: with its suffix; `names` has its aliases too.
    restarts: automatic restarts since it was last started by hand or reset (NRestarts).
    restart: the policy (Restart=), restart_delay_us its RestartSec=.
    exec_main_code: of the main process's last end, as si_code of waitid(2): 1 exited, 2 killed, 3 dumped.
    exec_main_status: its exit code, or the signal.
    schedule: what a timer waits for (`OnCalendar=daily`).
    listen: what a socket unit listens on. accept: it starts one service a connection.
    paths: what a path unit watches.
    """

    name: str
    names: tuple[str, ...] = ()
    description: str = ""
    load_state: str = ""
    active_state: str = ""
    sub_state: str = ""
    result: str = ""
    type: str = ""
    transient: bool = False
    fragment_path: str = ""
    drop_in_paths: tuple[str, ...] = ()
    source_path: str = ""
    unit_file_state: str = ""
    main_pid: int | None = None
    control_group: str = ""
    slice: str = ""
    user: str = ""
    restarts: int | None = None
    restart: str = ""
    restart_delay_us: int | None = None
    exec_main_code: int | None = None
    exec_main_status: int | None = None
    exec_main_start_us: int | None = None
    exec_main_exit_us: int | None = None
    active_enter_us: int | None = None
    inactive_exit_us: int | None = None
    state_change_us: int | None = None
    invocation_id: str = ""
    triggered_by: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    wanted_by: tuple[str, ...] = ()
    required_by: tuple[str, ...] = ()
    part_of: tuple[str, ...] = ()
    bound_by: tuple[str, ...] = ()
    schedule: tuple[str, ...] = ()
    last_trigger_us: int | None = None
    persistent: bool = False
    listen: tuple[str, ...] = ()
    accept: bool = False
    accepted: int | None = None
    paths: tuple[str, ...] = ()
    start_limit_burst: int | None = None
    start_limit_interval_us: int | None = None


def units(source: Source, errors: list[SretoolError]) -> dict[str, Unit]:
    """Every unit by name. Empty where systemd is not the init of what we see; also when it could not
    be asked, which is noted in `errors`.
    """
    return attempt(errors, _noting_parse, source, errors) or {}


def _noting_parse(source: Source, errors: list[SretoolError]) -> dict[str, Unit]:
    try:
        return read(source)
    except ParseError as error:
        errors.append(error)
        return {}


def read(source: Source) -> dict[str, Unit]:
    """Every unit by name.

    Raises:
        Missing: systemd is not the init here (sd_booted(3)), or has no systemctl.
        SourceError: it could not be asked, or did not answer.
        ParseError: systemctl failed.
    """
    source.stat(BOOTED)
    done = source.run(ARGV, TIMEOUT_S)
    if done.exit_code != 0:
        said = _text(done.stderr).strip().splitlines()
        why = said[0][:200] if said else f"exit code {done.exit_code}"
        if "connect to bus" in why:  # an ordinary user where no message bus runs
            raise Denied("systemctl show", why, "run with sudo: root needs no message bus")
        raise ParseError("systemctl show", why)
    return parse(done.stdout)


def parse(raw: bytes) -> dict[str, Unit]:
    """Units in the output of ARGV: `Property=value` a line, an empty line between units. A line
    that starts with no property we asked for is passed over.
    """
    found: dict[str, Unit] = {}
    for block in _blocks(raw):
        name = block["Id"][0]
        if name and len(found) < UNITS_LIMIT:
            found[name] = _unit(name, block)
    return found


def _blocks(raw: bytes) -> Iterator[dict[str, list[str]]]:
    """Properties of one unit after another; one that comes several times (Listen) has many values.
    systemctl writes no newline of a value (xescape in bus_print_property_value), so an empty line
    ends a unit; what has no Id is none.
    """
    block: dict[str, list[str]] = {}
    for line in _text(raw).split("\n"):
        found = _PROPERTY.match(line)
        if found is not None:
            block.setdefault(found[1], []).append(line[found.end() :][:_VALUE_LIMIT])
        elif not line:
            if "Id" in block:
                yield block
            block = {}
    if "Id" in block:
        yield block


def _unit(name: str, block: dict[str, list[str]]) -> Unit:
    def one(key: str) -> str:
        return block.get(key, [""])[0]

    def words(key: str) -> tuple[str, ...]:
        return tuple(map(_unquoted, _WORD.findall(one(key))))

    def lines(key: str) -> tuple[str, ...]:
        return tuple(value for value in block.get(key, ()) if value)

    timers = lines("TimersCalendar") + lines("TimersMonotonic")
    return Unit(
        name,
        names=words("Names"),
        description=one("Description"),
        load_state=one("LoadState"),
        active_state=one("ActiveState"),
        sub_state=one("SubState"),
        result=one("Result"),
        type=one("Type"),
        transient=one("Transient") == "yes",
        fragment_path=one("FragmentPath"),
        drop_in_paths=words("DropInPaths"),
        source_path=one("SourcePath"),
        unit_file_state=one("UnitFileState"),
        main_pid=_number(one("MainPID")) or None,
        control_group=one("ControlGroup"),
        slice=one("Slice"),
        user=one("User"),
        restarts=_number(one("NRestarts")),
        restart=one("Restart"),
        restart_delay_us=span_us(one("RestartUSec")),
        exec_main_code=_number(one("ExecMainCode")) or None,
        exec_main_status=_number(one("ExecMainStatus")) if _number(one("ExecMainCode")) else None,
        exec_main_start_us=_number(one("ExecMainStartTimestampMonotonic")) or None,
        exec_main_exit_us=_number(one("ExecMainExitTimestampMonotonic")) or None,
        active_enter_us=_number(one("ActiveEnterTimestampMonotonic")) or None,
        inactive_exit_us=_number(one("InactiveExitTimestampMonotonic")) or None,
        state_change_us=_number(one("StateChangeTimestampMonotonic")) or None,
        invocation_id=one("InvocationID"),
        triggered_by=words("TriggeredBy"),
        triggers=words("Triggers"),
        wanted_by=words("WantedBy"),
        required_by=words("RequiredBy"),
        part_of=words("PartOf"),
        bound_by=words("BoundBy"),
        schedule=tuple(found[1] if (found := _SPECIFICATION.match(value)) else value for value in timers),
        last_trigger_us=span_us(one("LastTriggerUSecMonotonic")) or None,
        persistent=one("Persistent") == "yes",
        listen=lines("Listen"),
        accept=one("Accept") == "yes",
        accepted=_number(one("NAccepted")),
        paths=lines("Paths"),
        start_limit_burst=_number(one("StartLimitBurst")),
        start_limit_interval_us=span_us(one("StartLimitIntervalUSec")),
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _unquoted(word: str) -> str:
    r"""A name with a backslash is quoted, and the backslash doubled: `"system-a\\x2db.slice"`."""
    return re.sub(r"\\(.)", r"\1", word[1:].removesuffix('"')) if word.startswith('"') else word


def ending(code: int | None, status: int | None) -> str:
    """How a main process ended, in words; empty when it did not, or systemd does not say."""
    if code is None or status is None:
        return ""
    if code == _EXITED:
        return f"exited with code {status}"
    try:
        name = signal.Signals(status).name
    except ValueError:
        name = f"signal {status}"
    return f"was killed by {name}" + (" and dumped core" if code == _DUMPED else "")


def _number(value: str) -> int | None:
    try:
        return integer(value)
    except ValueError:  # `[not set]`, infinity, or no such property in this version
        return None


def span_us(value: str) -> int | None:
    """A time span as systemd prints it (`1min 30.5s`, `100ms`, `0`), microseconds; None when it is
    none, or infinity.
    """
    if value == "0":
        return 0
    total = 0.0
    for word in value.split():
        found = _SPAN.fullmatch(word)
        if found is None or found[2] not in _SPAN_US or len(found[1]) > 20:
            return None
        total += float(found[1]) * _SPAN_US[found[2]]
    return int(total) if value.strip() else None
