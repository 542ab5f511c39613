"""`sretool net rules`."""

from __future__ import annotations

import functools
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.net.rules import read
from sretool.net.rules.model import Rules
from sretool.report.answer import Answer


@command(
    "net.rules",
    view="sretool.net.rules.view:listing",
    options=("passive", "list", "family"),
    rows="rules",
    default_fields=("priority", "family", "match", "does", "protocol"),
    how=(
        How("ip -4 -d rule", "IPv4 rules and who installed them"),
        How("ip -6 -d rule", "IPv6 rules"),
        How("cat /etc/iproute2/rt_tables", "names of tables"),
    ),
    examples=(
        ("sretool net rules", "which tables are asked, in which order, for which packets"),
        ("sretool net rules --table 100 --json", "the rules that lead to one table, for a script"),
    ),
)
def rules(
    run: Run,
    table: Annotated[
        Optional[str],
        typer.Option("--table", help="Rules that look in this table, by name or number.", metavar="TABLE"),
    ] = None,
) -> Answer[Rules]:
    """List policy rules: which routing table is asked for which packets."""
    families = {4: ("inet",), 6: ("inet6",), None: ("inet", "inet6")}[run.options.family]
    now = run.one(functools.partial(read.sample, ask=read.Ask(families)))
    data = read.build(now, table)
    run.errors += now.errors
    return Answer(data=data)
