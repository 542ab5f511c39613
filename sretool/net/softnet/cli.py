"""`sretool net softnet`."""

from __future__ import annotations

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.net.softnet import read
from sretool.net.softnet.model import Softnet
from sretool.report.answer import Answer
from sretool.report.check import judge


@command(
    "net.softnet",
    view="sretool.net.softnet.view:listing",
    options=("passive", "list", "sampled", "thresholds"),
    rows="cpus",
    default_fields=(
        "cpu",
        "packets_per_s",
        "dropped",
        "squeezed",
        "backlog",
        "rps",
        "dropped_total",
        "squeezed_total",
    ),
    how=(
        How("cat /proc/net/softnet_stat", "the same, hexadecimal: packets, dropped, squeezed, …, CPU"),
        How("sysctl net.core.netdev_max_backlog net.core.netdev_budget", "the limits"),
    ),
    examples=(
        ("sretool net softnet", "whether a CPU cannot keep up with what it receives"),
        ("sretool net softnet --sample 10 --sort packets_per_s", "how receiving is spread over the CPUs"),
    ),
)
def softnet(run: Run) -> Answer[Softnet]:
    """List CPUs by what they receive, and drop before any protocol sees it."""
    from sretool.net.softnet.checks import CHECKS

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    now, before = run.pair(read.sample)
    run.errors += now.errors
    data = read.build(now, before)
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
