"""What `net qdisc` answers. Keys are those of `tc -j -s qdisc` where they mean the same."""

from __future__ import annotations

from typing import Annotated, Optional, Union

from msgspec import UNSET, Meta, Struct, UnsetType

from sretool.report.check import Verdict

Value = Union[int, float, bool, str]
Options = Annotated[
    dict[str, Value], Meta(description="its parameters, as far as we know this kind; units end the names")
]
Kind = Annotated[str, Meta(description="fq_codel, tbf, htb, mq, ingress, …")]
Dev = Annotated[str, Meta(description="the interface")]
Bytes = Annotated[Optional[int], Meta(description="bytes that passed since it was made")]
Packets = Annotated[Optional[int], Meta(description="packets that passed since it was made")]
Drops = Annotated[
    Optional[int], Meta(description="packets it dropped since it was made: full, policed, or by design (AQM)")
]
Overlimits = Annotated[
    Optional[int], Meta(description="times it held packets back for its rate; no loss by itself")
]
Requeues = Annotated[
    Optional[int], Meta(description="packets the device gave back: it had no room for them; no loss")
]
Backlog = Annotated[Optional[int], Meta(description="bytes that wait in it now")]
Waiting = Annotated[Optional[int], Meta(description="packets that wait in it now")]
PerSecond = Annotated[Optional[float], Meta(description="the same over the sample; null with one reading")]


class Qdisc(Struct):
    """One queueing discipline, from an RTM_GETQDISC dump."""

    dev: Dev
    ifindex: Annotated[int, Meta(description="the interface's number (tcm_ifindex)")]
    kind: Kind
    handle: Annotated[str, Meta(description="its name on the interface, hexadecimal: `8001:`; `0:` has none")]
    parent: Annotated[str, Meta(description="root, ingress, or the class it hangs under: `1:10`")]
    options: Options
    offloaded: Annotated[bool, Meta(description="the device does the work (TCA_HW_OFFLOAD)")]
    bytes: Bytes
    packets: Packets
    drops: Drops
    overlimits: Overlimits
    requeues: Requeues
    backlog_bytes: Backlog
    backlog_packets: Waiting
    counters: Annotated[
        dict[str, int], Meta(description="of its kind: ecn_mark, drop_overlimit, flows_plimit, … as of now")
    ]
    bytes_per_s: PerSecond = None
    packets_per_s: PerSecond = None
    drops_per_s: PerSecond = None
    overlimits_per_s: PerSecond = None
    requeues_per_s: PerSecond = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        at = self.handle if self.handle != "0:" else self.parent
        return f"{self.kind} {at} on {self.dev}"


class TrafficClass(Struct):
    """One class of a classful queueing discipline, from an RTM_GETTCLASS dump."""

    dev: Dev
    kind: Kind
    classid: Annotated[str, Meta(description="its name: `1:10`")]
    parent: Annotated[str, Meta(description="root, or the class or discipline above it")]
    leaf: Annotated[Optional[str], Meta(description="the discipline below it: `10:`")]
    options: Options
    bytes: Bytes
    packets: Packets
    drops: Drops
    overlimits: Overlimits
    requeues: Requeues
    backlog_bytes: Backlog
    backlog_packets: Waiting
    counters: Annotated[dict[str, int], Meta(description="of its kind: lends, borrows, … as of now")]
    bytes_per_s: PerSecond = None
    packets_per_s: PerSecond = None
    drops_per_s: PerSecond = None
    overlimits_per_s: PerSecond = None
    requeues_per_s: PerSecond = None


class Qdiscs(Struct):
    """Queueing disciplines in the kernel's order: by interface, the root first."""

    qdiscs: Annotated[
        list[Qdisc], Meta(description="one row a discipline, by interface, in the kernel's order")
    ]
    total: Annotated[int, Meta(description="disciplines that passed the filters, before --limit")]
    window_s: Annotated[Optional[float], Meta(description="seconds between the two readings")]
    classes: Annotated[
        Union[list[TrafficClass], UnsetType],
        Meta(description="the classes of classful disciplines; only with --classes"),
    ] = UNSET
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
