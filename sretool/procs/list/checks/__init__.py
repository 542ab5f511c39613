"""What is wrong with this host's processes."""

from sretool.procs.list.checks.limits import fd_limit, thread_limit
from sretool.procs.list.checks.running import realtime_hog, swapped_hot
from sretool.procs.list.checks.states import disk_sleep, zombies

CHECKS = (disk_sleep, zombies, fd_limit, thread_limit, realtime_hog, swapped_hot)
