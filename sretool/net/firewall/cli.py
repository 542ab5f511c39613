"""`sretool net firewall`."""

from __future__ import annotations

import functools

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.errors import ExitCode
from sretool.net.firewall import read
from sretool.net.firewall.model import Firewall
from sretool.report.answer import Answer
from sretool.report.check import judge


@command(
    "net.firewall",
    view="sretool.net.firewall.view:report",
    options=("passive", "list", "sampled", "thresholds"),
    rows="rules",
    default_fields=("dropped_per_s", "packets", "family", "table", "chain", "hook", "rule"),
    how=(
        How("nft -j list ruleset", "rules of nftables with their counters"),
        How("nft -a -s list ruleset", "the same rules in words"),
        How("iptables-save -c", "rules of iptables with their counters"),
    ),
    examples=(
        ("sretool net firewall", "which rules drop packets, and how many now"),
        ("sretool net firewall --sample 10 --json", "over ten seconds, for a script"),
    ),
)
def firewall(run: Run) -> Answer[Firewall]:
    """Show which firewall rules drop or reject packets, and how many now."""
    from sretool.net.firewall.checks import CHECKS

    rules = with_thresholds(CHECKS, run.options.set_ or ())
    now, before = run.pair(read.sample, first=functools.partial(read.sample, ask=read.COUNTERS))
    data = read.build(now, before)
    run.errors += now.errors
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    answer = Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
    if data.nftables is None and data.iptables is None:
        answer.exit_code = ExitCode.CANNOT_LOOK
    return answer
