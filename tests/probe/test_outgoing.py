"""What a kernel's refusal means, in words that help."""

from __future__ import annotations

import errno

import pytest

from sretool.errors import NoRoute, UsageError
from sretool.probe import outgoing
from sretool.probe.live import Leaving
from sretool.probe.resolve import Address

TARGET = Address(4, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EPERM, "firewall"),
        (errno.ENOBUFS, "queue is full"),
        (errno.EMFILE, "ulimit"),
        (errno.ENETDOWN, "went down"),
        (errno.ENODEV, "is gone"),
        (errno.ENXIO, "is gone"),
        (errno.ENETUNREACH, "no route any more"),
        (errno.EMSGSIZE, "MTU"),
    ],
)
def test_a_failed_send(number: int, hint: str) -> None:
    failed = outgoing.failed(OSError(number, "simulated"), TARGET)
    assert (failed.errno, failed.what) == (number, "127.0.0.1")
    assert hint in failed.hint


def test_a_failure_nobody_foresaw_is_told_as_it_is() -> None:
    failed = outgoing.failed(OSError(errno.EXDEV, "simulated"), TARGET)
    assert (failed.message, failed.hint) == ("Invalid cross-device link", "")
    assert outgoing.failed(OSError("no number"), TARGET).errno == errno.EIO


@pytest.mark.parametrize(
    ("target", "number", "raised", "said"),
    [
        (Address(4, "192.0.2.1", 0), errno.ENETUNREACH, NoRoute, "no route to it through eth7"),
        (Address(4, "192.0.2.1", 0), errno.EINVAL, NoRoute, "black hole"),
        (Address(6, "2001:db8::1", 0), errno.EACCES, NoRoute, "prohibits"),
        (Address(6, "2001:db8::1", 0), errno.EAFNOSUPPORT, NoRoute, "switched off"),
        (Address(6, "fe80::1", 0), errno.EINVAL, UsageError, "needs a zone"),
    ],
)
def test_no_way_to_a_target(target: Address, number: int, raised: type, said: str) -> None:
    error = outgoing.cannot_open(OSError(number, "simulated"), Leaving(interface="eth7"), target)
    assert isinstance(error, raised)
    assert said in str(error)
