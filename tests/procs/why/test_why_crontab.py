"""Which line of a crontab started a command."""

from __future__ import annotations

import pytest

from sretool.procs.why.crontab import entries, match

SYSTEM = b"""\
# m h dom mon dow user command
SHELL=/bin/sh
PATH = /usr/bin
17 *  * * *  root  cd / && run-parts --report /etc/cron.hourly
@reboot alice /srv/start.sh
too few
*/5 * * * * www-data mail -s "50\\% full" root%body
"""
OWN = b"30 4 * * 1 /home/alice/backup.sh --all\n"
TABS = {"/etc/crontab": SYSTEM, "/var/spool/cron/crontabs/alice": OWN}


def test_a_system_crontab_has_a_column_for_the_user() -> None:
    found = list(entries("/etc/crontab", SYSTEM))
    assert [(job.number, job.schedule, job.user) for job in found] == [
        (4, "17 * * * *", "root"),
        (5, "@reboot", "alice"),
        (7, "*/5 * * * *", "www-data"),
    ]
    assert found[2].command == 'mail -s "50% full" root'


def test_a_users_own_has_none() -> None:
    (job,) = entries("/var/spool/cron/crontabs/alice", OWN)
    assert (job.user, job.schedule, job.command) == ("alice", "30 4 * * 1", "/home/alice/backup.sh --all")


@pytest.mark.parametrize(
    ("commands", "user", "number"),
    [
        ([["/bin/sh", "-c", "cd / && run-parts --report /etc/cron.hourly"]], "root", 4),
        ([["/home/alice/backup.sh", "--all"]], "alice", 1),  # the shell made way for it
        ([["/bin/sh", "/srv/start.sh"]], "alice", 5),
        ([["run-parts"], ["/bin/sh", "/etc/cron.hourly/fake"]], "root", 4),
    ],
)
def test_the_line_is_found(commands: list[list[str]], user: str, number: int) -> None:
    assert [job.number for job in match(TABS, commands, user)] == [number]


def test_what_no_line_says_is_not_guessed() -> None:
    assert match(TABS, [["sleep", "5"]], "root") == []
    assert match({"/etc/crontab": b"\xff\x00\n* * *"}, [["sleep", "5"]], None) == []
