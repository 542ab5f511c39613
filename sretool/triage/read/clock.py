"""Whether anything keeps the host's clock right."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from sretool.errors import ParseError

STA_UNSYNC = 0x0040  # include/uapi/linux/timex.h

# Units that discipline the clock. phc2sys and ptp4l do it from PTP hardware.
TIME_SERVICES = frozenset(
    f"{name}.service"
    for name in (
        "chrony",
        "chronyd",
        "ntp",
        "ntpd",
        "ntpd-rs",
        "ntpsec",
        "openntpd",
        "phc2sys",
        "ptp4l",
        "systemd-timesyncd",
    )
)


class KernelClock(NamedTuple):
    """adjtimex(2). `max_error_s` grows by 500 ppm while nothing corrects the clock, up to 16 s,
    where the kernel sets STA_UNSYNC (kernel/time/ntp.c, second_overflow).
    """

    synchronised: bool
    max_error_s: float
    offset_us: int


_Long = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class _Timex(msgspec.Struct):
    """The part of the fact that is used; longs, as in struct timex."""

    status: _Long
    offset: _Long
    max_error_us: _Long


class TimeServices(NamedTuple):
    """Which services that set the clock run here, and which are set up to run."""

    running: tuple[str, ...]
    enabled: tuple[str, ...]


def parse_adjtimex(raw: bytes) -> KernelClock:
    """The fact `adjtimex`.

    Raises:
        ParseError: it is not the object of numbers it should be.
    """
    try:
        found = msgspec.json.decode(raw, type=_Timex)
    except msgspec.MsgspecError as error:
        raise ParseError("fact adjtimex", str(error)) from None
    return KernelClock(not found.status & STA_UNSYNC, found.max_error_us / 1e6, found.offset)


def time_services(running: list[str], enabled: list[str]) -> TimeServices:
    """Of cgroup names below system.slice (a unit's cgroup exists while it runs) and names of
    enabled units: the time services.
    """
    return TimeServices(
        tuple(sorted(TIME_SERVICES.intersection(running))), tuple(sorted(TIME_SERVICES.intersection(enabled)))
    )
