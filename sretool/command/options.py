"""The options that mean the same everywhere. A command names the sets it takes; the walker that
writes man pages and completions reads the same table.
"""

from __future__ import annotations

import inspect
from enum import Enum
from typing import Annotated, Any, Optional

import typer
from msgspec import Struct


class Color(str, Enum):
    """When to colour."""

    auto = "auto"
    always = "always"
    never = "never"


class FailOn(str, Enum):
    """From which severity findings change the exit code."""

    warning = "warning"
    critical = "critical"
    never = "never"


def _option(*names: str, help: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, **more)


# name -> (annotation, default). The order here is the order in help.
SHARED: dict[str, tuple[Any, Any]] = {
    "json": (Annotated[bool, _option("--json", help="One JSON document on stdout.")], False),
    "jsonl": (
        Annotated[
            bool, _option("--jsonl", help="One JSON object a line: rows, or one answer a sample with -w.")
        ],
        False,
    ),
    "csv": (Annotated[bool, _option("--csv", help="Comma-separated values, for a spreadsheet.")], False),
    "markdown": (Annotated[bool, _option("--markdown", help="Markdown, to paste into a ticket.")], False),
    "dot": (Annotated[bool, _option("--dot", help="A graph for Graphviz.")], False),
    "from_file": (
        Annotated[
            Optional[str],
            _option("--from", help="A recording instead of this host.", metavar="FILE"),
        ],
        None,
    ),
    "fields": (
        Annotated[
            Optional[str],
            _option("--fields", help="Show these fields, in this order; JSON too.", metavar="A,B,…"),
        ],
        None,
    ),
    "sort": (
        Annotated[
            Optional[str],
            _option(
                "--sort",
                help="Order by FIELD: numbers largest first, text A to Z; -FIELD reverses.",
                metavar="FIELD",
            ),
        ],
        None,
    ),
    "limit": (
        Annotated[
            Optional[int],
            _option(
                "--limit",
                help="Show at most N rows, 0 = all. A terminal shows what fits.",
                metavar="N",
                min=0,
            ),
        ],
        None,
    ),
    "sample": (
        Annotated[
            float,
            _option(
                "--sample",
                help="Seconds between the two readings; 0 = one reading, no rates.",
                metavar="S",
                min=0,
                max=3600,
            ),
        ],
        1.0,
    ),
    "watch": (
        Annotated[bool, _option("-w", "--watch", help="Repeat every --sample seconds until ^C.")],
        False,
    ),
    "count": (
        Annotated[
            Optional[int],
            _option(
                "-c", "--count", help="Stop after N answers of a watch, or N changes.", metavar="N", min=1
            ),
        ],
        None,
    ),
    "changes": (
        Annotated[
            bool,
            _option("--changes", help="Show what comes, changes and goes, as it does, until ^C or --count."),
        ],
        False,
    ),
    "four": (Annotated[bool, _option("-4", help="IPv4 only.")], False),
    "six": (Annotated[bool, _option("-6", help="IPv6 only.")], False),
    "interface": (
        Annotated[
            Optional[str], _option("-i", "--interface", help="Send from this interface.", metavar="IFACE")
        ],
        None,
    ),
    "timeout": (
        Annotated[
            Optional[float],
            _option(
                "--timeout", help="Longest wait for one reply, seconds.", metavar="S", min=0.01, max=3600
            ),
        ],
        None,
    ),
    "resolve": (Annotated[bool, _option("--resolve", help="Names for addresses, by reverse DNS.")], False),
    "asn": (
        Annotated[
            bool, _option("--asn", help="The AS of each public address, asked of asn.cymru.com by DNS.")
        ],
        False,
    ),
    "asn_zone": (
        Annotated[
            Optional[str],
            _option("--asn-zone", help="--asn, but asked under this zone.", metavar="ZONE"),
        ],
        None,
    ),
    "asn_file": (
        Annotated[
            Optional[str],
            _option(
                "--asn-file", help="ASes from an MMDB file (GeoLite2-ASN, IPinfo), not DNS.", metavar="FILE"
            ),
        ],
        None,
    ),
    "resolver": (
        Annotated[
            Optional[str],
            _option(
                "--resolver",
                help="Ask this name server, not those of resolv.conf.",
                metavar="ADDR[#PORT]",
            ),
        ],
        None,
    ),
    "fail_on": (
        Annotated[
            Optional[FailOn], _option("--fail-on", help="From which severity findings set the exit code.")
        ],
        None,
    ),
    "set_": (
        Annotated[
            Optional[list[str]],
            _option(
                "--set",
                help="Another threshold for a check; may be repeated.",
                metavar="CHECK.THRESHOLD=VALUE",
            ),
        ],
        None,
    ),
    "deadline": (
        Annotated[
            Optional[float],
            _option(
                "--deadline",
                help="Longest run of the whole command, seconds.",
                metavar="S",
                min=0.01,
                max=86400,
            ),
        ],
        None,
    ),
    "how": (
        Annotated[
            bool, _option("--how", help="Show the stock commands and files behind the numbers, and stop.")
        ],
        False,
    ),
    "color": (Annotated[Color, _option("--color", help="Colour the output.")], Color.auto),
    "quiet": (Annotated[bool, _option("-q", "--quiet", help="No notes on stderr.")], False),
    "verbose": (
        Annotated[bool, _option("-v", "--verbose", help="More detail; every problem on its own line.")],
        False,
    ),
    "debug": (Annotated[bool, _option("--debug", help="A traceback where something goes wrong.")], False),
}

PATTERN = "A part of the name, or a pattern with * ? [] for the whole name."
"""For the help of options that go by `host.attribution.matches`."""

EVERY = ("json", "how", "color", "quiet", "verbose", "debug", "deadline")
FORMS = ("csv", "markdown", "dot")
SETS: dict[str, tuple[str, ...]] = {
    **{form: (form,) for form in FORMS},
    "passive": ("from_file",),
    "list": ("fields", "sort", "limit", "jsonl"),
    "interval": ("sample",),
    "comparable": ("sample",),
    "sampled": ("sample", "watch", "count", "jsonl"),
    "followed": ("changes", "count", "jsonl"),
    "family": ("four", "six"),
    "network": ("interface", "timeout"),
    "resolving": ("resolve", "resolver"),
    "origins": ("asn", "asn_zone", "asn_file"),
    "judging": ("fail_on",),
    "thresholds": ("set_",),
}


# where one reading is the rule, and a second one is asked for
DEFAULTS: dict[str, dict[str, Any]] = {"comparable": {"sample": 0.0}}


class Options(Struct, frozen=True):
    """The shared options of one invocation; those a command does not take keep their default."""

    json: bool = False
    jsonl: bool = False
    csv: bool = False
    markdown: bool = False
    dot: bool = False
    from_file: str | None = None
    fields: str | None = None
    sort: str | None = None
    limit: int | None = None
    sample: float = 1.0
    watch: bool = False
    count: int | None = None
    changes: bool = False
    four: bool = False
    six: bool = False
    interface: str | None = None
    timeout: float | None = None
    resolve: bool = False
    asn: bool = False
    asn_zone: str | None = None
    asn_file: str | None = None
    resolver: str | None = None
    fail_on: FailOn | None = None
    set_: list[str] | None = None
    deadline: float | None = None
    how: bool = False
    color: Color = Color.auto
    quiet: bool = False
    verbose: bool = False
    debug: bool = False

    @property
    def form(self) -> str | None:
        """The form of output beside text and JSON that was asked for; of several the first."""
        return next((name for name in FORMS if getattr(self, name)), None)

    @property
    def family(self) -> int | None:
        """4, 6, or None for both."""
        return 4 if self.four and not self.six else 6 if self.six and not self.four else None


def names(sets: tuple[str, ...]) -> list[str]:
    """The shared options that these sets make, in help order."""
    wanted = set(EVERY)
    for name in sets:
        wanted.update(SETS[name])
    return [name for name in SHARED if name in wanted]


def parameters(sets: tuple[str, ...]) -> list[inspect.Parameter]:
    """Keyword parameters to add to a command's signature."""
    other = {name: value for set_ in sets for name, value in DEFAULTS.get(set_, {}).items()}
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=other.get(name, SHARED[name][1]),
            annotation=SHARED[name][0],
        )
        for name in names(sets)
    ]


def flags() -> dict[str, bool]:
    """Every shared flag, and whether it takes a value: what may stand before the command too."""
    found: dict[str, bool] = {}
    for annotation, _default in SHARED.values():
        base, info = annotation.__args__[0], annotation.__metadata__[0]
        for flag in (info.default, *(info.param_decls or ())):
            found[flag] = base is not bool
    return found
