"""What `net neigh` answers. Keys are those of `ip -j neigh` where they mean the same."""

from __future__ import annotations

from typing import Annotated, Optional

from msgspec import Meta, Struct

from sretool.report.check import Verdict


class Neighbour(Struct):
    """One entry of a neighbour table, from an RTM_GETNEIGH dump."""

    family: Annotated[str, Meta(description="inet (ARP) or inet6 (neighbour discovery)")]
    dst: Annotated[str, Meta(description="the neighbour's address")]
    dev: Annotated[str, Meta(description="the interface it is reached by")]
    lladdr: Annotated[Optional[str], Meta(description="its hardware address; null while it is not known")]
    state: Annotated[
        str,
        Meta(
            description="reachable; stale: known, not confirmed of late; delay, probe: being confirmed; "
            "incomplete: asked, no answer yet; failed: no answer; permanent, noarp: never asked; none"
        ),
    ]
    flags: Annotated[
        list[str], Meta(description="router, proxy, extern_learn, offload, managed, sticky, locked, …")
    ]
    protocol: Annotated[
        Optional[str], Meta(description="who installed it: static, zebra, bird, …; null: the kernel itself")
    ]
    probes: Annotated[Optional[int], Meta(description="questions sent without an answer (NDA_PROBES)")]
    refcnt: Annotated[Optional[int], Meta(description="who holds it in the kernel (nda_cacheinfo)")]
    updated_s: Annotated[
        Optional[float], Meta(description="since its state or address changed (nda_cacheinfo ndm_updated)")
    ]
    used_s: Annotated[Optional[float], Meta(description="since something was sent to it (ndm_used)")]
    confirmed_s: Annotated[
        Optional[float],
        Meta(
            description="since it was known to answer (ndm_confirmed); of one that never did, of no meaning"
        ),
    ]
    changed: Annotated[
        Optional[list[str]],
        Meta(description="over the sample: new, state, lladdr; null with one reading"),
    ] = None
    state_before: Annotated[
        Optional[str], Meta(description="its state at the first reading; null when it was not there")
    ] = None
    lladdr_before: Annotated[Optional[str], Meta(description="its hardware address at the first reading")] = (
        None
    )


class NeighbourTable(Struct):
    """The kernel's table of one family, of all network namespaces together (RTM_GETNEIGHTBL)."""

    family: Annotated[str, Meta(description="inet or inet6")]
    name: Annotated[str, Meta(description="the kernel's name of the table: arp_cache, ndisc_cache")]
    entries: Annotated[Optional[int], Meta(description="entries of all namespaces (ndt_config ndtc_entries)")]
    entries_here: Annotated[
        Optional[int], Meta(description="of these, in this namespace; null where they could not be read")
    ]
    exempt_here: Annotated[
        Optional[int],
        Meta(
            description="of these, not counted against the thresholds: permanent and extern_learn "
            "(net/core/neighbour.c exempt_from_gc)"
        ),
    ]
    gc_thresh1: Annotated[Optional[int], Meta(description="below so many nothing is collected")]
    gc_thresh2: Annotated[
        Optional[int], Meta(description="above so many, entries older than 5 s are collected at once")
    ]
    gc_thresh3: Annotated[Optional[int], Meta(description="no more than so many")]
    window_s: Annotated[Optional[float], Meta(description="seconds between the two readings")]
    table_fulls_total: Annotated[
        Optional[int], Meta(description="since boot: a neighbour that found no room (ndts_table_fulls)")
    ]
    table_fulls: Annotated[Optional[int], Meta(description="the same over the sample")]
    res_failed_total: Annotated[
        Optional[int], Meta(description="since boot: neighbours that did not answer (ndts_res_failed)")
    ]
    res_failed: Annotated[Optional[int], Meta(description="the same over the sample")]
    forced_gc_runs_total: Annotated[
        Optional[int], Meta(description="since boot: collections for want of room (ndts_forced_gc_runs)")
    ]
    forced_gc_runs: Annotated[Optional[int], Meta(description="the same over the sample")]
    unresolved_discards_total: Annotated[
        Optional[int],
        Meta(
            description="since boot: packets dropped while their neighbour was asked for "
            "(/proc/net/stat, which only the first namespace has)"
        ),
    ]
    unresolved_discards: Annotated[Optional[int], Meta(description="the same over the sample")]


class Gateway(Struct):
    """A neighbour that does not answer and is the next hop of routes."""

    family: Annotated[str, Meta(description="of the neighbour: inet or inet6")]
    dst: Annotated[str, Meta(description="its address")]
    dev: Annotated[str, Meta(description="the interface it should be reached by")]
    state: Annotated[str, Meta(description="failed, or incomplete for longer than one question waits")]
    updated_s: Annotated[Optional[float], Meta(description="since it is in this state")]
    routes: Annotated[int, Meta(description="routes it is a next hop of")]
    default: Annotated[bool, Meta(description="a default route of table main is among them")]
    route: Annotated[str, Meta(description="one of them: default when it is among them, else the first")]


class Neighbours(Struct):
    """Neighbours by family, interface and address."""

    neighbours: Annotated[
        list[Neighbour], Meta(description="one row an entry, by family, interface and address")
    ]
    total: Annotated[int, Meta(description="entries that passed the filters, before --limit")]
    gone: Annotated[
        Optional[list[str]],
        Meta(description="`ADDRESS dev IFACE` that the first reading had and the second has not"),
    ]
    window_s: Annotated[Optional[float], Meta(description="seconds between the two readings")]
    tables: Annotated[list[NeighbourTable], Meta(description="the tables these entries are part of")]
    gateways: Annotated[
        Optional[list[Gateway]],
        Meta(description="next hops of routes that do not answer; null when that could not be read"),
    ]
    checks: Annotated[list[Verdict], Meta(description="what was judged, and what could not be")] = []
