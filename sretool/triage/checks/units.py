"""systemd units."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import Rule, check
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


CHECKS = (failed,)
