"""`sretool procs list`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.options import PATTERN
from sretool.procs.list.model import Processes
from sretool.report.answer import Answer

_SHOWN = ("pid", "user", "state", "cpu_ratio", "rss_bytes", "threads", "age_s", "unit", "command")


@command(
    "procs.list",
    view="sretool.procs.list.view:listing",
    options=("passive", "list", "sampled"),
    rows="processes",
    default_fields=_SHOWN,
    how=(
        How("ps -eo pid,user,stat,pcpu,rss,nlwp,etimes,cgroup,args --sort=-pcpu", "one row a process"),
        How("ps -eo pid,ppid,args --forest", "who started whom"),
        How("ss -tanp", "who holds which port"),
        How("cat /proc/self/stat", "state, CPU ticks, resident pages, threads and start of one process"),
        How("cat /proc/self/cgroup", "the path that names its unit or container"),
        How("cat /proc/self/io /proc/self/status", "bytes read and written, switches, memory by kind"),
        How("cat /proc/self/smaps_rollup", "its proportional share of memory"),
    ),
    examples=(
        ("sretool procs list", "who uses the CPU now, over one second"),
        ("sretool procs list -w --sort rss_bytes", "the largest, redrawn each second until ^C"),
        ("sretool procs list --sample 0 --sort rss_bytes --limit 10", "the ten largest, at once"),
        ("sretool procs list --unit 'nginx*' --fields pid,fds,fd_limit,command", "a service's descriptors"),
        ("sretool procs list --state D --fields pid,wchan,age_s,unit,command", "what hangs in the kernel"),
        ("sretool procs list --port 443 --tree", "who serves a port, and what started it"),
        ("sretool procs list --sort write_bytes_per_s --fields pid,write_bytes_per_s,command", "who writes"),
    ),
)
def list_(
    run: Run,
    user: Annotated[
        Optional[str], typer.Option("--user", help="Only this user's, by name or uid.", metavar="USER")
    ] = None,
    unit: Annotated[
        Optional[str], typer.Option("--unit", help=f"Only of this systemd unit. {PATTERN}", metavar="UNIT")
    ] = None,
    name: Annotated[
        Optional[str],
        typer.Option("--name", help=f"Only with this comm or program name. {PATTERN}", metavar="NAME"),
    ] = None,
    container: Annotated[
        Optional[str],
        typer.Option("--container", help=f"Only of this container, by id or name. {PATTERN}", metavar="ID"),
    ] = None,
    cgroup: Annotated[
        Optional[str],
        typer.Option(
            "--cgroup", help="Only of the cgroup /PATH and those below; or a part or pattern.", metavar="PATH"
        ),
    ] = None,
    state: Annotated[
        Optional[list[str]],
        typer.Option(
            "--state", help="Only in these states, by word or letter; repeat or join by commas.", metavar="S"
        ),
    ] = None,
    port: Annotated[
        Optional[int],
        typer.Option(
            "--port", help="Only that hold a socket of this local port.", metavar="N", min=1, max=65535
        ),
    ] = None,
    tree: Annotated[
        bool, typer.Option("--tree", help="Below who started them; with filters, their ancestors too.")
    ] = False,
) -> Answer[Processes]:
    """List processes, the busiest first."""
    from sretool.procs.list import filters, listing

    select = filters.Selection(user, unit, name, container, cgroup, filters.states(state))
    return Answer(data=listing.listed(run, select, _SHOWN, port=port, tree=tree))
