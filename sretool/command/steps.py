"""The next steps of findings, as whoever reads them here can take them: a check does not know which
command it serves, nor whether it judges a recording.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import msgspec

from sretool.report.answer import Finding
from sretool.report.escape import clean

# what changes how an answer is shown and not what is looked at; True: it takes a value
_SHOWS = {
    **dict.fromkeys(("--json", "--jsonl", "-w", "--watch", "-q", "--quiet", "-v", "--verbose"), False),
    **dict.fromkeys(("--from", "--sample", "-c", "--count", "--color", "--fail-on", "--deadline"), True),
    "--debug": False,
}


def ahead(
    findings: Sequence[Finding], typed: Sequence[str], same: str, recording: str | None
) -> list[Finding]:
    """The findings without steps that only repeat this command, and on a `recording` with steps that
    look at it and not at the host they are typed on.

    Args:
        findings: of this answer.
        typed: the arguments of this invocation.
        same: another way to write this command; empty when there is none.
        recording: the file named by --from; None on this host.
    """
    done = {shlex.join(["sretool", *words]) for words in (typed, list(_plain(typed)))} | {same}
    return [
        msgspec.structs.replace(
            finding, next=[_at(step, recording) for step in finding.next if step not in done]
        )
        for finding in findings
    ]


def _plain(words: Sequence[str]) -> Iterator[str]:
    rest = iter(words)
    for word in rest:
        flag, equals, _ = word.partition("=")
        if flag not in _SHOWS:
            yield word
        elif _SHOWS[flag] and not equals:
            next(rest, None)


def _at(step: str, recording: str | None) -> str:
    # a watch is of the host: a recording does not change
    if recording is None or not step.startswith("sretool ") or " -w" in step:
        return step
    return f"sretool --from {shlex.quote(clean(recording))} {step.removeprefix('sretool ')}"
