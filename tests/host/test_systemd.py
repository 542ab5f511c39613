"""What `systemctl show` prints, as units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import Denied, Missing, ParseError, SretoolError
from sretool.host import systemd
from sretool.host.fake import Fake
from sretool.host.source import Completed, Stat

SHOWN = rb"""Type=simple
Restart=always
RestartUSec=1min 30s
MainPID=458
NRestarts=3
ExecMainStartTimestampMonotonic=34610797
ExecMainCode=0
ExecMainStatus=0
User=www-data
ControlGroup=/system.slice/tick.service
Slice=system.slice
Id=tick.service
Names=tick.service tock.service
RequiredBy="system-serial\\x2dgetty.slice" "a\\x20b.service"
WantedBy=multi-user.target
TriggeredBy=tick.timer
Description=a clock\nthat ticks
FragmentPath=/etc/systemd/system/tick.service
DropInPaths=/etc/systemd/system/tick.service.d/a.conf /run/b.conf
Transient=no
StartLimitBurst=[not set]
StartLimitIntervalUSec=infinity

Triggers=tick.service
TimersCalendar={ OnCalendar=*-*-* *:*:00/5 ; next_elapse=Wed 2026-11-25 03:27:45 UTC }
TimersMonotonic={ OnBootUSec=1s ; next_elapse=1s }
LastTriggerUSecMonotonic=34.491685s
Persistent=yes
Id=tick.timer

Listen=127.0.0.1:7777 (Stream)
Listen=/run/echo (Stream)
Accept=yes
NAccepted=2
Id=echo.socket
"""


def booted(done: Completed) -> Fake:
    return Fake(runs={"systemctl": done}, stats={systemd.BOOTED: Stat(0o40755, 1, 1, 0, 40, 0, 0.0)})


def test_a_service() -> None:
    unit = systemd.parse(SHOWN)["tick.service"]
    assert (unit.main_pid, unit.restarts, unit.restart, unit.user) == (458, 3, "always", "www-data")
    assert (unit.restart_delay_us, unit.exec_main_start_us) == (90_000_000, 34_610_797)
    assert (unit.exec_main_code, unit.exec_main_status) == (None, None)
    assert unit.names == ("tick.service", "tock.service")
    assert unit.required_by == (r"system-serial\x2dgetty.slice", r"a\x20b.service")
    assert unit.triggered_by == ("tick.timer",)
    assert unit.drop_in_paths[1] == "/run/b.conf"
    assert (unit.start_limit_burst, unit.start_limit_interval_us, unit.transient) == (None, None, False)


def test_a_timer_and_a_socket() -> None:
    units = systemd.parse(SHOWN)
    assert units["tick.timer"].schedule == ("OnCalendar=*-*-* *:*:00/5", "OnBootUSec=1s")
    assert (units["tick.timer"].last_trigger_us, units["tick.timer"].persistent) == (34_491_685, True)
    assert units["echo.socket"].listen == ("127.0.0.1:7777 (Stream)", "/run/echo (Stream)")
    assert (units["echo.socket"].accept, units["echo.socket"].accepted) == (True, 2)
    assert units["echo.socket"].restarts is None


def test_where_systemd_is_not_the_init_there_is_nothing_and_no_error() -> None:
    errors: list[SretoolError] = []
    assert systemd.units(Fake(runs={"systemctl": Completed(0, SHOWN, b"")}), errors) == {}
    assert errors == []
    with pytest.raises(Missing):
        systemd.read(Fake())


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [(b"Failed to connect to bus: No such file\n", Denied), (b"boom\n", ParseError), (b"", ParseError)],
)
def test_a_systemctl_that_fails_is_an_error(stderr: bytes, kind: type[SretoolError]) -> None:
    errors: list[SretoolError] = []
    assert systemd.units(booted(Completed(1, b"", stderr)), errors) == {}
    assert [type(error) for error in errors] == [kind]


def test_units_by_name() -> None:
    assert set(systemd.units(booted(Completed(0, SHOWN, b"")), [])) == {
        "tick.service", "tick.timer", "echo.socket"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("0", 0),
        ("100ms", 100_000),
        ("1min 30.5s", 90_500_000),
        ("2w 1d 3h 4min", 2 * 604_800_000_000 + 86_400_000_000 + 3 * 3_600_000_000 + 240_000_000),
        ("infinity", None),
        ("", None),
        ("5 parsecs", None),
    ],
)
def test_time_spans(text: str, us: int | None) -> None:
    assert systemd.span_us(text) == us


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        (1, 3, "exited with code 3"),
        (2, 9, "was killed by SIGKILL"),
        (3, 11, "was killed by SIGSEGV and dumped core"),
        (2, 4000, "was killed by signal 4000"),
        (None, None, ""),
    ],
)
def test_how_a_process_ended(code: int | None, status: int | None, words: str) -> None:
    assert systemd.ending(code, status) == words


lines = st.sampled_from(SHOWN.splitlines()) | st.binary(max_size=40)


@given(st.lists(lines, max_size=40))
def test_any_bytes_give_units_or_nothing(found: list[bytes]) -> None:
    for name, unit in systemd.parse(b"\n".join(found)).items():
        assert name
        assert unit.name == name
