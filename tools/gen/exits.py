"""What each exit code means, in the words that manual pages and docs share."""

from __future__ import annotations

from sretool.errors import ExitCode

MEANINGS = {
    ExitCode.OK: "It ran, and found nothing at or above --fail-on.",
    ExitCode.WARNING: "The worst finding is a warning.",
    ExitCode.CRITICAL: "The worst finding is critical.",
    ExitCode.CANNOT_LOOK: "sretool could not look: denied, not in the recording, no route or socket of its "
    "own, or the deadline came before any verdict.",
    ExitCode.USAGE: "Usage error: unknown option, bad value, unreadable or foreign --from file.",
    ExitCode.BUG: "A bug in sretool. The message says where the report was written.",
    ExitCode.INTERRUPTED: "Interrupted (SIGINT); what was known so far was printed.",
    ExitCode.PIPE_CLOSED: "The reader of standard output went away.",
    ExitCode.TERMINATED: "Terminated (SIGTERM).",
}


def default(judges: bool) -> str:
    """Which threshold a command has without --fail-on."""
    if judges:
        return "This command judges: --fail-on is warning unless given."
    return "This command lists: --fail-on is never unless given, so findings do not change the exit status."
