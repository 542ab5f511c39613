from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.sockets.read import tcp_info

# sizeof(struct tcp_info) of released kernels, and the last field each has
LAST = {
    104: "total_retrans",
    120: "max_pacing_rate_bytes_per_s",
    136: "bytes_received",
    144: "segs_in",
    160: "data_segs_out",
    168: "delivery_rate_bytes_per_s",
    192: "sndbuf_limited_us",
    216: "bytes_retrans",
    224: "reord_seen",
    232: "snd_wnd_bytes",
    240: "rehash",
    248: "total_rto_time_ms",
    280: "received_ce_bytes",
}


@pytest.mark.parametrize("size", LAST)
def test_fields_a_kernel_does_not_have_are_none(size):
    found = tcp_info.decode(bytes(size))._asdict()
    names = list(found)
    had = names.index(LAST[size]) + 1
    assert [found[name] for name in names] == [0] * had + [None] * (len(names) - had)


def test_each_field_is_read_from_its_place():
    raw = bytes(range(256)) + bytes(range(24))
    found = tcp_info.decode(raw)
    at = lambda code, offset: struct.unpack_from(f"={code}", raw, offset)[0]  # noqa: E731
    # offsets of include/uapi/linux/tcp.h, one of each stretch of equal types
    assert (found.backoff, found.rto_us, found.rtt_us) == (4, at("I", 8), at("I", 68))
    assert (found.total_retrans, found.bytes_acked) == (at("I", 100), at("Q", 120))
    assert (found.min_rtt_us, found.busy_us) == (at("I", 148), at("Q", 168))
    assert (found.delivered, found.bytes_retrans) == (at("I", 192), at("Q", 208))
    assert (found.snd_wnd_bytes, found.rcv_wnd_bytes) == (at("I", 228), at("I", 232))
    assert (found.total_rto, found.total_rto_time_ms) == (at("H", 240), at("I", 244))
    assert found.received_ce_bytes == at("I", 272)
    assert tcp_info.decode(raw + bytes(40)) == found  # a newer kernel


def test_words_for_none():
    whole = bytearray(280)
    assert tcp_info.decode(bytes(whole)).rtt_ms is None
    assert tcp_info.decode(bytes(whole)).rtt_min_ms is None
    struct.pack_into("=I", whole, 68, 1500)
    struct.pack_into("=I", whole, 148, 0xFFFFFFFF)
    found = tcp_info.decode(bytes(whole))
    assert (found.rtt_ms, found.rtt_min_ms) == (1.5, None)
    assert (found.snd_wscale, found.rcv_wscale, found.app_limited) == (None, None, False)
    assert tcp_info.decode(None) == tcp_info.decode(b"") == tcp_info.NONE
    assert tcp_info.NONE.rtt_ms is tcp_info.NONE.rtt_min_ms is tcp_info.NONE.app_limited is None


def test_the_kernel_of_this_host():
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as client, server.accept()[0] as peer:
        client.sendall(b"x" * 3000)
        assert peer.recv(3000, socket.MSG_WAITALL) == b"x" * 3000
        found = tcp_info.decode(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512))
        assert found.state == 1
        assert 0 < found.rtt_ms < 1000
        assert (found.bytes_sent, found.total_retrans) == (3000, 0)
        assert found.snd_wscale is not None
        received = tcp_info.decode(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512))
        assert received.bytes_received == 3000
        assert (received.snd_wscale, received.rcv_wscale) == (found.rcv_wscale, found.snd_wscale)


@given(st.binary(max_size=400))
def test_any_bytes_are_decoded(raw):
    found = tcp_info.decode(raw)
    _ = found.rtt_ms, found.rtt_min_ms, found.snd_wscale, found.rcv_wscale, found.app_limited
    assert (found.state is None) == (not raw)
