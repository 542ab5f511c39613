"""`sretool triage`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.errors import ExitCode, UsageError
from sretool.report.answer import RANK, Answer
from sretool.triage.choose import chosen, without_probes
from sretool.triage.domains import domains, joins, probe_rules, rules
from sretool.triage.look import Look, models_of, needed, sampler, state_of, verdicts_of
from sretool.triage.model import Triage
from sretool.triage.summary import summary

ONLY = "Run only these checks, or all of a subject (fs, cpu, tcp); may be repeated."
SKIP = "Leave these checks out; may be repeated."
PROBE = "Also send probes, in the time of the sample: 10 to each default gateway, and to --probe-target."
TARGET = "With --probe: look at the way to this host too; may be repeated."
BASELINE = "With --probe: a saved net trace --json, to compare the way to --probe-target with."


@command(
    "triage",
    view="sretool.triage.view:report",
    options=("passive", "sampled", "thresholds"),
    judges=True,
    how=(
        How("uptime", "load average"),
        How("cat /proc/pressure/cpu /proc/pressure/memory /proc/pressure/io", "tasks that wait, by resource"),
        How("vmstat 1 3", "run queue, swap traffic, CPU time with steal"),
        How("free -m", "memory available"),
        How("grep oom_kill /proc/vmstat", "OOM kills since boot"),
        How("df -h", "disk space"),
        How("df -i", "inodes"),
        How("cat /proc/self/mountinfo", "mounts and their options"),
        How("cat /proc/diskstats", "disk requests, latency, utilisation (iostat -xz 1 3)"),
        How("ps -eo pid,ppid,stat,wchan,comm", "processes in state D, zombies and their parents"),
        How("cat /proc/net/netstat /proc/net/snmp", "listen-queue overflows, retransmits"),
        How("cat /proc/sys/fs/file-nr", "open files of the host"),
        How("systemctl list-units --state=failed", "failed units"),
        How("ip route show default", "the gateways that --probe asks; ping -c 10 -i 0.1 does it by hand"),
    ),
    examples=(
        ("sretool triage", "what is wrong with this host, worst first"),
        ("sretool triage --json --fail-on critical", "as a monitoring check"),
        ("sretool triage --skip units.failed --set fs.space.warning=10", "with your own limits"),
        ("sudo sretool triage --probe", "the gateways too: 10 echo requests to each in that second"),
        (
            "sretool triage --probe --probe-target db-1.example --baseline db-1.json",
            "and whether the way to it is what it was (sretool net trace --json db-1.example > db-1.json)",
        ),
        ("sretool --from incident.tar.gz triage", "what was wrong when it was recorded"),
    ),
)
def triage(
    run: Run,
    only: Annotated[Optional[list[str]], typer.Option("--only", metavar="ID", help=ONLY)] = None,
    skip: Annotated[Optional[list[str]], typer.Option("--skip", metavar="ID", help=SKIP)] = None,
    probe: Annotated[bool, typer.Option("--probe", help=PROBE)] = False,
    target: Annotated[
        Optional[list[str]], typer.Option("--probe-target", metavar="HOST", help=TARGET)
    ] = None,
    baseline: Annotated[Optional[str], typer.Option("--baseline", metavar="FILE", help=BASELINE)] = None,
) -> Answer[Triage]:
    """Say what is wrong with this host, worst first.

    Sends nothing, unless --probe is given.
    """
    joined = joins()
    probes = probe_rules() if probe or only or run.options.set_ else []
    every = {rule.id: rule for rule in with_thresholds([*rules(), *probes], run.options.set_ or ())}
    wanted = chosen(every, only or (), skip or ())
    probing = None
    if probe and run.options.from_file is not None:
        raise UsageError("--probe", "nobody in a recording answers", "leave --from or --probe out")
    if probe:
        from sretool.triage.probe.run import Probing

        probing = run.kept = run.kept or Probing(run, list(wanted.values()), target or (), baseline)
    else:
        wanted = without_probes(wanted, probes, only or (), target or (), baseline)
    parts = needed([*domains(), *(probing.domains() if probing else ())], joined, wanted)
    during = probing.during if probing else None
    if probing is not None and run.options.sample == 0:
        probing.during(run.source, lambda: True)
    now, before = run.pair(sampler(parts), during, first=sampler(parts, before=True))
    look = Look()
    models_of(parts, now, before, run.one(lambda source: state_of(parts, source)), look)
    verdicts_of(parts, joined, look, every, wanted)
    run.errors += look.errors
    findings = sorted(look.findings, key=lambda finding: -RANK[finding.severity])
    answer = Answer(data=Triage(summary(run.source, look), look.verdicts), findings=findings)
    outcomes = {verdict.outcome for verdict in look.verdicts}
    if "unknown" in outcomes and not outcomes & {"found", "clear"}:
        answer.exit_code = ExitCode.CANNOT_LOOK
    return answer
