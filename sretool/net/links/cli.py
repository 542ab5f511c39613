"""`sretool net links`."""

from __future__ import annotations

import functools
from typing import Annotated, Optional

import typer

from sretool.command import How, Run, command
from sretool.command.thresholds import with_thresholds
from sretool.errors import UsageError
from sretool.net.links import read
from sretool.net.links.model import LinkRow, LinkRows
from sretool.report.answer import Answer
from sretool.report.check import judge

_SHOWN = (
    *("ifname", "operstate", "kind", "speed_mbit_per_s", "rx_bytes_per_s", "tx_bytes_per_s"),
    *("rx_packets_per_s", "tx_packets_per_s", "errors_per_s", "drops_per_s", "carrier_down_count"),
    *("master", "link"),
)
_OF_DRIVER = {"driver", "firmware", "bus", "driver_stats", "driver_stats_grew"}
_ENDS = {"link", "link_netns"}


@command(
    "net.links",
    view="sretool.net.links.view:listing",
    options=("passive", "list", "sampled", "followed", "thresholds"),
    rows="links",
    default_fields=_SHOWN,
    how=(
        How("ip -s -s -d link", "interfaces with all counters and the details of their kind"),
        How("ethtool -S eth0", "the driver's own counters, of AWS ENA the allowances"),
        How("cat /sys/class/net/eth0/speed /sys/class/net/eth0/duplex", "speed in Mbit/s, and duplex"),
        How("ip netns list-id", "the numbers of other network namespaces"),
    ),
    examples=(
        ("sretool net links", "rates, and what goes wrong, of every interface"),
        ("sretool net links --dev eth0", "one interface on one screen, with its driver's counters"),
        ("sretool net links --kind veth --down", "pairs whose other end is down or gone"),
        ("sretool net links -w", "the same every second"),
        ("sretool net links --changes", "every carrier that goes or comes, as it happens"),
    ),
)
def links(
    run: Run,
    dev: Annotated[Optional[str], typer.Option("--dev", help="This interface.", metavar="IFACE")] = None,
    kind: Annotated[
        Optional[str],
        typer.Option("--kind", help="Of this kind: veth, bridge, bond, …; device: of none.", metavar="KIND"),
    ] = None,
    up: Annotated[bool, typer.Option("--up", help="Only those that can carry packets.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only those that cannot.")] = False,
) -> Answer[LinkRows]:
    """List interfaces: rates, errors, drops, and what is at their other end."""
    from sretool.net.links.checks import CHECKS

    if up and down:
        raise UsageError("--up and --down", "exclude each other", "leave both out for all")
    wanted = read.Wanted(dev, kind, True if up else False if down else None)
    if run.options.changes:
        from sretool.command.changes import follow
        from sretool.net.links import follow as changes
        from sretool.net.links.view import line

        return follow(run, changes.follow(run.source, wanted, run.errors, run.options.deadline), line)
    rules = with_thresholds(CHECKS, run.options.set_ or ())
    fields = run.wanted(_SHOWN, LinkRow.__struct_fields__)
    drivers = "all" if dev is not None or not _OF_DRIVER.isdisjoint(fields) else "devices"
    ask = read.Ask(drivers, ends=dev is not None or not _ENDS.isdisjoint(fields))
    first = read.COUNTERS._replace(drivers=drivers)
    now, before = run.pair(
        functools.partial(read.sample, ask=ask, known=run.last),
        first=functools.partial(read.sample, ask=first),
    )
    run.errors += now.errors
    named = {"driver_stats", "driver_stats_grew"}.intersection(run.fields() or ())
    data = read.build(now, before, wanted, driver_stats=dev is not None or bool(named))
    verdicts = list(judge(rules, data))
    data.checks = [verdict for verdict, _ in verdicts]
    return Answer(data=data, findings=[finding for _, found in verdicts for finding in found])
