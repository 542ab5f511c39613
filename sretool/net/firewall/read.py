"""The rules of this namespace that drop packets, and how often they did."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import NamedTuple

from sretool.errors import Denied, Missing, ParseError, SourceError, SretoolError, Unreadable, Unsupported
from sretool.host.identity import identity
from sretool.host.source import Clock, Completed, Source
from sretool.net.firewall import iptables, nft
from sretool.net.firewall.model import Chain, Firewall, Rule
from sretool.report.escape import text

TIMEOUT_S = 20.0
PRINTED_AT_MOST = 16 << 20  # where a Source cuts: some 45,000 rules
MODULE = "/sys/module/nf_tables"
DENIED = "Operation not permitted"
HINT = "run with sudo: the rules need CAP_NET_ADMIN"


class Ask(NamedTuple):
    """What to read: `texts`, the words of nftables' rules too."""

    texts: bool = True


EVERYTHING = Ask()
COUNTERS = Ask(texts=False)
"""All that is compared with a second reading."""


class Sample(NamedTuple):
    """One reading; None where it could not be asked. `iptables` is empty where there are no such tables.
    `installed`: whether nft is, where it is needed.
    """

    clock: Clock
    nftables: nft.Ruleset | None
    iptables: list[nft.Ruleset] | None
    errors: list[SretoolError]
    installed: bool = True


def sample(source: Source, ask: Ask = EVERYTHING) -> Sample:
    """Ask nft, and iptables where it has tables of its own; what could not be read is in `errors`."""
    errors: list[SretoolError] = []
    clock = source.clock()
    ruleset, installed = None, True
    try:
        if _loaded(source):
            raw = _run(source, nft.RULES)
            words = nft.texts(_run(source, nft.TEXTS)) if ask.texts and b'"rule"' in raw else {}
            ruleset = nft.parse(raw, words)
        else:
            ruleset = nft.Ruleset([], [])
    except Missing:
        installed = False
    except (SourceError, ParseError) as error:
        errors.append(error)
    return Sample(clock, ruleset, _iptables(source, errors), errors, installed)


def _loaded(source: Source) -> bool:
    """Whether the kernel may have rules of nftables: where nf_tables is a module that is not loaded there are
    none, and to ask for them would load it.
    """
    try:
        source.stat(MODULE)
    except Missing:
        with contextlib.suppress(SourceError, ParseError):
            release = identity(source).kernel
            return b"/nf_tables.ko" in source.read(f"/lib/modules/{release}/modules.builtin")
    except SourceError:
        pass
    return True


def _run(source: Source, argv: tuple[str, ...]) -> bytes:
    done = source.run(argv, TIMEOUT_S)
    if done.exit_code != 0:
        raise _failure(argv[0], done)
    if len(done.stdout) >= PRINTED_AT_MOST:
        raise Unreadable(argv[0], f"prints more than {PRINTED_AT_MOST >> 20} MiB of rules")
    return done.stdout


def _failure(name: str, done: Completed) -> SretoolError:
    said = text(done.stderr).strip().splitlines()
    if any(word in text(done.stderr) for word in ("not permitted", "Permission denied", "must be root")):
        return Denied(name, DENIED, HINT)
    return ParseError(name, said[0][:200] if said else f"exit code {done.exit_code}")


def _iptables(source: Source, errors: list[SretoolError]) -> list[nft.Ruleset] | None:
    """None when it cannot be known whether there are such tables, or what is in them."""
    found: list[nft.Ruleset] = []
    known = True
    for family, path in iptables.NAMES.items():
        try:
            if source.read(path).strip():
                found.append(iptables.parse(_saved(source, family), family))
        except Missing:  # not in this kernel, or not loaded
            continue
        except (SourceError, ParseError) as error:
            # in nft's words, so that a user without rights reads it once
            errors.append(Denied(error.what, DENIED, HINT) if isinstance(error, Denied) else error)
            known = False
    return found if known else None


def _saved(source: Source, family: str) -> bytes:
    for argv in iptables.SAVES[family]:
        try:
            saved = _run(source, argv)
        except Missing:
            continue
        if b"(nf_tables)" not in saved.partition(b"\n")[0]:
            return saved
    name = iptables.SAVES[family][0][0]
    raise Unsupported(name, "not installed, and there are tables of legacy iptables")


def build(now: Sample, before: Sample | None = None) -> Firewall:
    """What drops here, those rules first that did most of it in the sample. That nft is not installed, which
    a recording need not complain of, is noted in `now.errors` here.
    """
    if not now.installed:
        now.errors.append(Unsupported("nft", "not installed, so rules of nftables cannot be listed"))
    window = now.clock.mono - before.clock.mono if before is not None else None
    if window is not None and window <= 0:  # another boot: no rates
        before = window = None
    rules = _rules(now)
    if before is not None and window is not None:
        earlier = _by_key(_rules(before))
        for key, row in _by_key(rules).items():
            old = earlier.get(key)
            if old is None or old.packets is None or row.packets is None or row.packets < old.packets:
                continue  # made since, or set back
            row.dropped = row.packets - old.packets
            row.dropped_per_s = row.dropped / window
    rules.sort(key=_rank)
    chains = [chain for ruleset in _rulesets(now) for chain in ruleset.chains]
    chains.sort(key=_order)
    return Firewall(
        window_s=window,
        nftables=None if now.nftables is None else bool(now.nftables.chains or now.nftables.rules),
        iptables=None if now.iptables is None else bool(now.iptables),
        rules=rules,
        total=len(rules),
        uncounted=sum(row.packets is None for row in rules),
        chains=chains,
    )


def _rulesets(sample: Sample) -> list[nft.Ruleset]:
    return [*([sample.nftables] if sample.nftables is not None else []), *(sample.iptables or [])]


def _rules(sample: Sample) -> list[Rule]:
    return [rule for ruleset in _rulesets(sample) for rule in ruleset.rules]


def _by_key(rules: list[Rule]) -> dict[tuple[object, ...], Rule]:
    """By what a rule is known by: its handle, else its words and how many before it say the same."""
    seen: Counter[tuple[object, ...]] = Counter()
    found: dict[tuple[object, ...], Rule] = {}
    for row in rules:
        which = row.handle if row.handle is not None else row.rule
        key = (row.backend, row.family, row.table, row.chain, which)
        seen[key] += 1
        numbered = (*key, seen[key])
        found[numbered] = row
    return found


def _rank(row: Rule) -> tuple[float, int, str, str, str]:
    return -(row.dropped or 0), -(row.packets or 0), row.family, row.table, row.chain


def _order(row: Chain) -> tuple[str, str, int, str, str]:
    return row.family, row.hook, row.priority or 0, row.table, row.chain
