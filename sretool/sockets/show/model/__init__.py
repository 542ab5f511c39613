"""What `sretool sockets show` answers."""

from __future__ import annotations

from typing import Annotated, Optional, Union

from msgspec import UNSET, Meta, Struct, UnsetType

from sretool.net.routes.model import Decision
from sretool.report.answer import Severity
from sretool.report.check import Verdict
from sretool.sockets.model import Socket
from sretool.sockets.show.model.attributes import (
    Bbr,
    Congestion,
    Dctcp,
    Memory,
    Mptcp,
    Options,
    Tls,
    Vegas,
)
from sretool.sockets.show.model.tcp import (
    Delivery,
    Loss,
    Negotiated,
    Receiving,
    RoundTrip,
    Sending,
    Sizes,
    Tcp,
)

__all__ = [
    "Bbr",
    "Congestion",
    "Dctcp",
    "Delivery",
    "Detail",
    "Loss",
    "Memory",
    "Mptcp",
    "Negotiated",
    "Note",
    "Options",
    "Rates",
    "Receiving",
    "RoundTrip",
    "Sending",
    "Shown",
    "Sizes",
    "Tcp",
    "Timer",
    "Tls",
    "Vegas",
]

_Rate = Optional[float]
_Ratio = Optional[float]


class Note(Struct):
    """Something about it that stands out, as a sentence, with the sum behind it."""

    severity: Annotated[Severity, Meta(description="how much it matters")]
    id: Annotated[str, Meta(description="what kind of sentence: receiver-limited, retransmitting, …")]
    text: Annotated[str, Meta(description="one sentence with the figures")]
    formula: Annotated[str, Meta(description="how it follows from the kernel's fields")]
    fields: Annotated[
        dict[str, Union[float, int, str, None]],
        Meta(description="those fields; null where the kernel gives none"),
    ]


class Timer(Struct):
    """The timer that runs."""

    name: Annotated[
        str,
        Meta(
            description="retransmit, keepalive, time-wait (or the end of fin-wait-2), window-probe, "
            "delayed-ack; unknown-N"
        ),
    ]
    left_ms: Annotated[int, Meta(description="until it fires (idiag_expires)")]
    tries: Annotated[int, Meta(description="unanswered tries so far (idiag_retrans)")]


class Rates(Struct):
    """What moved between the two readings; null where a field is in neither."""

    window_s: Annotated[float, Meta(description="seconds between the two readings")]
    sent_bytes_per_s: Annotated[_Rate, Meta(description="bytes_sent, with what was sent again")]
    acked_bytes_per_s: Annotated[_Rate, Meta(description="bytes_acked")]
    received_bytes_per_s: Annotated[_Rate, Meta(description="bytes_received")]
    read_bytes_per_s: Annotated[
        _Rate, Meta(description="what the application read: bytes_received less growth of the receive queue")
    ]
    retransmitted_bytes: Annotated[Optional[int], Meta(description="sent again (bytes_retrans)")]
    retransmits: Annotated[Optional[int], Meta(description="segments sent again (total_retrans)")]
    retransmitted_ratio: Annotated[_Ratio, Meta(description="bytes_retrans / bytes_sent; null: none sent")]
    busy_ratio: Annotated[_Ratio, Meta(description="busy_time / window")]
    rwnd_limited_ratio: Annotated[_Ratio, Meta(description="rwnd_limited / busy_time; null: not busy")]
    sndbuf_limited_ratio: Annotated[_Ratio, Meta(description="sndbuf_limited / busy_time; null: not busy")]
    drops: Annotated[Optional[int], Meta(description="dropped by this socket (SKMEMINFO drops)")]
    was: Annotated[str, Meta(description="its state at the first reading")]
    was_timer: Annotated[Timer | None, Meta(description="its timer at the first reading; null: none ran")]


class Detail(Struct):
    """One socket. What could not be read is null, and `errors` says why."""

    socket: Annotated[Socket, Meta(description="as `sockets list` has it: ends, state, queues, owner")]
    cookie: Annotated[str, Meta(description="never given to another socket (sk of ss -e), hexadecimal")]
    notes: Annotated[list[Note], Meta(description="what stands out, worst first")]
    timer: Annotated[Timer | None, Meta(description="null: none runs")]
    tcp: Annotated[Tcp | None, Meta(description="null: no connection, or one of which no more is kept")]
    congestion: Annotated[Congestion | None, Meta(description="null: not TCP, or not told")]
    memory: Annotated[Memory | None, Meta(description="null: the kernel keeps none (time-wait)")]
    options: Annotated[Options, Meta(description="how it is set up")]
    rates: Annotated[
        Rates | None, Meta(description="over the sample; null with one reading, or when it is new")
    ]
    route: Annotated[
        Union[Decision, UnsetType, None],
        Meta(
            description="the way its packets take, as `net route`; null: no peer, or not known; absent: "
            "not asked, being one of too many"
        ),
    ] = UNSET
    interface_mtu_bytes: Annotated[
        Optional[int], Meta(description="of the interface that route uses; null: not known")
    ] = None


class Shown(Struct):
    """The sockets that the target names, in the order of `sockets list`."""

    sockets: Annotated[list[Detail], Meta(description="in the order of `sockets list`")]
    total: Annotated[int, Meta(description="how many fit the target")]
    window_s: Annotated[
        Optional[float], Meta(description="seconds between the two readings; null when there was one")
    ]
    netns: Annotated[
        Optional[str],
        Meta(
            description="the network namespace they are in, when it is that of the process and not ours; "
            "limits that net.* sets are not read there"
        ),
    ] = None
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
