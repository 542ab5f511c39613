"""A path as a table: one line a host, silent stretches as one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import UNSET

from sretool.command.run import Look
from sretool.net.trace import named
from sretool.net.trace.model import Hop, Host, LossVerdict, Path, Trace
from sretool.probe.icmp import ECHO_REPLY, TIME_EXCEEDED
from sretool.report.table import Block, Column, Line, Lines, Style, Table
from sretool.report.units import count_text, ms_text, ratio_text

FOLD = 3
"""So many silent hops in a row are one line."""


class _Row(NamedTuple):
    ttl: str
    address: str
    hop: Hop | None
    host: Host | None
    got: int
    sent: int
    answer: str

    @property
    def answered(self) -> str:
        """Probes that were answered, of a host by it, of those sent to its hop."""
        return f"{self.got}/{self.sent}"


def trace(data: Trace, look: Look) -> list[Block]:
    """Where to and how, the hops, and how the path ends; for every host one after the other."""
    blocks: list[Block] = []
    for path in [data, *(data.others or [])]:
        blocks.append(Lines([[(_head(path), "strong")]]))
        if path.ecmp is UNSET:
            blocks.append(_table(path, look.verbose))
        else:
            from sretool.net.trace.ecmp.view import ways

            blocks += ways(path.ecmp)
        blocks.append(Lines([*_end(path), *(_blind(path) if look.verbose else ())], indent=2))
    return blocks


def _head(path: Path) -> str:
    name = path.target if path.target == path.address else f"{path.target} ({path.address})"
    via = f" via {path.interface}" if path.interface else ""
    probes = "ICMP echo" if path.port is None else f"{path.protocol.upper()} port {path.port}"
    flow = ", one flow" if path.flow == "fixed" else ""
    if path.ecmp is not UNSET:
        flow = ", every way"
    return f"{name} from {path.source_address}{via}, {probes}{flow}"


def _table(path: Path, verbose: bool) -> Table[_Row]:
    rows = list(_rows(path, verbose))
    columns: list[Column[_Row]] = [
        Column("TTL", lambda row: row.ttl, right=True),
        Column("ADDRESS", lambda row: row.address, flexible=True, least=15, style=_style),
        *named.columns(rows, lambda row: row.host),
        *(_of_rounds() if path.rounds > 1 else _of_burst()),
    ]
    if path.rounds == 1 or any(row.answer for row in rows):
        columns.append(Column("ANSWER", lambda row: row.answer, flexible=True, least=8, style=_answer_style))
    return Table(columns, rows, empty="no probe was sent")


def _of_burst() -> list[Column[_Row]]:
    return [
        Column("ANSWERED", lambda row: row.answered, right=True, drop=3),
        Column("MIN ms", lambda row: _ms(row, "rtt_min_ms"), right=True, drop=4),
        Column("AVG ms", lambda row: _ms(row, "rtt_avg_ms"), right=True),
        Column("MAX ms", lambda row: _ms(row, "rtt_max_ms"), right=True, drop=4),
    ]


def _of_rounds() -> list[Column[_Row]]:
    return [
        Column(
            "LOSS", lambda row: ratio_text(row.hop.loss_ratio) if row.hop else "", right=True, style=_loss
        ),
        Column("SENT", lambda row: str(row.sent) if row.hop else "", right=True, drop=4),
        Column("LAST ms", lambda row: _ms(row, "rtt_last_ms"), right=True, drop=5),
        Column("AVG ms", lambda row: _ms(row, "rtt_avg_ms"), right=True),
        Column("BEST ms", lambda row: _ms(row, "rtt_min_ms"), right=True, drop=6),
        Column("WORST ms", lambda row: _ms(row, "rtt_max_ms"), right=True, drop=6),
        Column("STDEV", lambda row: _ms(row, "rtt_stdev_ms"), right=True, drop=7),
        Column("P95 ms", lambda row: _ms(row, "rtt_p95_ms"), right=True, drop=8),
        Column("JITTER", lambda row: _ms(row, "jitter_ms"), right=True, drop=9),
    ]


def _ms(row: _Row, name: str) -> str:
    return ms_text(getattr(row.host, name) if row.host else None)


def _style(row: _Row) -> Style:
    return "" if row.host else "dim"


def _answer_style(row: _Row) -> Style:
    return "warning" if row.answer else ""


_LOSS: dict[LossVerdict, Style] = {"forward": "critical", "unknown": "warning", "rate-limited": "dim"}


def _loss(row: _Row) -> Style:
    return _LOSS.get(row.hop.loss_verdict, "") if row.hop and row.hop.hosts else ""


def _rows(path: Path, verbose: bool) -> Iterator[_Row]:
    quiet: list[Hop] = []
    hops, round_ = _without_circle(path)
    for hop in hops:
        if not hop.hosts:
            quiet.append(hop)
            continue
        yield from _quiet(quiet)
        quiet = []
        for number, host in enumerate(hop.hosts):
            first = number == 0
            yield _Row(
                str(hop.ttl) if first else "",
                host.address or "(unknown)",
                hop if first else None,
                host,
                host.replies,
                hop.sent,
                ", ".join(_said(host, hop if first else None, path, verbose)),
            )
    yield from _quiet(quiet)
    if round_:
        ttls = f"{round_[0].ttl}–{round_[-1].ttl}"
        got, sent = (sum(getattr(hop, name) for hop in round_) for name in ("received", "sent"))
        yield _Row(ttls, "the same, round and round", None, None, got, sent, "")


def _without_circle(path: Path) -> tuple[list[Hop], list[Hop]]:
    """The hops up to the end of a loop's first round, and those behind it, which only say it again."""
    first = next((hop.ttl for hop in path.hops if any(host.address in path.loop for host in hop.hosts)), 0)
    if not path.loop or path.rounds > 1:
        return path.hops, []
    end = first + len(path.loop)
    return [hop for hop in path.hops if hop.ttl < end], [hop for hop in path.hops if hop.ttl >= end]


def _quiet(hops: list[Hop]) -> Iterator[_Row]:
    if len(hops) >= FOLD:
        sent = sum(hop.sent for hop in hops)
        yield _Row(f"{hops[0].ttl}–{hops[-1].ttl}", "no answer", None, None, 0, sent, "")
        return
    for hop in hops:
        yield _Row(str(hop.ttl), "no answer", hop, None, 0, hop.sent, "")


def _said(host: Host, hop: Hop | None, path: Path, verbose: bool) -> Iterator[str]:
    """What is normal is not said: time-exceeded on the way, the target's own answers."""
    if host.answer not in _NORMAL and (host.answer != "port-unreachable" or host.address != path.address):
        yield host.answer
    if hop is not None and hop.loss_verdict == "rate-limited":
        yield "limits its answers"
    if host.labels:
        yield "MPLS " + "/".join(str(label.label) for label in host.labels)
    for interface in host.interfaces:
        yield f"{interface.role} {interface.name or interface.address or interface.index}"
    if hop is not None and hop.ttl == _first_behind_nat(path):
        yield "behind NAT"
    if verbose and hop is not None and host.return_hops not in (None, hop.ttl):
        yield f"answers come over {count_text(host.return_hops or 0, 'hop')}, by a guess"


_NORMAL = {TIME_EXCEEDED, ECHO_REPLY, "syn-ack", "rst", "datagram"}


def _first_behind_nat(path: Path) -> int | None:
    """What hops behind it quote was rewritten there too: once is enough."""
    return next((hop.ttl for hop in path.hops if any(host.nat for host in hop.hosts)), None)


def _blind(path: Path) -> Iterator[Line]:
    if path.cannot_see:
        yield [(f"{path.method} cannot see: {', '.join(path.cannot_see)}", "dim")]


def _end(path: Path) -> Iterator[Line]:
    # of rounds the time was ours to choose
    took = (
        f"; the trace took {ms_text(path.network_ms)} ms" if path.rounds == 1 else f"; {path.rounds} rounds"
    )
    if path.rounds - path.end_round > 1:  # the newest one may be still on its way
        took += f", of which the last {path.rounds - path.end_round} did not tell"
    if path.end_reason == "reached":
        exact = "" if path.end_ttl_exact else ", or nearer"
        by = "" if path.end_address == path.address else f", by {path.end_address or 'an unknown address'}"
        own = ", an address of this host" if path.address == path.source_address else ""
        yield [
            (f"reached at hop {path.end_ttl}{exact}", "good"),
            (f" ({_answered(path)}{by}){own}{took}", ""),
        ]
    else:
        filtered = path.end_reason == "silent" and path.port_state == "filtered"
        state = f" (TCP port {path.port} filtered, or nobody there)" if filtered else ""
        yield [(_ENDS[path.end_reason], "critical"), (state + took, "")]
    for change in path.changes[-3:]:
        now = ", ".join(change.now) or "nobody"
        yield [
            ("path changed", "warning"),
            (f" at {change.at[11:19]}: hop {change.ttl} was {', '.join(change.was)}, is {now}", ""),
        ]
    if len(path.changes) > 3:
        yield f"and {count_text(len(path.changes) - 3, 'earlier change')}"
    if path.stray_replies:
        names = list(dict.fromkeys(stray.address or "unknown" for stray in path.strays))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        of_hops = "counts" if path.stray_replies == 1 else "count"
        yield (
            f"{count_text(path.stray_replies, 'reply')} matched no probe and {of_hops} for no hop, "
            f"from {', '.join(names[:3])}{more}"
        )
    for verdict in path.checks:
        if verdict.outcome == "unknown" and path.reached and verdict.id != "trace.ecmp-leg-loss":
            yield f"loss not known: {verdict.reason}"
    if path.ecmp is UNSET and any(len(hop.hosts) > 1 for hop in path.hops):
        yield [(_SEVERAL[path.flow], "dim")]


def _answered(path: Path) -> str:
    said = path.end_answer or ""
    if path.protocol == "tcp":
        return f"port {path.port} {path.port_state}" if said in ("syn-ack", "rst") else said
    return {"datagram": "its service answered", "port-unreachable": "port closed", ECHO_REPLY: "echo"}.get(
        said, said
    )


_SEVERAL = {
    "per-probe": "several hosts at one hop: each probe is its own flow and may take its own way",
    "fixed": "several hosts at one hop, on one flow: the path changed, or packets are balanced one by one",
}
_ENDS = {
    "silent": "the target is silent",
    "unreachable": "the target is unreachable",
    "prohibited": "filtered on the way",
    "loop": "routing loop",
    "ttl-exhausted": "farther than the last TTL",
    "local-failure": "not sent: this host knows no way to the next hop",
    "interrupted": "interrupted",
    "deadline": "stopped by --deadline",
}
