"""systemd units."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sretool.host.systemd import Unit, ending
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import Rule, Threshold, check
from sretool.report.units import duration_text
from sretool.triage.read import Host

SHOWN = 5


@check(
    id="units.failed",
    title="systemd units have failed",
    reads="systemctl list-units --state=failed",
    window="now",
    remedy="read why it failed; start it again, or `systemctl reset-failed UNIT` once it no longer matters",
    refs=("man:systemctl(1)",),
)
def failed(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """Units in state failed: their process exited with an error, was killed, or did not start in
    time, and systemd has given up on them.

    warning: there is one (node-mixin NodeSystemdServiceFailed; netdata health.d/systemdunits.conf).
    Not applicable where systemd is not the init of what we see (a container, another init).
    """
    units = host.units.need_if_present("systemd is not this host's init")
    if not units:
        return
    names = ", ".join(unit.name for unit in units[:3])
    more = f" and {len(units) - 3} more" if len(units) > 3 else ""
    first = units[0].name
    yield rule.finding(
        "warning",
        f"{len(units)} {'unit has' if len(units) == 1 else 'units have'} failed: {names}{more}",
        subject=Subject(kind="unit", id=first, unit=first),
        evidence=[
            Evidence("failed units", len(units), "units", 0, "systemctl list-units --state=failed"),
            *(
                Evidence(unit.name, unit.description or "failed", "", None, "systemctl list-units")
                for unit in units[:SHOWN]
            ),
        ],
        next=[f"systemctl status {first}", f"journalctl -b -u {first}"],
    )


@check(
    id="units.restart-loop",
    title="a unit restarts over and over",
    reads="systemctl show: NRestarts, SubState, ExecMainStartTimestampMonotonic, ExecMainCode and -Status",
    window="since the unit was last started by hand; it counts only while the last restart is fresh",
    thresholds={
        "restarts": Threshold(5, "restarts", "risu; witr"),
        "fresh": Threshold(150, "s", "node-mixin NodeSystemdServiceCrashlooping: more than 2 in 5 minutes"),
    },
    remedy="read why its process ends and mend that; systemd only starts it again",
    refs=("man:systemd.service(5)", "man:systemd.unit(5)"),
)
def restart_loop(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """A unit that systemd has restarted by itself (Restart=) at least `restarts` times since someone
    started it, and that waits for its next restart now or was restarted less than `fresh` seconds
    ago. One whose restarts are long over is no finding; one that systemd gave up on is `units.failed`.

    warning: there is one.
    """
    units = host.services.need_if_present("systemd is not this host's init")
    looping = [
        unit
        for unit in units.values()
        if (unit.restarts or 0) >= rule["restarts"]
        and (_waits(unit) or _run_s(unit, host.log_now_s) < rule["fresh"])
    ]
    looping.sort(key=lambda unit: (-(unit.restarts or 0), unit.name))
    for unit in looping[:SHOWN]:
        seconds = _run_s(unit, host.log_now_s)
        last = "waits for the next" if _waits(unit) else f"the last {duration_text(seconds)} ago"
        # systemd forgets how a process ended when the next one starts
        ended = ending(unit.exec_main_code, unit.exec_main_status)
        yield rule.finding(
            "warning",
            f"{unit.name} was restarted {unit.restarts} times, {last}"
            + (f"; its process {ended}" if ended else "")
            + (f"; {len(looping) - 1} more units restart so" if len(looping) > 1 else ""),
            subject=Subject(kind="unit", id=unit.name, unit=unit.name, pid=unit.main_pid),
            evidence=[
                Evidence("restarts", unit.restarts, "restarts", rule["restarts"], "NRestarts"),
                Evidence("state", unit.sub_state, "", None, "SubState"),
                Evidence(
                    "since the last start",
                    round(seconds, 1) if math.isfinite(seconds) else None,
                    "s",
                    None if _waits(unit) else rule["fresh"],
                    "ExecMainStartTimestampMonotonic",
                ),
                Evidence("last end", ended or None, "", None, "ExecMainCode, ExecMainStatus"),
            ],
            next=[f"journalctl -b -n 50 -u {unit.name}"],
        )


def _waits(unit: Unit) -> bool:
    return unit.sub_state.startswith("auto-restart")


def _run_s(unit: Unit, now_s: float) -> float:
    started = unit.exec_main_start_us or unit.inactive_exit_us
    return math.inf if started is None else max(0.0, now_s - started / 1e6)


CHECKS = (failed, restart_loop)
