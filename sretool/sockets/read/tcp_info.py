"""struct tcp_info (include/uapi/linux/tcp.h), decoded by its length: older kernels send less of it,
newer ones more, and the fields a kernel does not have are None.

The numbers are the kernel's own; those of its words that mean "none" (0, ~0) are read by the
properties. Which kernel has what: 104 bytes since 2.6.13, pacing rates 3.15, bytes acked 4.1, segments
4.2, min_rtt 4.6, delivery_rate 4.9, busy times 4.10, delivered and bytes sent 4.18, reord_seen 4.19,
snd_wnd 5.4, rcv_wnd and rehash 6.2, total_rto 6.7, ECN bytes 6.18.
"""

from __future__ import annotations

import struct
import sys
from functools import lru_cache
from typing import NamedTuple, Optional

Number = Optional[int]


class TcpInfo(NamedTuple):
    """One connection, in the order of the structure. Lengths in segments where no unit is named."""

    state: Number
    ca_state: Number
    retransmits: Number
    probes: Number
    backoff: Number
    options: Number
    window_scales: Number
    flags: Number
    rto_us: Number
    ato_us: Number
    snd_mss_bytes: Number
    rcv_mss_bytes: Number
    unacked: Number
    sacked: Number
    lost: Number
    retrans: Number
    fackets: Number
    last_data_sent_ms: Number
    last_ack_sent_ms: Number
    last_data_recv_ms: Number
    last_ack_recv_ms: Number
    pmtu_bytes: Number
    rcv_ssthresh_bytes: Number
    rtt_us: Number
    rttvar_us: Number
    snd_ssthresh: Number
    snd_cwnd: Number
    advmss_bytes: Number
    reordering: Number
    rcv_rtt_us: Number
    rcv_space_bytes: Number
    total_retrans: Number
    pacing_rate_bytes_per_s: Number
    max_pacing_rate_bytes_per_s: Number
    bytes_acked: Number
    bytes_received: Number
    segs_out: Number
    segs_in: Number
    notsent_bytes: Number
    min_rtt_us: Number
    data_segs_in: Number
    data_segs_out: Number
    delivery_rate_bytes_per_s: Number
    busy_us: Number
    rwnd_limited_us: Number
    sndbuf_limited_us: Number
    delivered: Number
    delivered_ce: Number
    bytes_sent: Number
    bytes_retrans: Number
    dsack_dups: Number
    reord_seen: Number
    rcv_ooopack: Number
    snd_wnd_bytes: Number
    rcv_wnd_bytes: Number
    rehash: Number
    total_rto: Number
    total_rto_recoveries: Number
    total_rto_time_ms: Number
    received_ce: Number
    delivered_e1_bytes: Number
    delivered_e0_bytes: Number
    delivered_ce_bytes: Number
    received_e1_bytes: Number
    received_e0_bytes: Number
    received_ce_bytes: Number
    # the last word is a bit field, of another layout in 6.18 than since: left out, as ss does

    @property
    def rtt_ms(self) -> float | None:
        """Smoothed round-trip time; None before the first sample."""
        return self.rtt_us / 1000 if self.rtt_us else None

    @property
    def rtt_min_ms(self) -> float | None:
        """Smallest round-trip time of the kernel's window (net.ipv4.tcp_min_rtt_wlen, 300 s); None before
        the first sample.
        """
        return None if not self.min_rtt_us or self.min_rtt_us == 0xFFFFFFFF else self.min_rtt_us / 1000

    @property
    def snd_wscale(self) -> int | None:
        """The peer's window scale; None where it was not agreed on."""
        return self._nibble(0)

    @property
    def rcv_wscale(self) -> int | None:
        """Our window scale; None where it was not agreed on."""
        return self._nibble(4)

    @property
    def app_limited(self) -> bool | None:
        """delivery_rate was measured while the application had too little to send."""
        if self.flags is None:
            return None
        return bool(self.flags & (1 if _LITTLE else 0x80))

    def _nibble(self, shift: int) -> int | None:
        if self.window_scales is None or not (self.options or 0) & WSCALE:
            return None
        # bit fields fill a byte from the low end on little-endian machines, from the high end on others
        return self.window_scales >> (shift if _LITTLE else 4 - shift) & 15


TIMESTAMPS, SACK, WSCALE, ECN, ECN_SEEN, SYN_DATA, USEC_TS, TFO_CHILD = (1 << bit for bit in range(8))

_LITTLE = sys.byteorder == "little"
# one struct code a field; every field lies on a multiple of its size, so nothing is padded
_EACH = "B" * 8 + "I" * 24 + "Q" * 4 + "I" * 6 + "Q" * 4 + "I" * 2 + "Q" * 2 + "I" * 6 + "H" * 2 + "I" * 8
_SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}
NONE = TcpInfo._make([None] * len(TcpInfo._fields))


def decode(raw: bytes | None) -> TcpInfo:
    """What INET_DIAG_INFO of a TCP socket, or TCP_INFO, holds; all None without it."""
    if not raw:
        return NONE
    layout, missing = _layout(min(len(raw), _WHOLE))
    return TcpInfo._make(layout.unpack_from(raw) + missing)


@lru_cache(maxsize=64)
def _layout(size: int) -> tuple[struct.Struct, tuple[None, ...]]:
    """How as many whole fields as fit into `size` bytes are read, and None for each of the others."""
    fits = used = 0
    for code in _EACH:
        used += _SIZES[code]
        if used > size:
            break
        fits += 1
    return struct.Struct("=" + _EACH[:fits]), (None,) * (len(_EACH) - fits)


_WHOLE = sum(_SIZES[code] for code in _EACH)
