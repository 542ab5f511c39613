"""`sretool procs why`."""

from __future__ import annotations

from typing import Annotated

import typer

from sretool.command import How, Run, command
from sretool.procs.why.model import Why
from sretool.report.answer import Answer

TARGET = "A pid, a name, :PORT, a file's path, a unit or a container; pid:, name:, file:, … force one."


@command(
    "procs.why",
    view="sretool.procs.why.view:explanation",
    options=("passive", "thresholds"),
    how=(
        How("ps -eo pid,ppid,user,lstart,cgroup,args --forest", "who started whom"),
        How("cat /proc/self/cgroup", "the unit, session or container of a process"),
        How("systemctl status TARGET", "the unit, its file and what triggers it"),
        How("systemctl list-dependencies --reverse UNIT", "what wants the unit"),
        How("cat /proc/self/loginuid", "who had logged in, whatever they became since"),
        How("ls -l /proc/self/exe", "the program, marked (deleted) when it is"),
        How("ls -l /etc", "cron.d and crontab are there, where cron is installed"),
    ),
    examples=(
        ("sretool procs why nginx", "what started it, since when, and what is odd about it"),
        ("sretool procs why :8080", "who listens there, and why it runs"),
        ("sretool procs why unit:backup.service -v", "with the evidence for every link"),
        ("sretool --from incident.tar.gz procs why 812", "as it was when it was recorded"),
    ),
)
def why(run: Run, target: Annotated[str, typer.Argument(metavar="TARGET", help=TARGET)]) -> Answer[Why]:
    """Say what started a process: the chain of causes, with evidence.

    Names a pid, a name, a port, a file, a unit or a container. What fits several unrelated processes
    lists them and exits 64.
    """
    from sretool.command.thresholds import with_thresholds
    from sretool.procs.why import read
    from sretool.procs.why.answer import build
    from sretool.procs.why.checks import CHECKS
    from sretool.report.check import judge

    found = run.one(lambda source: read.sample(source, read.Ask(target)))
    data = build(found, target)
    verdicts = list(judge(with_thresholds(CHECKS, run.options.set_ or ()), data))
    data.checks = [verdict for verdict, _ in verdicts]
    run.errors += found.errors
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
