"""What `net softnet` answers."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

from sretool.report.check import Verdict


class Cpu(Struct):
    """One CPU's receive side, from a line of /proc/net/softnet_stat. It is the host's, not a namespace's."""

    cpu: Annotated[
        int, Meta(description="number of the CPU; on kernels that do not say it, the number of its line")
    ]
    packets_per_s: Annotated[
        Optional[float], Meta(description="packets processed over the sample; null with one reading")
    ]
    dropped: Annotated[
        Optional[int],
        Meta(description="packets dropped over the sample: its backlog was full (netdev_max_backlog)"),
    ]
    dropped_per_s: Annotated[Optional[float], Meta(description="the same a second")]
    squeezed: Annotated[
        Optional[int],
        Meta(
            description="times over the sample that it stopped receiving with packets left, its budget or "
            "time was used up (netdev_budget, netdev_budget_usecs)"
        ),
    ]
    squeezed_per_s: Annotated[Optional[float], Meta(description="the same a second")]
    rps: Annotated[
        Optional[int],
        Meta(description="interrupts from other CPUs that steered packets to it, over the sample"),
    ]
    flow_limited: Annotated[
        Optional[int], Meta(description="packets of one large flow dropped for others, over the sample")
    ]
    backlog: Annotated[
        Optional[int], Meta(description="packets that wait in its backlog now; null on older kernels")
    ]
    packets_total: Annotated[int, Meta(description="processed since boot, modulo 2^32")]
    dropped_total: Annotated[int, Meta(description="dropped since boot, modulo 2^32")]
    squeezed_total: Annotated[int, Meta(description="squeezed since boot, modulo 2^32")]


class Limits(Struct, frozen=True):
    """What a CPU may take in; null when not read: the host's own network namespace alone has them."""

    netdev_max_backlog: Annotated[
        Optional[int], Meta(description="net.core.netdev_max_backlog, packets a CPU's backlog holds")
    ]
    netdev_budget: Annotated[
        Optional[int], Meta(description="net.core.netdev_budget, packets in one round of receiving")
    ]
    netdev_budget_us: Annotated[
        Optional[int], Meta(description="net.core.netdev_budget_usecs, time of one round")
    ]


class Softnet(Struct):
    """The receive side of every CPU, those that lose packets first."""

    cpus: Annotated[
        list[Cpu], Meta(description="one row a CPU: most dropped, then most squeezed, then by number")
    ]
    total: Annotated[int, Meta(description="CPUs, before --limit")]
    window_s: Annotated[Optional[float], Meta(description="seconds between the two readings")]
    limits: Annotated[Limits, Meta(description="limits of the host")]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
