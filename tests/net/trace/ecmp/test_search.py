"""The search for ways, in a simulated network whose clock does not wait."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paths import PORT_UNREACHABLE, Element, Node, Path, Service, Split, router, straight, target
from sim_network import SimNetwork
from ways import diamond, every_way, found, leg, nodes_of, searched

from sretool.net.trace.drive import Drive
from sretool.net.trace.ecmp.engine import PATIENCE_S, Plan
from sretool.net.trace.ecmp.model import Ecmp
from sretool.net.trace.ecmp.search import Search
from sretool.net.trace.ecmp.stopping import flows_for
from sretool.net.trace.engine import Tracer
from sretool.net.trace.round import Plan as TracerPlan
from sretool.probe.network import SendFailed


def seen(ecmp: Ecmp) -> set[tuple[int, str]]:
    return {(ttl, address) for ttl, addresses in found(ecmp).items() for address in addresses}


@pytest.mark.parametrize("family", [4, 6])
def test_one_way_costs_one_round_trip(family: int) -> None:
    ecmp, network = searched(straight(12, family=family))
    assert ecmp.network_ms <= 1.05 * 120
    assert (ecmp.complete, ecmp.diamonds, ecmp.flows) == (True, [], 6)
    assert len(network.sent) == ecmp.probes_sent == 6 * 30
    assert all(hop.balancing == "none" for hop in ecmp.hops)
    assert [link.to_ttl for link in ecmp.links] == list(range(1, 13))


def test_silent_hops_are_left_out() -> None:
    ecmp, _ = searched(straight(12, silent=(4, 7)))
    assert (ecmp.complete, ecmp.diamonds) == (True, [])
    assert ecmp.network_ms <= 350
    assert [hop.ttl for hop in ecmp.hops if hop.balancing == "silent"] == [4, 7]
    assert [(link.from_ttl, link.to_ttl) for link in ecmp.links][3:6] == [(3, 5), (5, 6), (6, 8)]


def test_a_silent_target() -> None:
    ecmp, _ = searched(straight(12, target_silent=True))
    assert ecmp.network_ms <= 1500
    assert len(ecmp.hops) == 11


@pytest.mark.parametrize("width", [2, 4, 8, 16, 32])
def test_every_leg_of_a_diamond(width: int) -> None:
    ecmp, _ = searched(diamond(width), flows=512)
    assert ecmp.complete, ecmp.unfinished
    assert found(ecmp)[4] == {f"10.99.{number + 1}.4" for number in range(width)}
    (stretch,) = ecmp.diamonds
    assert (stretch.first_ttl, stretch.last_ttl, stretch.balancing) == (4, 4, "per-flow")
    assert len(stretch.legs) == width
    # each leg's own next hop was looked for, with flows known to take it
    onward = [link for link in ecmp.links if link.from_ttl == 4]
    assert len(onward) == width
    assert min(len(link.flows) for link in onward) >= flows_for(1)
    assert ecmp.discovery_ms <= 70 * (2 + width / 2)


def nested(seed: int) -> Path:
    """Two legs, each of which divides into three again."""
    path = diamond(2, seed=seed)
    split = path.hops[3]
    assert isinstance(split, Split)
    for number, way in enumerate(split.legs, start=1):
        inner: list[list[Element]] = [[[router(5, 50.0, leg=10 * number + place)]] for place in range(3)]
        way += [Split(inner), [router(6, 60.0, leg=number)]]
    return path


def test_nested_diamonds() -> None:
    ecmp, _ = searched(nested(3))
    assert [len(addresses) for addresses in found(ecmp).values()] == [1, 1, 1, 2, 6, 2, 1, 1, 1]
    (stretch,) = ecmp.diamonds
    assert (stretch.first_ttl, stretch.last_ttl) == (4, 6)
    assert {each.ttl for each in stretch.legs} == {5}
    assert {(link.from_address, link.to_address) for link in ecmp.links if link.from_ttl == 5} == {
        (f"10.99.{10 * number + place}.5", f"10.99.{number}.6") for number in (1, 2) for place in range(3)
    }


def twice(seed: int) -> Path:
    """Two balancers, one after the other."""
    path = diamond(3, after=2, seed=seed)
    path.hops += [Split([[[router(6, 60.0, leg=20 + place)]] for place in range(4)]), [router(7, 70.0)]]
    return path


def test_two_diamonds_one_after_the_other() -> None:
    ecmp, _ = searched(twice(1))
    assert [(stretch.first_ttl, len(stretch.legs)) for stretch in ecmp.diamonds] == [(4, 3), (6, 4)]


@pytest.mark.parametrize(
    ("build", "balancers", "runs"),
    [(lambda seed: diamond(2, seed=seed), 1, 100), (nested, 3, 25), (twice, 2, 25)],
    ids=["two ways", "nested", "twice"],
)
def test_legs_are_found_as_often_as_promised(build: object, balancers: int, runs: int) -> None:
    """Counted over seeds: each balancer shows all its ways in 95 % of the runs at least."""
    assert callable(build)
    missed = 0
    for seed in range(runs):
        path = build(seed)
        ecmp, _ = searched(path, measured=False)
        missed += min(balancers, len(nodes_of(path) - seen(ecmp)))
    assert missed <= 0.05 * balancers * runs


def test_legs_of_unequal_length() -> None:
    path = diamond(3)
    split = path.hops[3]
    assert isinstance(split, Split)
    split.legs[1] += [[router(5, 45.0, leg=9)], [router(6, 46.0, leg=9)]]
    ecmp, _ = searched(path)
    assert seen(ecmp) == nodes_of(path)
    assert ecmp.complete
    assert ecmp.hops[-1].ttl == 9
    assert all(each.verdict == "clear" for stretch in ecmp.diamonds for each in stretch.legs)


def test_a_longer_leg_that_the_first_round_did_not_see() -> None:
    """The target answers nearer; then a later flow goes a longer way."""
    for seed in range(30):
        path = diamond(2, seed=seed)
        split = path.hops[3]
        assert isinstance(split, Split)
        split.weights = [5, 1]
        split.legs[1].append([router(5, 45.0, leg=9)])
        ecmp, _ = searched(path, max_ttl=12)
        if (4, "10.99.2.4") in seen(ecmp):
            assert seen(ecmp) == nodes_of(path), seed


@pytest.mark.parametrize("width", [2, 4])
def test_by_packet(width: int) -> None:
    ecmp, _ = searched(diamond(width, by="packet"))
    assert found(ecmp)[4] == {f"10.99.{number + 1}.4" for number in range(width)}
    (stretch,) = ecmp.diamonds
    assert (stretch.balancing, stretch.legs) == ("per-packet", [])
    assert ecmp.hops[3].repeats_differing > 1
    assert all(node.share_ratio is None for node in ecmp.hops[3].nodes)
    assert ecmp.hops[4].balancing == "none"


def test_by_flow_is_never_taken_for_by_packet() -> None:
    for seed in range(25):
        ecmp, _ = searched(diamond(3, seed=seed))
        assert [stretch.balancing for stretch in ecmp.diamonds] == ["per-flow"]


def test_by_destination_is_not_seen() -> None:
    ecmp, _ = searched(diamond(4, by="destination"))
    assert (ecmp.diamonds, ecmp.complete) == ([], True)
    assert not any("echo" in blind for blind in ecmp.cannot_see)
    assert any("destination" in blind for blind in ecmp.cannot_see)


@pytest.mark.parametrize(
    ("burst", "per_s", "longest_ms"), [(6, 1.0, 1000 * PATIENCE_S + 1500), (10, 50.0, 1500)]
)
def test_routers_that_limit_their_answers(burst: int, per_s: float, longest_ms: float) -> None:
    """Linux answers six at once and then one a second, others 50 a second: no leg is missed nor made up."""
    path = diamond(2, burst=burst, per_s=per_s)
    ecmp, network = searched(path, transport="udp")
    assert found(ecmp)[4] == {"10.99.1.4", "10.99.2.4"}
    assert all(each.address is not None for stretch in ecmp.diamonds for each in stretch.legs)
    assert ecmp.discovery_ms <= longest_ms
    assert len(network.sent) < 500
    assert all(lacking.why == "silence" for lacking in ecmp.unfinished)


def test_one_leg_that_limits_its_answers() -> None:
    path = diamond(2)
    slow = leg(path, 1)
    slow.burst, slow.per_s = 3, 1.0
    ecmp, network = searched(path)
    (stretch,) = ecmp.diamonds
    assert [each.verdict for each in stretch.legs] == ["clear", "clear"]
    # what it did not answer says nothing of its share
    assert [each.share_ratio for each in stretch.legs] == [None, None]
    assert [(lacking.address, lacking.why) for lacking in ecmp.unfinished] == [("10.99.2.4", "silence")]
    assert len(network.sent) < 1000


def test_a_silent_leg_is_no_leg_of_its_own() -> None:
    path = diamond(3)
    leg(path, 1).icmp = None
    ecmp, _ = searched(path)
    (stretch,) = ecmp.diamonds
    assert [each.address for each in stretch.legs] == ["10.99.1.4", "10.99.3.4"]
    assert ecmp.hops[3].unanswered_flows
    assert ecmp.complete


def test_flows_run_out() -> None:
    ecmp, _ = searched(diamond(16), flows=64)
    assert ecmp.flows == ecmp.flows_most == 64
    assert not ecmp.complete
    assert {lacking.why for lacking in ecmp.unfinished} == {"flows"}
    assert all(lacking.flows_known < lacking.flows_needed for lacking in ecmp.unfinished)


def test_a_deadline_leaves_what_is_known() -> None:
    path = diamond(8)
    search = Search(SimNetwork(path, flow="fixed", transport="icmp"), Plan(path.target, 4, stop_at=1000.1))
    search.run()
    ecmp = search.answer()
    assert search.discovery.overdue
    assert ecmp.network_ms <= 101
    assert not ecmp.complete
    assert {lacking.why for lacking in ecmp.unfinished} == {"time"}


@pytest.mark.parametrize("moment", [0.035, 0.09, 0.6])
def test_an_interrupt_leaves_what_is_known(moment: float) -> None:
    path = diamond(8)
    network = SimNetwork(path, flow="fixed", transport="icmp", interrupt_at=moment)
    search = Search(network, Plan(path.target, 4))
    with pytest.raises(KeyboardInterrupt):
        search.run()
    ecmp = search.answer()
    assert ecmp.hops
    assert all(each.verdict != "loses" for stretch in ecmp.diamonds for each in stretch.legs)


def test_nothing_can_be_sent() -> None:
    network = SimNetwork(straight(3), flow="fixed", fails=dict.fromkeys(range(500), 1))
    with pytest.raises(SendFailed):
        Search(network, Plan(target(), 4)).run()


def test_a_tracers_burst_is_the_first_round() -> None:
    path = diamond(4)
    alone, _ = searched(path)
    network = SimNetwork(path, flow="fixed", transport="icmp")
    tracer = Tracer(TracerPlan(path.target, 4, queries=6, flows=6))
    drive = Drive(network, [tracer])
    drive.run()
    search = Search.after(
        network, tracer, flows=256, first_id=drive.next_id(), stop_at=float("inf"), echo=True
    )
    search.run()
    ecmp = search.answer()
    assert found(ecmp) == found(alone)
    assert ecmp.discovery_ms == pytest.approx(alone.discovery_ms, rel=0.1)
    assert len({probe.id for probe in network.sent}) == len(network.sent) == ecmp.probes_sent


def test_one_way_costs_no_more_than_the_trace() -> None:
    path = straight(12)
    network = SimNetwork(path, flow="fixed")
    tracer = Tracer(TracerPlan(path.target, 4, queries=6, flows=6))
    Drive(network, [tracer]).run()
    search = Search.after(network, tracer, flows=256, first_id=10_000, stop_at=float("inf"), echo=True)
    sent = len(network.sent)
    search.run()
    assert len(network.sent) == sent
    assert search.answer().network_ms <= 120 * 1.05


def test_a_service_whose_answers_name_no_probe() -> None:
    """The tracer finds the end with a flow a hop; the legs are found all the same, and no time is lost."""
    path = diamond(2)
    assert path.end is not None
    path.end.service = Service(udp="open")
    path.end.stray = True
    network = SimNetwork(path, flow="fixed", transport="udp")
    tracer = Tracer(TracerPlan(path.target, 4, queries=6, flows=6))
    drive = Drive(network, [tracer])
    drive.run()
    search = Search.after(
        network, tracer, flows=256, first_id=drive.next_id(), stop_at=float("inf"), echo=False
    )
    search.run()
    ecmp = search.answer()
    assert len(found(ecmp)[4]) == 2
    assert ecmp.hops[-1].ttl <= 7
    assert ecmp.network_ms < 3500


def test_a_tracer_that_was_cut_short() -> None:
    path = diamond(4)
    network = SimNetwork(path, flow="fixed", transport="icmp")
    tracer = Tracer(TracerPlan(path.target, 4, queries=6, flows=6))
    drive = Drive(network, [tracer], stop_at=network.now() + 0.045)
    drive.run()
    search = Search.after(network, tracer, flows=256, first_id=99, stop_at=drive.stop_at, echo=True)
    search.look()
    ecmp = search.answer()
    assert len(ecmp.hops) == 4
    assert not ecmp.complete
    assert {lacking.why for lacking in ecmp.unfinished} == {"time"}


def test_no_faster_than_it_may() -> None:
    ecmp, network = searched(diamond(4), per_s=100.0, burst=10, measured=False)
    assert network.now() - network.started >= (len(network.sent) - 10) / 100
    assert len(found(ecmp)[4]) == 4


@pytest.mark.parametrize("seed", range(8))
def test_an_end_is_not_taken_for_a_farther_one(seed: int) -> None:
    """Legs of one and of three silent or answering hops: a flow that was asked only behind the short leg's
    end must not put the target there.
    """
    silent = [[Node(f"10.0.0.{number}", [1.0], None)] for number in range(6)]
    inner = Split([silent[0:2], silent[2:4]])
    path = Path(
        target(),
        [Split([[silent[4]], [inner, [Node("10.0.0.12", [1.0], (11, 0))]]]), silent[5]],
        Node(target(), [90.0], PORT_UNREACHABLE[4]),
        seed=seed,
    )
    ecmp, _ = searched(path, flows=64)
    assert found(ecmp) == {3: {"10.0.0.12", target()}, 5: {target()}}


# random paths

_numbers = itertools.count()


@st.composite
def elements(draw: st.DrawFn, depth: int, most: int) -> list[Element]:
    hops: list[Element] = []
    for _ in range(draw(st.integers(1, most))):
        if depth and draw(st.integers(0, 2)) == 0:
            legs = [draw(elements(depth - 1, 2)) for _ in range(draw(st.integers(2, 4)))]
            hops.append(Split(legs, by=draw(st.sampled_from(["flow", "flow", "flow", "packet"]))))
        else:
            number = next(_numbers)
            address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            silent = draw(st.integers(0, 9)) == 0
            hops.append([Node(address, [draw(st.floats(1, 80))], None if silent else (11, 0))])
    return hops


@st.composite
def paths(draw: st.DrawFn) -> Path:
    end = draw(st.sampled_from([None, Node(target(), [90.0], PORT_UNREACHABLE[4])]))
    return Path(target(), draw(elements(2, 4)), end, seed=draw(st.integers(0, 10_000)))


def _by_packet(hops: list[Element]) -> bool:
    return any(
        isinstance(element, Split) and (element.by == "packet" or any(map(_by_packet, element.legs)))
        for element in hops
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=paths())
def test_nothing_is_made_up_and_every_search_ends(path: Path) -> None:
    ecmp, network = searched(path, flows=64)
    ways = every_way(path)
    real = nodes_of(path)
    if _by_packet(path.hops):
        # one probe of a flow may go the long way and be lost in silence, the next the short one: the end
        # answers at every TTL behind the shortest way, and nobody can tell
        real |= {(ttl, path.target) for ttl in range(min(map(len, ways)), 31)}
    assert seen(ecmp) <= real
    if not _by_packet(path.hops):
        steps = {(ttl, way[ttl - 1], way[ttl]) for way in ways for ttl in range(1, len(way))}
        for link in ecmp.links:
            if link.from_address and link.to_ttl == link.from_ttl + 1 and not link.assumed:
                assert (link.from_ttl, link.from_address, link.to_address) in steps
    assert ecmp.discovery_ms <= 1000 * (PATIENCE_S + 3)
    assert len(network.sent) <= 6000
    assert max(probe.flow for probe in network.sent) < 64
    assert ecmp.complete == (not ecmp.unfinished and bool(seen(ecmp)))
