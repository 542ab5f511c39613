"""What a process uses, and what it may use."""

from __future__ import annotations

from typing import Annotated, Union

from msgspec import Meta, Struct

Bytes = Union[int, None]
Number = Union[float, None]


def _d(text: str) -> Meta:
    return Meta(description=text)


class Limit(Struct):
    """A limit on it, with what it uses of it where that can be known."""

    name: Annotated[
        str,
        _d("as in ulimit and systemd: nofile, nproc, memlock, …; or a kernel parameter (vm.max_map_count)"),
    ]
    soft: Annotated[int | None, _d("the limit that holds; null: unlimited; limits, or /proc/sys")]
    hard: Annotated[int | None, _d("how far it may raise it itself; null: unlimited, or no such thing")]
    used: Annotated[int | None, _d("what counts against it; null when that is not known")]
    used_ratio: Annotated[Number, _d("used of soft, 1.0 = at the limit")]
    unit: Annotated[str, _d("of soft, hard and used")]
    source: Annotated[str, _d("where limit and use were read")]
    applies: Annotated[bool, _d("false: root is not held to it")] = True


class Memory(Struct):
    """Its memory. All null for a kernel thread and a zombie, which have none."""

    rss_bytes: Annotated[Bytes, _d("in memory: anon, file and shmem together; status VmRSS")]
    pss_bytes: Annotated[
        Bytes, _d("in memory, each shared page divided by those who share it; smaps_rollup Pss")
    ]
    uss_bytes: Annotated[
        Bytes, _d("its alone, what ending it would free; smaps_rollup Private_Clean + Private_Dirty")
    ]
    anon_bytes: Annotated[Bytes, _d("heap, stacks, private pages; status RssAnon")]
    file_bytes: Annotated[Bytes, _d("mapped files; status RssFile")]
    shmem_bytes: Annotated[Bytes, _d("shared memory and tmpfs, mapped; status RssShmem")]
    swap_bytes: Annotated[Bytes, _d("swapped out; status VmSwap")]
    swap_pss_bytes: Annotated[Bytes, _d("swapped out, its share; smaps_rollup SwapPss")]
    hugetlb_bytes: Annotated[Bytes, _d("pages of hugetlbfs, not in rss; status HugetlbPages")]
    anon_huge_bytes: Annotated[Bytes, _d("of anon, in transparent huge pages; smaps_rollup AnonHugePages")]
    locked_bytes: Annotated[Bytes, _d("kept from being swapped; status VmLck")]
    pinned_bytes: Annotated[Bytes, _d("kept in place for devices; status VmPin")]
    page_table_bytes: Annotated[Bytes, _d("the kernel's tables for it, not in rss; status VmPTE")]
    rss_peak_bytes: Annotated[Bytes, _d("most it ever had in memory; status VmHWM")]
    virtual_bytes: Annotated[Bytes, _d("address space; status VmSize")]
    maps: Annotated[int | None, _d("mappings it has; lines of maps; null in a recording")]
    host_ratio: Annotated[Number, _d("rss of the host's memory; /proc/meminfo MemTotal")]
    growth_bytes_per_s: Annotated[Number, _d("how fast rss grew over the sample; status VmRSS")]
    oom_score: Annotated[int | None, _d("0 to 2000: who is killed first when memory runs out; oom_score")]
    oom_score_adj: Annotated[int | None, _d("-1000 (never) to 1000 (first); oom_score_adj")]


class Cpu(Struct):
    """Its CPU time. Rates are over the sample, null with one reading."""

    cpu_ratio: Annotated[Number, _d("CPU time, 1.0 = one core; stat fields 14 and 15")]
    user_ratio: Annotated[Number, _d("of it in user mode; stat field 14")]
    system_ratio: Annotated[Number, _d("of it in the kernel; stat field 15")]
    user_time_s: Annotated[float, _d("in user mode since it began; stat field 14")]
    system_time_s: Annotated[float, _d("in the kernel since it began; stat field 15")]
    run_delay_ratio: Annotated[
        Number,
        _d("time its threads were ready and waited for a CPU, 1.0 = one of them always; task/*/schedstat"),
    ]
    voluntary_switches_per_s: Annotated[
        Number, _d("its threads gave the CPU up, to wait; task/*/status voluntary_ctxt_switches")
    ]
    involuntary_switches_per_s: Annotated[
        Number, _d("its threads were put aside; task/*/status nonvoluntary_ctxt_switches")
    ]
    minor_faults_per_s: Annotated[Number, _d("page faults without a disk; stat field 10")]
    major_faults_per_s: Annotated[Number, _d("page faults that waited for a disk; stat field 12")]
    policy: Annotated[str | None, _d("scheduling policy: other, batch, idle, fifo, rr, …; stat field 41")]
    realtime_priority: Annotated[int | None, _d("1 to 99, 0 when not realtime; stat field 40")]
    nice: Annotated[int, _d("-20 (first) to 19; stat field 19")]
    cpus_allowed: Annotated[str | None, _d("CPUs it may run on; status Cpus_allowed_list")]
    mems_allowed: Annotated[str | None, _d("memory nodes it may use; status Mems_allowed_list")]
    last_cpu: Annotated[int | None, _d("the CPU it was on last; stat field 39")]


class Io(Struct):
    """Its input and output; rates over the sample, null with one reading."""

    read_bytes_per_s: Annotated[Number, _d("from storage; io read_bytes")]
    write_bytes_per_s: Annotated[Number, _d("to storage, when the page is dirtied; io write_bytes")]
    reads_per_s: Annotated[Number, _d("read system calls, sockets and pipes too; io syscr")]
    writes_per_s: Annotated[Number, _d("write system calls, sockets and pipes too; io syscw")]
    read_bytes: Annotated[int, _d("from storage since it began; io read_bytes")]
    write_bytes: Annotated[int, _d("to storage since it began; io write_bytes")]


class Delay(Struct):
    """What it waited for, all its threads together."""

    what: Annotated[
        str,
        _d("cpu, block-io, swap-in, reclaim, thrashing, compaction, copy-on-write, interrupts"),
    ]
    total_s: Annotated[float, _d("since it began; taskstats *_delay_total")]
    ratio: Annotated[Number, _d("of the sample, 1.0 = one thread always; null with one reading")]
