"""Which connections take which leg, in the simulated network; with a real kernel in test_routers.py."""

from __future__ import annotations

from typing import Any

from paths import Path, Split
from sim_network import SimNetwork
from ways import diamond, leg

from sretool.net.trace.ecmp.engine import Plan
from sretool.net.trace.ecmp.model import LegSocket
from sretool.net.trace.ecmp.search import Search
from sretool.net.trace.ecmp.sockets import BORROWED, MOST, TRIES, Rides, ride


class Borrowing(SimNetwork):
    def __init__(self, path: Path, **more: Any) -> None:
        super().__init__(path, flow="fixed", transport="tcp", **more)
        self.borrowed: dict[int, int] = {}

    def borrow(self, target: int, flow: int, port: int) -> None:
        self.borrowed[flow] = port


def rows(count: int) -> list[LegSocket]:
    return [
        LegSocket("tcp", "10.99.0.254", 40000 + n, "established", 100 + n, "client") for n in range(count)
    ]


def ridden(path: Path, count: int) -> tuple[Rides, Borrowing]:
    network = Borrowing(path)
    search = Search(network, Plan(path.target, 4))
    search.run()
    rides = ride(search.discovery, search.diamonds, network, rows(count))
    mine = [probe for probe in network.sent if probe.flow >= BORROWED]
    assert {probe.flow for probe in mine} <= network.borrowed.keys()
    # whatever happens, no such probe gets to the target
    assert all(probe.ttl < len(path.hops) + 1 for probe in mine)
    return rides, network


def test_every_connection_is_on_one_leg() -> None:
    rides, network = ridden(diamond(3), 20)
    placed = {row.local_port: vertex.address for vertex, found in rides.by_leg.items() for row in found}
    assert sorted(placed) == [40000 + number for number in range(20)]
    assert set(placed.values()) <= {"10.99.1.4", "10.99.2.4", "10.99.3.4"}
    assert (rides.unknown, len(network.borrowed)) == ("", 20)
    assert {probe.ttl for probe in network.sent if probe.flow >= BORROWED} == {4}


def test_two_balancers_place_each_connection_twice() -> None:
    path = diamond(2, after=2)
    path.hops += diamond(3, before=5, seed=9).hops[5:]
    rides, _ = ridden(path, 8)
    assert sorted(vertex.ttl for vertex, found in rides.by_leg.items() for _ in found) == [4] * 8 + [6] * 8


def test_a_silent_leg_is_asked_a_few_times_and_said() -> None:
    path = diamond(2)
    leg(path, 1).drop = 1.0
    rides, network = ridden(path, 16)
    silent = len(rides.unanswered[4])
    assert 0 < silent < 16
    assert rides.unknown == f"the balanced hop answered for {16 - silent} of 16"
    asked = [probe.flow for probe in network.sent if probe.flow >= BORROWED]
    assert max(asked.count(flow) for flow in set(asked)) == TRIES


def test_a_balanced_hop_that_may_be_the_target_is_left_alone() -> None:
    path = diamond(2, after=1)
    split = path.hops[3]
    assert isinstance(split, Split)
    split.legs[0] = []  # a shorter way: the target is at TTL 4 for some
    rides, network = ridden(path, 5)
    assert "as far as the target" in rides.unknown
    assert not network.borrowed


def test_by_packet_no_connection_is_on_a_leg() -> None:
    rides, network = ridden(diamond(2, by="packet"), 5)
    assert (rides.by_leg, [probe for probe in network.sent if probe.flow >= BORROWED]) == ({}, [])


def test_more_connections_than_are_tried() -> None:
    rides, _ = ridden(diamond(2), MOST + 10)
    assert sum(map(len, rides.by_leg.values())) == MOST
    assert rides.unknown == f"only {MOST} of {MOST + 10} connections were tried"
