"""`sretool net addrs`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.net.addrs import read
from sretool.net.addrs.model import Links
from sretool.report.answer import Answer
from sretool.report.check import judge


@command(
    "net.addrs",
    view="sretool.net.addrs.view:listing",
    options=("passive", "list", "family"),
    rows="links",
    default_fields=("ifname", "operstate", "mtu", "addresses", "address", "flags"),
    how=(How("ip addr", "interfaces and their addresses"), How("ip link", "the interfaces alone")),
    examples=(
        ("sretool net addrs", "every interface, its state and its addresses"),
        ("sretool net addrs --dev eth0 --json", "one of them, with all fields"),
    ),
)
def addrs(
    run: Run,
    dev: Annotated[Optional[str], typer.Option("--dev", help="This interface.", metavar="IFACE")] = None,
) -> Answer[Links]:
    """List interfaces and their addresses."""
    from sretool.net.addrs.checks import CHECKS

    now = run.one(read.sample)
    family = {4: "inet", 6: "inet6", None: None}[run.options.family]
    data = read.build(now, family, dev)
    run.errors += now.errors
    verdicts = list(judge(CHECKS, data))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
