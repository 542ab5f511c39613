"""Interfaces from bytes: kinds, counters, rates, drivers, other ends, checks. Kinds this machine cannot
make (bond, vlan, vrf, ENA) are crafted.
"""

from __future__ import annotations

import errno
import io
import random
import struct

import frames
import pytest

from sretool.command import Look
from sretool.host import netns as host_netns
from sretool.host.fake import Fake
from sretool.host.source import Clock
from sretool.net.links import read
from sretool.net.links.checks import CHECKS
from sretool.net.links.model import Stats
from sretool.net.links.view import listing
from sretool.net.links.words import meaning
from sretool.report.check import judge
from sretool.report.table import write
from sretool.report.terminal import Terminal

UP = 0x11043
NAMES = Stats.__struct_fields__


def u32(value: int) -> bytes:
    return struct.pack("=I", value)


def nested(*attributes: tuple[int, bytes]) -> bytes:
    return b"".join(frames.attribute(kind, value) for kind, value in attributes)


def info(kind: str, data: bytes = b"") -> bytes:
    return frames.attribute(18, nested((1, kind.encode() + b"\0"), *([(2, data)] if data else [])))


def port(kind: str, data: bytes) -> bytes:
    return frames.attribute(18, nested((4, kind.encode() + b"\0"), (5, data)))


def link(
    index: int,
    name: str,
    more: bytes = b"",
    *,
    flags: int = UP,
    losses: int = 1,
    oper: int = 6,
    **counts: int,
):
    stats = struct.pack(f"={len(NAMES)}Q", *(counts.get(field, 0) for field in NAMES))
    attributes = frames.attribute(16, bytes([oper])) + frames.attribute(33, bytes([oper in (0, 6)]))
    attributes += (
        frames.attribute(47, u32(1)) + frames.attribute(48, u32(losses)) + frames.attribute(23, stats)
    )
    return frames.link_message(index, name, attributes + more, flags)


def driver(name: str = "eth0", driver: str | None = "ena", stats: dict[str, int] | None = None) -> dict:
    pairs = list((stats or {}).items())
    return {
        "ifname": name,
        "driver": driver,
        "version": None,
        "firmware": "1.2",
        "bus": "0000:00:05.0",
        "stats": pairs,
    }


def host(*links: bytes, earlier: Fake | None = None, facts: dict | None = None, **more) -> Fake:
    raw = {"route/links": [b"".join(links) + frames.DONE], **more.pop("netlink", {})}
    return Fake(more.pop("files", {"/proc/1/stat": ""}), netlink=raw, facts=facts, earlier=earlier, **more)


def built(source: Fake, wanted: read.Wanted = read.Wanted(), **more):
    now = read.sample(source)
    before = read.sample(source.earlier, read.COUNTERS) if source.earlier else None
    return read.build(now, before, wanted, **more), now.errors


def one(*links: bytes, at: int = 0, **more):
    data, errors = built(host(*links, **more))
    assert errors == []
    return data.links[at]


def outcomes(source: Fake):
    data, _ = built(source)
    return {verdict.id: (verdict.outcome, found) for verdict, found in judge(CHECKS, data)}


def test_the_common_part():
    more = (
        frames.attribute(1, b"\2\0\0\0\0\1") + frames.attribute(4, u32(9001)) + frames.attribute(6, b"mq\0")
    )
    more += frames.attribute(13, u32(1000)) + frames.attribute(31, u32(8)) + frames.attribute(32, u32(4))
    more += frames.attribute(20, b"uplink\0") + frames.attribute(
        52, nested((53, b"enp0s3\0"), (53, b"ens5\0"))
    )
    more += frames.attribute(43, nested((2, b"\2"), (4, u32(12))))
    files = {
        f"/sys/class/net/eth0/{name}": text
        for name, text in (("ifindex", "2\n"), ("speed", "25000\n"), ("duplex", "full\n"))
    }
    row = one(link(2, "eth0", more, rx_bytes=7, rx_nohandler=3), files=files)
    assert (row.ifname, row.alias, row.altnames, row.kind) == ("eth0", "uplink", ["enp0s3", "ens5"], None)
    assert (row.mtu, row.address, row.qdisc, row.txqlen) == (9001, "02:00:00:00:00:01", "mq", 1000)
    assert (row.num_tx_queues, row.num_rx_queues, row.xdp) == (8, 4, "generic, program 12")
    assert (row.speed_mbit_per_s, row.duplex, row.carrier, row.operstate) == (25000, "full", True, "up")
    assert (row.stats.rx_bytes, row.stats.rx_nohandler, row.grew) == (7, 3, None)
    assert (row.carrier_up_count, row.carrier_down_count, row.carrier_losses) == (1, 1, None)


def test_sysfs_of_another_namespace_is_not_believed():
    files = {"/sys/class/net/eth0/ifindex": "9\n", "/sys/class/net/eth0/speed": "25000\n"}
    assert one(link(2, "eth0"), files=files).speed_mbit_per_s is None
    for text in ("-1\n", "4294967295\n", "x\n", ""):
        files = {"/sys/class/net/eth0/ifindex": "2\n", "/sys/class/net/eth0/speed": text}
        assert one(link(2, "eth0"), files=files).speed_mbit_per_s is None


def test_a_bond_and_its_ports():
    partner = nested((1, struct.pack("=H", 3)), (2, struct.pack("=H", 2)), (5, b"\2\0\0\0\0\7"))
    data = nested((1, b"\4"), (2, u32(3)), (3, u32(100)), (14, b"\1"), (21, b"\1"), (23, partner))
    state = nested((1, b"\0"), (2, b"\0"), (3, u32(4)), (4, b"\2\0\0\0\0\3"))
    down = nested((1, b"\1"), (2, b"\2"), (3, u32(9)), (6, struct.pack("=H", 1)))
    rows, errors = built(
        host(
            link(2, "bond0", info("bond", data)),
            link(3, "eth0", port("bond", state) + frames.attribute(10, u32(2))),
            link(4, "eth1", port("bond", down) + frames.attribute(10, u32(2))),
        )
    )
    assert errors == []
    bond, first, second = rows.links
    assert bond.details == {
        "mode": "802.3ad",
        "active_slave": "eth0",
        "miimon_ms": 100,
        "xmit_hash_policy": "layer3+4",
        "ad_lacp_rate": "fast",
        "ad_aggregator": 3,
        "ad_num_ports": 2,
        "ad_partner_mac": "02:00:00:00:00:07",
    }
    assert (first.master, first.port["state"], first.port["mii_status"]) == ("bond0", "ACTIVE", "UP")
    assert bond.ports == {"eth0": "ACTIVE/UP", "eth1": "BACKUP/DOWN"}
    assert second.port == {
        "state": "BACKUP",
        "mii_status": "DOWN",
        "link_failure_count": 9,
        "ad_aggregator_id": 1,
    }


@pytest.mark.parametrize(
    ("kind", "data", "found"),
    [
        ("vlan", nested((1, struct.pack("=H", 42)), (5, b"\x81\0")), {"id": 42, "protocol": "802.1Q"}),
        ("vlan", nested((5, b"\x12\x34")), {"protocol": "unknown-0x1234"}),
        ("vrf", nested((1, u32(10))), {"table": 10}),
        ("ipvlan", nested((1, b"\2\0")), {"mode": "l3s"}),
        ("macvlan", nested((1, u32(2))), {"mode": "vepa"}),
        ("macvtap", nested((1, u32(99))), {"mode": "unknown-99"}),
        ("bond", nested((1, b"\x63"), (2, u32(77))), {"mode": "unknown-99", "active_slave": "if77"}),
        (
            "vxlan",
            nested((1, u32(7)), (16, b"\xfd" + bytes(14) + b"\1"), (15, b"\x12\xb5"), (25, b"\1")),
            {"id": 7, "remote": "fd00::1", "port": 4789, "external": True},
        ),
        (
            "tun",
            nested((1, u32(1000)), (3, b"\1"), (7, b"\0")),
            {"owner_uid": 1000, "owner": None, "type": "tun", "multi_queue": False},
        ),
        ("wireguard", nested((1, b"\xff" * 3)), {}),
        (
            "bridge",
            nested((5, u32(1)), (7, b"\1"), (4, u32(30000))),
            {"stp_state": True, "vlan_filtering": True, "ageing_time_s": 300.0},
        ),
    ],
)
def test_details_of_kinds(kind, data, found):
    row = one(link(2, "x0", info(kind, data)))
    assert (row.kind, row.details) == (kind, found)


def test_rates_and_what_grew():
    earlier = host(
        link(2, "eth0", rx_bytes=1000, rx_packets=10, tx_dropped=5, rx_missed_errors=7), link(3, "old")
    )
    now = host(
        link(
            2, "eth0", losses=3, rx_bytes=5000, rx_packets=30, tx_dropped=6, rx_missed_errors=9, tx_errors=1
        ),
        link(4, "new", rx_bytes=9),
        earlier=earlier,
    )
    data, _ = built(now)
    eth0, new = data.links
    assert data.window_s == 1.0
    assert (eth0.rx_bytes_per_s, eth0.rx_packets_per_s, eth0.drops_per_s, eth0.errors_per_s) == (
        4000,
        20,
        3,
        1,
    )
    assert eth0.grew == {
        "rx_packets": 20,
        "rx_bytes": 4000,
        "tx_errors": 1,
        "tx_dropped": 1,
        "rx_missed_errors": 2,
    }
    assert eth0.carrier_losses == 2
    assert (new.rx_bytes_per_s, new.grew, new.carrier_losses) == (None, None, None)


def test_counters_that_went_backwards_give_no_rates():
    row = one(link(2, "eth0", rx_bytes=5), earlier=host(link(2, "eth0", rx_bytes=9)))
    assert (row.rx_bytes_per_s, row.grew) == (None, None)
    # the same number, another interface
    assert one(link(2, "eth1", rx_bytes=5), earlier=host(link(2, "eth0"))).grew is None
    # another boot
    source = host(link(2, "eth0"), earlier=host(link(2, "eth0"), clock=Clock(1.0, 5000.0, 5000.0)))
    assert built(source)[0].window_s is None


def test_every_counter_is_explained():
    assert all(len(meaning(name)) > 10 for name in NAMES)
    # by their length: those of an older kernel end sooner
    short = frames.link_message(2, "eth0", frames.attribute(23, struct.pack("=23Q", *range(23))))
    row = one(short)
    assert (row.stats.tx_compressed, row.stats.rx_nohandler) == (22, 0)
    assert one(frames.link_message(2, "eth0")).stats is None


ENDS = link(2, "v0", info("veth") + frames.attribute(5, u32(7)) + frames.attribute(37, u32(3)))


def nsid(number: int) -> bytes:
    return frames.message(host_netns.RTM_NEWNSID, bytes(4) + frames.attribute(1, struct.pack("=i", number)))


def test_the_other_end_of_a_veth_has_namespace_process_and_container():
    group = "/system.slice/docker-" + "a1" * 32 + ".scope"
    files = {f"/proc/{pid}/stat": "" for pid in (1, 30, 31, 40)}
    files |= {"/proc/30/comm": "nginx\n", "/proc/30/cgroup": f"0::{group}\n"}
    links = {f"/proc/{pid}/ns/net": f"net:[{inode}]" for pid, inode in ((1, 1), (30, 9), (31, 9), (40, 8))}
    netlink = {
        "route/nsid/1": [nsid(-1)],
        "route/nsid/30": [nsid(3)],
        "route/nsid/40": [nsid(4)],
        "route/link/3/7": [frames.link_message(7, "eth0")],
    }
    source = host(
        ENDS,
        files=files,
        links=links,
        netlink=netlink,
        facts={"netns-names": [{"path": "/run/netns/x", "inode": 8, "nsid": 4}]},
    )
    data, _ = built(source)
    [row] = data.links
    assert (row.link, row.link_netns.nsid, row.link_netns.inode) == ("eth0", 3, 9)
    assert (row.link_netns.pid, row.link_netns.process, row.link_netns.container) == (
        30,
        "nginx",
        "a1a1a1a1a1a1",
    )
    assert row.link_netns.path is None


def test_a_namespace_without_a_process_has_its_name_or_its_number():
    facts = {"netns-names": [{"path": "/run/netns/blue", "inode": 8, "nsid": 3}]}
    data, errors = built(host(ENDS, facts=facts, netlink={"route/link/3/7": errno.EPERM}))
    [row] = data.links
    assert (row.link, row.link_netns.path, row.link_netns.inode, row.link_netns.pid) == (
        "if7",
        "/run/netns/blue",
        8,
        None,
    )
    assert [error.code for error in errors] == ["permission-denied"]
    [row] = built(host(ENDS))[0].links
    assert (row.link, row.link_netns.nsid, row.link_netns.path) == ("if7", 3, None)


def test_the_driver_counters_are_shown_when_asked_for():
    before = {"ethtool-stats 2": driver(stats={"rx_kicks": 5, "xdp": 1})}
    now = {"ethtool-stats 2": driver(driver="virtio_net", stats={"rx_kicks": 9, "xdp": 1})}
    before["ethtool-stats 2"]["driver"] = "virtio_net"
    source = host(link(2, "eth0"), facts=now, earlier=host(link(2, "eth0"), facts=before))
    [row] = built(source)[0].links
    assert (row.driver, row.firmware, row.bus, row.allowances) == ("virtio_net", "1.2", "0000:00:05.0", None)
    assert row.driver_stats is not None
    assert not isinstance(row.driver_stats, dict)  # absent: not asked
    [row] = built(source, driver_stats=True)[0].links
    assert (row.driver_stats, row.driver_stats_grew) == ({"rx_kicks": 9, "xdp": 1}, {"rx_kicks": 4})


def test_a_driver_that_answers_for_another_interface_is_not_believed():
    row = one(link(2, "eth0"), facts={"ethtool-stats 2": driver("eth7")})
    assert row.driver is None
    _, errors = built(host(link(2, "eth0"), facts={"ethtool-stats 2": {"x": 1}}))
    assert [error.code for error in errors] == ["parse"]


def ena(**counters: int) -> dict:
    names = {
        "bw_in_allowance_exceeded": 0,
        "pps_allowance_exceeded": 9,
        "conntrack_allowance_available": 1000,
    }
    return {"ethtool-stats 2": driver(stats={"total_resets": 0, **names, **counters})}


def test_allowances_of_ena_are_found_as_they_grow():
    """Crafted: there is no such device here."""
    before = host(link(2, "eth0"), facts=ena())
    quiet = host(link(2, "eth0"), facts=ena(conntrack_allowance_available=10), earlier=before)
    assert outcomes(quiet)["ena.allowance-exceeded"] == ("clear", [])
    assert [(one.name, one.grew) for one in built(quiet)[0].links[0].allowances] == [
        ("bw_in_allowance_exceeded", 0),
        ("pps_allowance_exceeded", 0),
        ("conntrack_allowance_available", None),
    ]
    loud = host(link(2, "eth0"), facts=ena(bw_in_allowance_exceeded=4), earlier=before)
    outcome, [found] = outcomes(loud)["ena.allowance-exceeded"]
    assert (outcome, found.severity, found.subject.id) == ("found", "warning", "eth0")
    assert "bw_in_allowance_exceeded by 4" in found.summary
    assert outcomes(host(link(2, "eth0"), facts=ena()))["ena.allowance-exceeded"][0] == "unknown"
    assert outcomes(host(link(2, "eth0")))["ena.allowance-exceeded"][0] == "not-applicable"


def growing(**grew: int) -> Fake:
    return host(link(2, "eth0", **grew), earlier=host(link(2, "eth0")))


@pytest.mark.parametrize(
    ("grew", "id"),
    [
        ({"rx_errors": 1, "rx_crc_errors": 1, "rx_packets": 10**6}, "link.errors"),
        ({"rx_frame_errors": 2}, "link.errors"),  # what tun counts
        ({"tx_carrier_errors": 1, "tx_errors": 1}, "link.errors"),
        ({"rx_fifo_errors": 3, "rx_errors": 3}, "link.drops"),  # one cause, one finding
        ({"rx_missed_errors": 1, "rx_packets": 10**6}, "link.drops"),
        ({"rx_dropped": 21, "rx_packets": 1000}, "link.drops"),
        ({"tx_dropped": 10}, "link.drops"),
    ],
)
def test_what_grows_is_found(grew, id):
    found = outcomes(growing(**grew))
    assert {name for name, (outcome, _) in found.items() if outcome == "found"} == {id}
    [finding] = found[id][1]
    assert (finding.severity, finding.subject.id) == ("warning", "eth0")


@pytest.mark.parametrize(
    "grew",
    [
        {},
        {
            "rx_packets": 10**6,
            "rx_bytes": 10**9,
            "multicast": 10,
            "rx_nohandler": 10**4,
            "rx_otherhost_dropped": 99,
        },
        {"rx_dropped": 20, "rx_packets": 1000},  # exactly the ratio
        {"tx_dropped": 9},  # too few to prove a thing
    ],
)
def test_what_is_normal_is_clear(grew):
    assert {outcome for outcome, _ in outcomes(growing(**grew)).values()} == {"clear", "not-applicable"}


@pytest.mark.parametrize(("count", "found"), [(10, 0), (11, 1)])
def test_a_tunnel_may_have_a_few_errors(count, found):
    source = host(link(2, "vx0", info("vxlan"), tx_errors=count), earlier=host(link(2, "vx0", info("vxlan"))))
    assert len(outcomes(source)["link.errors"][1]) == found


def test_a_watch_asks_for_other_ends_once():
    source = host(ENDS, netlink={"route/link/3/7": [frames.link_message(7, "eth0")]})
    first = read.sample(source)
    source._netlink["route/link/3/7"] = errno.EPERM
    again = read.sample(source, known=first)
    assert (again.names, again.errors) == ({(3, 7): "eth0"}, [])
    assert read.sample(source).errors


def test_what_happened_before_is_clear():
    counts = {"rx_errors": 10**6, "rx_missed_errors": 10**6, "tx_dropped": 10**6}
    source = host(link(2, "eth0", losses=50, **counts), earlier=host(link(2, "eth0", losses=50, **counts)))
    assert {outcome for outcome, _ in outcomes(source).values()} == {"clear", "not-applicable"}


def test_carrier_lost_over_the_sample():
    source = host(link(2, "eth0", losses=3), earlier=host(link(2, "eth0")))
    _, [found] = outcomes(source)["link.flaps"]
    assert "lost its carrier 2 times in 1 s, and is up again" in found.summary


DOWN = {"oper": 2, "flags": 0x1003}


@pytest.mark.parametrize(
    ("links", "count"),
    [
        ([link(2, "eth0", **DOWN)], 1),
        ([link(2, "eth0.5", info("vlan"), oper=3, flags=0x1003)], 1),
        ([link(2, "eth0", oper=2, flags=0x1002)], 0),  # set down
        (
            [
                frames.link_message(
                    2, "eth0", frames.attribute(16, b"\2") + frames.attribute(47, u32(0)), 0x1003
                )
            ],
            0,
        ),  # never up
        ([link(2, "docker0", info("bridge"), **DOWN)], 0),  # no container
        ([link(2, "br0", info("bridge"), **DOWN), link(3, "v0", frames.attribute(10, u32(2)))], 1),
        ([link(2, "tap0", info("tun"), **DOWN)], 0),  # nobody has it open
        ([link(1, "lo", oper=0, flags=0x10049)], 0),
    ],
)
def test_a_link_that_is_down_and_should_not_be(links, count):
    assert len(outcomes(host(*links, earlier=host(*links)))["link.flaps"][1]) == count


def test_what_is_shown_does_not_change_what_a_bridge_is():
    up = [link(2, "br0", info("bridge"), **DOWN), link(3, "v0", frames.attribute(10, u32(2)))]
    data, _ = built(host(*up, earlier=host(*up)), read.Wanted(dev="br0"))
    assert data.links[0].ports == {"v0": "up"}
    assert [verdict.outcome for verdict, _ in judge(CHECKS, data)][2] == "found"


def test_one_reading_is_unknown_and_still_sees_a_link_that_is_down():
    found = outcomes(host(link(2, "eth0", **DOWN)))
    assert (found["link.errors"][0], found["link.drops"][0], found["link.flaps"][0]) == (
        "unknown",
        "unknown",
        "found",
    )
    assert outcomes(host(link(2, "eth0")))["link.flaps"][0] == "unknown"


def test_what_was_not_recorded_is_said():
    source = host(link(2, "eth0"))
    source._facts["ethtool-stats 2"] = None

    def fact(name: str, *args: str) -> bytes:
        raise errno_error

    from sretool.errors import from_errno

    errno_error = from_errno(errno.ENODATA, "fact")
    source.fact = fact  # type: ignore[method-assign]
    assert {error.code for error in built(source)[1]} == {"not-recorded"}
    source._netlink["route/links"] = errno.ENODATA
    data, errors = built(source)
    assert (data.links, [error.code for error in errors]) == ([], ["not-recorded"])


def test_filters():
    source = host(
        link(1, "lo", oper=0, flags=0x10049),
        link(2, "eth0", frames.attribute(52, nested((53, b"ens5\0")))),
        link(3, "v0", info("veth"), **DOWN),
        link(4, "v1", info("veth"), oper=6, flags=0x1002),
    )

    def names(**wanted) -> list[str]:
        return [row.ifname for row in built(source, read.Wanted(**wanted))[0].links]

    assert names(kind="device") == ["lo", "eth0"]
    assert names(kind="veth") == ["v0", "v1"]
    assert names(up=True) == ["lo", "eth0"]
    assert names(up=False) == ["v0", "v1"]
    assert names(dev="ens5") == ["eth0"]


def shown(data, *fields: str) -> str:
    out = io.StringIO()
    write(listing(data, Look(fields, Terminal(False, None, None, False, True), False)), out, None, True)
    return out.getvalue()


def test_every_field_can_be_shown():
    counters = ena(bw_in_allowance_exceeded=4)
    source = host(
        ENDS,
        link(2, "eth0", rx_crc_errors=3),
        facts=counters,
        earlier=host(ENDS, link(2, "eth0"), facts=ena()),
    )
    data, _ = built(source, driver_stats=True)
    text = shown(data, *data.links[0].__struct_fields__)
    assert "eth0 rx_crc_errors +3 (3 since it was made): received damaged (CRC)" in text
    assert "another namespace (nsid 3)" in text
    assert "{" not in text
    [row] = [row for row in data.links if row.ifname == "eth0"]
    data.links = [row]
    text = shown(data, "ifname")
    assert "bw_in_allowance_exceeded 4 +4: packets queued or dropped" in text
    assert "driver      ena, firmware 1.2, at 0000:00:05.0" in text
    assert "rx_crc_errors +3" in text


def test_mutated_frames_cost_only_their_part():
    partner = nested((1, struct.pack("=H", 3)), (5, b"\2\0\0\0\0\7"))
    kept = b"".join(
        (
            link(2, "bond0", info("bond", nested((1, b"\4"), (2, u32(3)), (23, partner)))),
            link(3, "eth0", port("bond", nested((1, b"\0"), (2, b"\0"))) + frames.attribute(10, u32(2))),
            link(4, "vx0", info("vxlan", nested((1, u32(7)), (2, b"\xc0\0\2\1")))),
            link(5, "br0", info("bridge", nested((5, u32(1)), (10, bytes(8))))),
            ENDS,
        )
    )
    rng = random.Random(7)
    look = Look(
        ("ifname", "operstate", "link", "details", "port"), Terminal(False, None, None, False, True), False
    )
    for _ in range(1500):
        raw = bytearray(kept)
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.choice((0, 1, 2, 4, 0x7F, 0xFF, rng.randrange(256)))
        if rng.random() < 0.2:
            del raw[rng.randrange(len(raw)) :]
        data, errors = built(host(bytes(raw), earlier=host(kept)))
        assert {error.code for error in errors} <= {"parse", "missing", "unsupported"}
        assert listing(data, look)
        list(judge(CHECKS, data))
