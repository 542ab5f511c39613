"""What is wrong with this host's control groups."""

from sretool.cgroups.checks import cpu, memory, tasks

CHECKS = (*cpu.CHECKS, *memory.CHECKS, *tasks.CHECKS)
