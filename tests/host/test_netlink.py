from __future__ import annotations

import errno
import struct
import threading
import time

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_netns import Inside, Namespace

from sretool.errors import Missing, ParseError, SourceError, SretoolError
from sretool.host import interfaces, netlink
from sretool.host.live import Live
from sretool.host.source import Dump, Frames


def test_status_tells_end_and_change():
    assert netlink._status(frames.LINKS, "x") == (True, False)
    assert netlink._status(frames.link_message(1, "lo"), "x") == (False, False)
    changed = frames.message(16, bytes(16), flags=2 | netlink.NLM_F_DUMP_INTR)
    assert netlink._status(changed + frames.DONE, "x") == (True, True)


@pytest.mark.parametrize("kind", [netlink.NLMSG_ERROR, netlink.NLMSG_DONE])
def test_an_errno_in_the_answer_is_raised(kind):
    with pytest.raises(Missing):
        netlink._status(frames.message(kind, struct.pack("=i", -errno.ENOENT) + bytes(16)), "x")
    assert netlink._status(frames.message(kind, bytes(20)), "x") == (True, False)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(raw):
    for read in (lambda: netlink._status(raw, "x"), lambda: list(netlink.messages(raw))):
        try:
            read()
        except (ParseError, SourceError):
            pass


def test_a_kernel_that_refuses_is_an_error():
    with pytest.raises(SretoolError):
        netlink.dump(Dump("nonsense", netlink.NETLINK_ROUTE, 9999, netlink.NLM_F_DUMP, b"\0" * 16))
    with pytest.raises(SretoolError):
        netlink.dump(interfaces.LINKS, "/run/netns/there-is-none-of-this-name")


def test_a_live_dump_is_complete():
    assert netlink.dump(interfaces.LINKS).consistent
    assert interfaces.read(Live())[1] == "lo"


def test_a_table_that_changed_is_noted_once():
    errors: list[SretoolError] = []
    assert netlink.noted(Frames([b"x"], True), "k", errors) == [b"x"]
    assert errors == []
    assert netlink.noted(Frames([b"x"], False), "k", errors) == [b"x"]
    assert [error.code for error in errors] == ["inconsistent"]


@pytest.mark.lab
def test_another_namespace_is_read_and_ours_is_kept():
    with Namespace() as ns:
        ns.batch("link add onlythere type bridge\n")
        assert "onlythere" in interfaces.read(Inside(ns.path)).values()
        assert "onlythere" not in interfaces.read(Live()).values()


@pytest.mark.lab
def test_a_table_that_changes_under_the_dump_is_seen():
    """Addresses come and go while we read: the kernel flags it (pyroute2 0.9 does not look)."""
    with Namespace() as ns:
        ns.batch(
            "link add br0 type bridge\n"
            + "".join(f"addr add 10.{n // 250}.{n % 250}.1/32 dev br0\n" for n in range(3000))
        )
        stop = threading.Event()

        def churn() -> None:
            while not stop.is_set():
                ns.batch("addr add 10.99.0.1/32 dev br0\naddr del 10.99.0.1/32 dev br0\n" * 50)

        thread = threading.Thread(target=churn)
        thread.start()
        try:
            request = Dump("route/addrs", netlink.NETLINK_ROUTE, 22, netlink.NLM_F_DUMP, bytes(8))
            end = time.monotonic() + 30
            while not netlink._exchange(request, ns.path)[1]:
                assert time.monotonic() < end, "never told of a change"
        finally:
            stop.set()
            thread.join()
