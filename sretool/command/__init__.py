"""What every command is made of: shared options, one run, one answer, one exit code."""

from sretool.command.run import Look, Run
from sretool.command.runner import command
from sretool.command.spec import How

__all__ = ["How", "Look", "Run", "command"]
