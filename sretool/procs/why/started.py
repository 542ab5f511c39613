"""What systemd says of why a unit runs."""

from __future__ import annotations

from sretool.host.systemd import Unit, ending
from sretool.procs.why.model import Link, Proof, Restarts
from sretool.report.times import rfc3339
from sretool.report.units import duration_text

SHOW = "systemctl show"
# a unit of these kinds wants and requires what it contains, which is no reason to run
_PLACES = (".slice", ".mount")


def triggers(unit: Unit, units: dict[str, Unit]) -> list[Unit]:
    """The timers, sockets and paths that start it."""
    return [units.get(name) or Unit(name) for name in unit.triggered_by]


def wanting(unit: Unit) -> list[str]:
    """The units that start it when they start themselves."""
    names = dict.fromkeys((*unit.wanted_by, *unit.required_by, *unit.bound_by))
    return [name for name in names if not name.endswith(_PLACES)]


def reason(unit: Unit, units: dict[str, Unit]) -> str:
    """Why it runs, to come after its name: `is enabled (wanted by multi-user.target)`."""
    by = triggers(unit, units)
    wants = wanting(unit)
    if by:
        first = by[0]
        what = first.name.rpartition(".")[2]
        if what == "timer":
            return f"is started by {first.name} ({', '.join(first.schedule) or 'schedule unknown'})"
        if what == "socket":
            where = f" to {', '.join(first.listen)}" if first.listen else ""
            return f"is started by {first.name} on a connection{where}" + (
                ", and is wanted too" if wants else ""
            )
        return f"is started by {first.name}" + (
            f" when {', '.join(first.paths)} changes" if first.paths else ""
        )
    if unit.transient:
        return "was started by hand as a transient unit (systemd-run or an API call), with no file on disk"
    if wants:
        names = ", ".join(wants[:3]) + (f" and {len(wants) - 3} more" if len(wants) > 3 else "")
        word = (
            f"is {unit.unit_file_state}, "
            if unit.unit_file_state not in ("", "static", "generated")
            else "is "
        )
        return f"{word}wanted by {names}"
    return "was started by hand or at another unit's request: nothing wants it"


def comes_back(unit: Unit, units: dict[str, Unit]) -> bool:
    """Something starts it after a reboot: what wants it, or a trigger that is itself wanted."""
    if unit.transient:
        return False
    return bool(wanting(unit)) or any(
        wanting(trigger) or trigger.unit_file_state.startswith("enabled") for trigger in triggers(unit, units)
    )


def restarts(unit: Unit, mono: float) -> Restarts | None:
    """None for what is never restarted: a scope, a socket."""
    if unit.restarts is None and not unit.restart:
        return None
    started = unit.exec_main_start_us or unit.active_enter_us
    return Restarts(
        unit.restarts,
        unit.restart,
        ending(unit.exec_main_code, unit.exec_main_status),
        unit.sub_state.startswith("auto-restart"),
        None if started is None else round(max(0.0, mono - started / 1e6), 1),
    )


def links(unit: Unit, units: dict[str, Unit], cgroup: str, mono: float, wall: float) -> list[Link]:
    """What triggers it, then the unit."""
    found = [_trigger(trigger, mono, wall) for trigger in triggers(unit, units)]
    proofs = [Proof("cgroup", cgroup, "/proc/PID/cgroup")]
    proofs += [
        Proof(what, value, f"{SHOW} {key}")
        for what, value, key in (
            ("file", unit.fragment_path, "FragmentPath"),
            ("made from", unit.source_path, "SourcePath"),
            ("drop-ins", ", ".join(unit.drop_in_paths), "DropInPaths"),
            ("enabled", unit.unit_file_state, "UnitFileState"),
            ("wanted by", ", ".join(wanting(unit)[:8]), "WantedBy, RequiredBy, BoundBy"),
            ("triggered by", ", ".join(unit.triggered_by), "TriggeredBy"),
            ("description", unit.description if unit.transient else "", "Description"),
            ("runs as", unit.user, "User"),
            ("result", unit.result if unit.result != "success" else "", "Result"),
        )
        if value
    ]
    if unit.restarts is not None and unit.type != "oneshot":
        proofs.append(
            Proof("restart", f"{unit.restart}, {unit.restarts} times", f"{SHOW} Restart, NRestarts")
        )
    entered = unit.active_enter_us or unit.inactive_exit_us
    found.append(_link("unit", unit.name, reason(unit, units), entered, mono, wall, proofs))
    return found


def _trigger(unit: Unit, mono: float, wall: float) -> Link:
    kind = unit.name.rpartition(".")[2]
    says = {
        "timer": f"waits for {', '.join(unit.schedule) or 'a time'}",
        "socket": f"listens on {', '.join(unit.listen) or 'its sockets'}",
        "path": f"watches {', '.join(unit.paths) or 'its paths'}",
    }.get(kind, "starts it")
    proofs = [Proof("file", unit.fragment_path, f"{SHOW} FragmentPath")] if unit.fragment_path else []
    if kind == "timer":
        proofs += [Proof("schedule", one, f"{SHOW} TimersCalendar, TimersMonotonic") for one in unit.schedule]
    if unit.last_trigger_us is not None:
        ago = duration_text(max(0.0, mono - unit.last_trigger_us / 1e6))
        says += f", last {ago} ago"
        proofs.append(Proof("last trigger", f"{ago} ago", f"{SHOW} LastTriggerUSecMonotonic"))
    if unit.accepted:
        proofs.append(Proof("connections", str(unit.accepted), f"{SHOW} NAccepted"))
    wants = wanting(unit)
    if wants:
        proofs.append(Proof("wanted by", ", ".join(wants[:8]), f"{SHOW} WantedBy"))
    return _link(
        kind if kind in ("timer", "socket", "path") else "unit",
        unit.name,
        says,
        unit.active_enter_us,
        mono,
        wall,
        proofs,
    )


def _link(
    kind: str, name: str, says: str, since_us: int | None, mono: float, wall: float, proofs: list[Proof]
) -> Link:
    age = None if since_us is None else max(0.0, mono - since_us / 1e6)
    return Link(
        kind,
        name,
        says,
        started_at=None if age is None else rfc3339(max(0.0, wall - age)),
        age_s=None if age is None else round(age, 2),
        evidence=proofs,
    )
