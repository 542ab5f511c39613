from __future__ import annotations

import frames
import msgspec
import pytest
from frames import attribute
from hypothesis import given
from hypothesis import strategies as st

from sretool.command import Look
from sretool.host.fake import Fake
from sretool.host.source import Clock
from sretool.report.check import judge
from sretool.report.terminal import Terminal
from sretool.sockets.show import read
from sretool.sockets.show.checks import CHECKS
from sretool.sockets.show.model import Detail, Shown
from sretool.sockets.show.notes import notes
from sretool.sockets.show.target import parse
from sretool.sockets.show.view import shown as view

PROBE, RETRANSMIT, KEEPALIVE = 4, 1, 2
LIMITS = {"tcp_retries2": 15, "tcp_syn_retries": 6, "tcp_keepalive_probes": 9}


def host(*raw: bytes, at: float = 10.0) -> Fake:
    return Fake({}, netlink={"inet-diag/tcp/4": [b"".join(raw)]}, clock=Clock(at, at, at))


def one(
    *, state: int = 1, queues=(0, 0), timer=(0, 0), tries: int = 0, memory: bytes = b"", size=280, **info: int
) -> bytes:
    return frames.socket_message(
        "10.0.0.1",
        80,
        "10.0.0.2",
        5000,
        state=state,
        queues=queues,
        timer=timer,
        retransmits=tries,
        attributes=(frames.tcp_info(size, **info) if state != 10 else b"") + memory,
    )


def shown(now: bytes, before: bytes | None = None) -> Shown:
    ask = read.Ask(parse(":80"), owners=False)
    earlier = None if before is None else read.sample(host(before, at=8.0), ask)
    data = read.build(read.sample(host(now), ask), earlier, read.Around(LIMITS, {}, {}, []))
    for socket in data.sockets:
        socket.notes = notes(socket, LIMITS)
    return data


def detail(now: bytes, before: bytes | None = None) -> Detail:
    [found] = shown(now, before).sockets
    return found


def texts(now: bytes, before: bytes | None = None) -> dict[str, str]:
    return {note.id: f"{note.severity}: {note.text}" for note in detail(now, before).notes}


def test_nothing_stands_out_of_a_healthy_one():
    healthy = one(
        rtt_us=12_000, min_rtt_us=11_000, bytes_sent=10**6, busy_us=10**6, snd_wnd_bytes=65536, snd_cwnd=10
    )
    assert texts(healthy) == {}


def test_receiver_limited_by_the_sample_and_since_it_opened():
    before = one(busy_us=1_000_000, rwnd_limited_us=0)
    now = one(busy_us=3_000_000, rwnd_limited_us=1_660_000)
    found = detail(now, before)
    [note] = found.notes
    assert note.text.startswith("receiver-limited 83% of busy time in the sample, 55% since it opened")
    assert (note.severity, note.formula) == ("warning", "rwnd_limited / busy_time")
    assert note.fields["tcpi_rwnd_limited_ms"] == 1660
    assert texts(now)["receiver-limited"].startswith("info: receiver-limited 55% of busy time:")


def test_a_field_the_kernel_does_not_have_is_null():
    note = next(
        n for n in detail(one(size=104, rtt_us=180_000, timer=(RETRANSMIT, 9), tries=1, rto_us=200_000)).notes
    )
    assert note.id == "unanswered"
    sending = detail(one(size=104)).tcp.sending
    assert sending.rwnd_limited_ratio is sending.window_bytes is sending.busy_ms is None
    assert detail(one(size=104)).tcp.round_trip.rtt_min_ms is None


def test_send_buffer_and_path():
    before = one(busy_us=0)
    assert "send-buffer-limited" in texts(one(busy_us=2_000_000, sndbuf_limited_us=500_000), before)
    busy = texts(one(busy_us=2_000_000, snd_cwnd=12, snd_mss_bytes=1448, rtt_us=100_000), before)
    assert busy == {
        "path-limited": "info: busy 100% of the sample, and neither end's buffer held it up: the path did "
        "(cwnd 12, 170KB/s)"
    }


def test_retransmitting():
    lossy = one(bytes_sent=100_000, bytes_retrans=4_100, total_retrans=4)
    assert texts(lossy) == {"retransmitting": "warning: retransmitting 4.1% of bytes, 4 segments"}
    assert texts(lossy, lossy)["retransmitting"].startswith("info: ")  # not now
    old = one(size=160, data_segs_out=100, total_retrans=10)
    assert texts(old)["retransmitting"] == "warning: retransmitting 10% of segments, 10 segments"
    assert texts(one(bytes_sent=100_000, bytes_retrans=100, total_retrans=3)) == {}
    needless = one(bytes_sent=10**9, total_retrans=10, dsack_dups=8)
    assert texts(needless)["needless-retransmits"].startswith("info: 8 of 10")


def test_bufferbloat():
    assert texts(one(rtt_us=180_000, min_rtt_us=12_000)) == {
        "bufferbloat": "warning: bufferbloat: rtt 180 ms against a minimum of 12.0: "
        "168 ms are spent in queues"
    }
    assert texts(one(rtt_us=180_000, min_rtt_us=150_000)) == {}
    assert texts(one(rtt_us=180_000, min_rtt_us=0xFFFFFFFF)) == {}


def test_waiting_for_an_acknowledgement():
    # 200 ms doubled to 0.4, 0.8, 1.6 and 6.4 s: three tries took 1.4 s
    raw = one(timer=(RETRANSMIT, 1_600), tries=3, rto_us=1_600_000, backoff=3, unacked=1)
    assert texts(raw)["unanswered"] == (
        "warning: waiting for an acknowledgement for 1.4 s, 4th try, next in 1.6 s; "
        "it gives up after 15 retries"
    )
    early = one(timer=(RETRANSMIT, 100), tries=1, rto_us=400_000, backoff=1)
    assert texts(early)["unanswered"].startswith("info: waiting for an acknowledgement for 500 ms, 2nd try")
    connecting = one(state=2, timer=(RETRANSMIT, 4_000), tries=2, rto_us=4_000_000, backoff=2)
    assert texts(connecting)["unanswered"].startswith("info: no answer to its connection request for 3.0 s")
    # four SYNs a second apart, then two seconds of which 16 ms are left
    linear = one(state=2, timer=(RETRANSMIT, 16), tries=5, rto_us=2_000_000, backoff=1)
    assert texts(linear)["unanswered"].startswith(
        "warning: no answer to its connection request for 7.0 s, 6th try"
    )
    long = one(timer=(RETRANSMIT, 9), tries=12, rto_us=120_000_000, backoff=12, last_ack_recv_ms=700_000)
    assert ", of which the last came 11m40s ago, 13th try, next in 9 ms" in texts(long)["unanswered"]
    assert texts(one(timer=(RETRANSMIT, 100), tries=0)) == {}


def test_zero_window_and_its_check():
    raw = one(timer=(PROBE, 400), queues=(0, 2 << 20), rto_us=204_000, backoff=1)
    assert texts(raw)["zero-window"] == (
        "warning: the peer's window is zero: it does not read what was sent; probing, next in 400 ms; "
        "2.0M wait to be sent"
    )
    assert outcomes(raw)["tcp.zero-window"] == "unknown"
    assert outcomes(raw, raw)["tcp.zero-window"] == "found"
    assert outcomes(raw, one())["tcp.zero-window"] == "clear"  # closed a moment ago
    assert outcomes(one(timer=(PROBE, 400), backoff=3))["tcp.zero-window"] == "found"
    assert outcomes(one())["tcp.zero-window"] == "clear"


@pytest.mark.parametrize("timer", [RETRANSMIT, KEEPALIVE, PROBE])
def test_half_open_by_its_tries(timer):
    def severity(tries: int, **more) -> list[str]:
        data = shown(one(timer=(timer, 400), tries=tries, **more))
        return [f.severity for v, found in judge(CHECKS, data) if v.id == "tcp.half-open" for f in found]

    assert [severity(tries) for tries in (0, 2, 3, 8)] == [[], [], ["warning"], ["critical"]]
    assert severity(5, state=2) == []  # a connection that never was


def test_keepalives():
    assert texts(one(timer=(KEEPALIVE, 30_000), tries=2))["keepalive-unanswered"].startswith(
        "warning: the peer does not answer keepalives: 2 of 9"
    )


def outcomes(now: bytes, before: bytes | None = None) -> dict[str, str]:
    return {verdict.id: verdict.outcome for verdict, _ in judge(CHECKS, shown(now, before))}


def test_the_application_does_not_read():
    memory = frames.memory(4 << 20)
    stuck = one(queues=(2 << 20, 0), bytes_received=3 << 20, memory=memory)
    assert texts(stuck, stuck) == {
        "unread": "warning: the application does not read: 2.0M waiting, nothing read in 2 s"
    }
    assert texts(stuck) == {"unread": "info: 2.0M wait to be read"}
    later = one(queues=(1 << 20, 0), bytes_received=5 << 20, memory=memory)
    assert texts(later, stuck) == {"unread": "info: the application reads 1.5M/s, and is 1.0M behind"}
    full = attribute(7, b"".join(n.to_bytes(4, "little") for n in (4000, 4096, 0, 0, 0, 0, 0, 0, 0)))
    assert "the receive buffer is full" in texts(one(queues=(100, 0), memory=full))["unread"]


def test_half_closed():
    waiting = one(state=8, queues=(1, 0), last_ack_recv_ms=7_200_000)  # the 1 is the peer's FIN
    assert texts(waiting) == {
        "not-closed": "warning: the peer closed at least 2h00m ago; the application does not close"
    }
    assert "peer-not-closed" in texts(one(state=5, timer=(3, 40_000)))


def test_one_that_nobody_accepted_has_no_inode():
    raw = frames.socket_message("10.0.0.1", 80, "10.0.0.2", 9, state=1, inode=0, attributes=frames.tcp_info())
    assert texts(raw)["not-accepted"].startswith("info: ")
    assert texts(raw, raw) == {
        "not-accepted": "warning: no process has accepted it: it waits in the accept queue of its listener"
    }


def test_silence():
    quiet = one(last_data_recv_ms=8_000_000, last_ack_recv_ms=7_200_000)
    assert texts(quiet) == {
        "silent": "info: nothing came for 2h00m; no keepalive is set, so a peer that is gone "
        "would not be noticed"
    }
    asked = one(last_data_recv_ms=8_000_000, last_ack_recv_ms=7_200_000, timer=(KEEPALIVE, 60_000))
    assert texts(asked)["silent"].endswith("; a keepalive asks the peer in 1m00s")


def test_listeners():
    def listener(queue: int, drops: int = 0) -> bytes:
        return one(state=10, queues=(queue, 10), memory=frames.memory(drops=drops))

    assert texts(listener(0)) == {}
    assert texts(listener(3))["accept-queue"].startswith("info: 3 of 10 connections wait")
    assert texts(listener(11))["accept-queue-full"].startswith("critical: its accept queue is full, 11 of 10")
    assert texts(listener(0, 7), listener(0, 5))["drops"].startswith("warning: 7 connection attempts")
    assert detail(listener(3)).tcp is None


def test_segments_smaller_than_the_path_takes():
    small = one(snd_mss_bytes=536, pmtu_bytes=1500, options=1)
    assert texts(small)["small-segments"].startswith(
        "info: segments carry 536 bytes, the path would take 1448"
    )
    assert texts(one(snd_mss_bytes=1448, pmtu_bytes=1500, options=1)) == {}
    assert texts(one(snd_mss_bytes=1460, pmtu_bytes=1500)) == {}


def test_rates_need_two_readings_of_one_boot():
    before = one(bytes_sent=1000, bytes_received=0, total_retrans=1)
    now = one(bytes_sent=5000, bytes_received=2000, total_retrans=3, queues=(500, 0))
    rates = detail(now, before).rates
    assert (rates.window_s, rates.sent_bytes_per_s, rates.received_bytes_per_s) == (2.0, 2000, 1000)
    assert (rates.read_bytes_per_s, rates.retransmits, rates.was) == (750, 2, "established")
    assert detail(now).rates is None
    assert detail(before, now).rates.sent_bytes_per_s is None  # went backwards


def test_time_wait_has_no_more_than_the_kernel_keeps():
    found = detail(frames.socket_message("10.0.0.1", 80, "10.0.0.2", 9, state=6, timer=(3, 42_000), inode=0))
    assert found.tcp is found.memory is found.congestion is None
    assert (found.timer.name, found.timer.left_ms, found.notes) == ("time-wait", 42_000, [])


EVERYTHING = (
    one(state=10, queues=(3, 10), memory=frames.memory(drops=2))
    + one(
        queues=(5, 9), timer=(PROBE, 400), tries=2, memory=frames.memory() + attribute(4, b"bbr\0"), rtt_us=9
    )
    + one(state=6, timer=(3, 42_000))
)


@given(st.data())
def test_mutated_frames_never_crash_the_screen(data):
    raw = bytearray(EVERYTHING)
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found = shown(bytes(raw), EVERYTHING)
    list(judge(CHECKS, found))
    for columns in (None, 200):
        look = Look((), Terminal(columns is not None, columns, 24, False, True), verbose=True)
        view(found, look)
    msgspec.json.encode(found)
