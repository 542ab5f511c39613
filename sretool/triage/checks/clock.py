"""The host's clock."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.report.answer import Evidence, Finding, Severity
from sretool.report.check import NotApplicable, Rule, Threshold, check
from sretool.report.units import duration_text
from sretool.triage.checks.evidence import HOST
from sretool.triage.read import Host


@check(
    id="time.unsynchronised",
    title="nothing keeps the clock right",
    reads="adjtimex(2) STA_UNSYNC and maxerror; cgroups of system.slice; enabled units",
    window="now; the kernel needs hours without correction to reach 16 s",
    thresholds={
        "max_error": Threshold(
            16, "s", "node-mixin NodeClockNotSynchronising; kernel/time/ntp.c NTP_PHASE_LIMIT"
        ),
        "uptime": Threshold(17, "min", "netdata health.d/timex.conf: judged 17 min after boot"),
    },
    remedy="see why the time service does not reach its servers",
    refs=("man:adjtimex(2)", "man:chronyc(1)", "man:timedatectl(1)"),
)
def unsynchronised(host: Host, rule: Rule[Host]) -> Iterator[Finding]:
    """The kernel says that nobody has corrected its clock: STA_UNSYNC is set and its own estimate of
    the error has reached `max_error` seconds. How wrong the clock really is nobody on this host
    knows. A wrong clock breaks TLS, tokens, leases, and the order of logs.

    warning: a time service runs, or is enabled to run, and still the clock is not synchronised.
    info: there is no time service to be seen. The clock may be kept by other means (a hypervisor's
    agent that sets it does not clear STA_UNSYNC; in a container the service runs outside), so this
    is a fact and no fault.
    Not judged in the first `uptime` minutes after boot.
    """
    clock = host.adjtimex.need()
    if clock.synchronised or clock.max_error_s < rule["max_error"]:
        return
    if host.uptime_s < rule["uptime"] * 60:
        raise NotApplicable(
            f"booted {duration_text(host.uptime_s)} ago; judged {rule['uptime']:g} min after boot"
        )
    running, enabled = host.time_services
    severity: Severity = "warning"
    remedy = ""
    if running:
        said = f"{', '.join(running)} runs, and yet the clock is not synchronised"
    elif enabled:
        said = f"the clock is not synchronised: {', '.join(enabled)} is enabled, but does not run"
        remedy = f"see why it does not run: systemctl status {enabled[0]}"
    else:
        severity = "info"
        said = "the clock is not synchronised, and no time service is to be seen here"
        remedy = "run chrony or systemd-timesyncd, unless the clock is kept from outside"
    yield rule.finding(
        severity,
        said,
        subject=HOST,
        evidence=[
            Evidence("kernel clock", "unsynchronised", "", None, "adjtimex status STA_UNSYNC"),
            Evidence(
                "largest error", round(clock.max_error_s, 3), "s", rule["max_error"], "adjtimex maxerror"
            ),
            Evidence(
                "time services", ", ".join(running or enabled) or "none", "", None, "system.slice, *.wants"
            ),
        ],
        remedy=remedy,
        next=["timedatectl timesync-status", "chronyc tracking"] if running or enabled else ["timedatectl"],
    )


CHECKS = (unsynchronised,)
