"""What the engine says of simulated paths, and how long it takes: a virtual clock, real rules.

Every node answers six times at once and then once a second, as Linux does, unless a test says otherwise.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from paths import Node, Path, Service, Split, router, straight
from sim_sizes import SimSizes

from sretool.net.mtu import build, sizes
from sretool.net.mtu.engine import Sizer
from sretool.net.mtu.model import Mtu
from sretool.net.mtu.probing import Plan

FAMILIES = pytest.mark.parametrize("family", [4, 6])
ECHO = pytest.mark.parametrize("echo", [False, True])


def limited(path: Path) -> Path:
    for node in path.every_node():
        node.burst, node.per_s = 6, 1.0
    return path


def narrow(path: Path, hop: int, mtu: int, ptb: bool | int = False) -> Path:
    node = path.nodes(hop)[0]
    node.mtu, node.ptb = mtu, ptb
    return path


def measure(path: Path, network: SimSizes | None = None, **plan: Any) -> tuple[Mtu, Sizer]:
    network = network or SimSizes(limited(path))
    plan.setdefault("echo", False)
    sizer = Sizer(network, Plan(path.target, path.family, plan.pop("big", path.link_mtu), **plan))
    sizer.run()
    asked = build.Asked("host", "10.99.0.254", None, ["udp-recverr"], [], 33434, path.link_mtu, path.link_mtu)
    return build.build(sizer, asked), sizer


def hole(found: Mtu) -> tuple[Any, ...]:
    assert found.black_hole is not None
    told = found.black_hole
    return told.after.ttl, told.before and told.before.ttl, told.passes_bytes, told.fails_bytes, told.exact


@FAMILIES
@ECHO
def test_a_healthy_path_takes_one_round_trip(family: int, echo: bool) -> None:
    found, _ = measure(straight(8, family=family), echo=echo)
    assert (found.path_mtu_bytes, found.end_reason, found.target_ttl) == (1500, "measured", 8)
    assert found.black_hole is None
    assert [hop.mtu_bytes for hop in found.hops] == [1500] * 8
    assert found.network_ms <= 80 * 1.1


@FAMILIES
@ECHO
def test_advertised_is_asked_next(family: int, echo: bool) -> None:
    path = narrow(narrow(straight(8, family=family), 4, 1400, True), 6, 1300, True)
    found, _ = measure(path, echo=echo)
    assert (found.path_mtu_bytes, found.end_reason, found.black_hole) == (1300, "measured", None)
    assert [(told.ttl, told.mtu_bytes, told.passes_bytes) for told in found.advertised] == [
        (4, 1400, 1400),
        (6, 1300, 1300),
    ]
    assert [hop.mtu_bytes for hop in found.hops] == [1500] * 4 + [1400] * 2 + [1300] * 2
    assert [hop.advertised_mtu_bytes for hop in found.hops if hop.advertised_mtu_bytes] == [1400, 1300]
    # to hop 4 and back, to hop 6 and back, to the target and back
    assert found.network_ms <= (40 + 60 + 80) * 1.1


@FAMILIES
@ECHO
@pytest.mark.parametrize("mtu", [1492, 1480, 1400, 1333, 1281, 1280, 900, 576, 100])
def test_a_black_hole_is_named_with_its_exact_size(family: int, echo: bool, mtu: int) -> None:
    found, _ = measure(narrow(straight(8, family=family), 4, mtu), echo=echo)
    assert hole(found) == (4, 5, mtu, mtu + 1, True)
    assert (found.path_mtu_bytes, found.end_reason) == (mtu, "measured")
    assert [hop.mtu_bytes for hop in found.hops] == [1500] * 4 + [mtu] * 4
    assert found.network_ms <= 1000


@pytest.mark.parametrize(
    ("mtu", "echo", "most_ms"), [(1400, False, 500), (1333, True, 800), (1333, False, 1600)]
)
def test_only_the_target_is_behind(mtu: int, echo: bool, most_ms: float) -> None:
    """It answers six times, and then once a second; of echoes as often as it is asked."""
    found, _ = measure(narrow(straight(8), 7, mtu), echo=echo)
    assert hole(found) == (7, 8, mtu, mtu + 1, True)
    assert found.path_mtu_bytes == mtu
    assert found.network_ms <= most_ms


@FAMILIES
def test_two_black_holes(family: int) -> None:
    found, _ = measure(narrow(narrow(straight(8, family=family), 4, 1400), 6, 1290))
    assert hole(found) == (4, 5, 1400, 1401, True)
    (further,) = found.further_black_holes
    assert (further.after.ttl, further.passes_bytes, further.exact) == (6, 1290, True)
    assert found.path_mtu_bytes == 1290


def test_silent_hops_behind_it() -> None:
    found, _ = measure(narrow(straight(8, silent=(5, 6)), 4, 1400))
    assert hole(found) == (4, 7, 1400, 1401, True)
    assert found.network_ms <= 1000
    assert [hop.mtu_bytes for hop in found.hops] == [1500] * 4 + [None] * 2 + [1400] * 2


def test_no_hop_answers_but_the_target() -> None:
    found, _ = measure(straight(8, silent=tuple(range(1, 8))))
    assert (found.path_mtu_bytes, found.black_hole) == (1500, None)


def test_jumbo_frames() -> None:
    path = narrow(straight(8), 4, 1500)
    path.link_mtu = 9000
    found, _ = measure(path)
    assert hole(found) == (4, 5, 1500, 1501, True)
    assert found.network_ms <= 600
    whole = straight(8)
    whole.link_mtu = 9001
    assert measure(whole)[0].path_mtu_bytes == 9001
    assert measure(whole, big=1500)[0].path_mtu_bytes == 1500


@ECHO
def test_a_target_that_says_nothing(echo: bool) -> None:
    found, _ = measure(straight(8, target_silent=True), echo=echo)
    assert (found.path_mtu_bytes, found.reached, found.end_reason) == (None, False, "silent")
    assert found.black_hole is None
    assert [hop.mtu_bytes for hop in found.hops] == [1500] * 7
    assert found.network_ms <= 1200


@ECHO
def test_a_black_hole_before_a_target_that_says_nothing(echo: bool) -> None:
    found, _ = measure(narrow(straight(8, target_silent=True), 4, 1333), echo=echo)
    assert hole(found) == (4, 5, 1333, 1334, True)
    assert (found.path_mtu_bytes, found.end_reason) == (None, "silent")
    assert found.network_ms <= 1900


@FAMILIES
@pytest.mark.parametrize("mtu", [0, 1450, 1500, 20])
def test_a_router_that_lies(family: int, mtu: int) -> None:
    found, _ = measure(narrow(straight(8, family=family), 4, 1333, ptb=mtu))
    assert hole(found) == (4, 5, 1333, 1334, True)
    assert found.path_mtu_bytes == 1333
    assert [told.mtu_bytes for told in found.advertised] == [mtu]
    assert found.advertised[0].passes_bytes == 1333
    assert found.network_ms <= 1000


def test_udp_is_filtered_and_echoes_are_answered() -> None:
    path = narrow(straight(8), 7, 1444)
    path.end = Node(path.target, [80.0], None, service=Service(udp="silent"))
    found, _ = measure(path, echo=True)
    assert hole(found) == (7, 8, 1444, 1445, True)
    assert found.path_mtu_bytes == 1444
    assert found.black_hole is not None
    assert found.black_hole.direction == "unknown"  # an echo reply is as large as its request
    middle = narrow(straight(8), 5, 1444)
    middle.end = Node(path.target, [80.0], None, service=Service(udp="silent"))
    found, _ = measure(middle, echo=True)
    assert hole(found) == (5, 6, 1444, 1445, True)
    assert found.black_hole is not None
    assert found.black_hole.direction == "forward"


@FAMILIES
def test_the_way_back_is_told_apart(family: int) -> None:
    path = straight(8, family=family)
    found, _ = measure(path, SimSizes(limited(path), back_mtu=1404), echo=True)
    assert (found.path_mtu_bytes, found.black_hole) == (1500, None)
    assert found.way_back is not None
    told = found.way_back
    assert (told.passes_bytes, told.fails_bytes, told.exact) == (1404, 1405, True)
    assert found.network_ms <= 600


def test_loss_is_no_black_hole() -> None:
    for seed in range(25):
        path = straight(8)
        path.seed = seed
        for node in path.every_node():
            node.drop = 0.02
        found, _ = measure(path, echo=True)
        assert (found.path_mtu_bytes, found.black_hole) == (1500, None), seed


def test_a_black_hole_with_loss() -> None:
    for seed in range(25):
        path = narrow(straight(8), 4, 1400)
        path.seed = seed
        for node in path.every_node():
            node.drop = 0.02
        found, _ = measure(path)
        assert found.black_hole is not None, seed
        told = found.black_hole
        assert (told.after.ttl, told.passes_bytes) == (4, 1400), (seed, told)


def test_any_path_with_some_loss_and_jitter() -> None:
    for seed in range(120):
        chosen = random.Random(seed)
        length, family = chosen.randint(2, 14), chosen.choice([4, 6])
        silent = tuple(ttl for ttl in range(1, length) if chosen.random() < 0.15)
        path = straight(length, chosen.choice([0.2, 3, 10, 20]), family=family, silent=silent)
        path.seed = seed
        hops = [ttl for ttl in range(1, length) if ttl not in silent]
        hop, mtu, ptb = None, 1500, True
        if hops and chosen.random() < 0.7:
            hop, mtu, ptb = (
                chosen.choice(hops),
                chosen.choice([1492, 1420, 1280, 1333]),
                chosen.random() < 0.4,
            )
            narrow(path, hop, mtu, ptb)
        for node in path.every_node():
            node.drop, node.jitter_ms = 0.01, chosen.choice([0, 30])
        found, _ = measure(path, echo=chosen.random() < 0.5)
        assert found.path_mtu_bytes == mtu, seed
        assert found.uneven is None, seed
        assert (found.black_hole is None) == ptb, seed
        if found.black_hole is not None:
            assert (found.black_hole.after.ttl, found.black_hole.passes_bytes) == (hop, mtu), seed


def test_asked_again_at_once() -> None:
    """Somebody has just used up what routers and target answer: it takes longer, and is as right."""
    for mtu in (1500, 1400):
        path = limited(narrow(straight(8), 4, mtu))
        network = SimSizes(path)
        for _ in range(4):
            found, _ = measure(path, network)
            assert found.path_mtu_bytes == mtu
            assert (found.black_hole is None) == (mtu == 1500)
            assert found.network_ms <= 6000


def test_refused_on_the_way() -> None:
    path = straight(8)
    path.nodes(3)[0].refuse = (3, 13)
    found, _ = measure(path)
    assert (found.end_reason, found.end_address) == ("prohibited", "10.99.0.3")
    assert found.path_mtu_bytes is None
    path.nodes(3)[0].refuse = (3, 1)
    assert measure(path)[0].end_reason == "unreachable"


def test_of_several_ways_the_narrowest_counts() -> None:
    for seed in range(6):
        path = straight(6)
        legs: list[list[Any]] = [[[router(3, 30.0, leg=1, mtu=1400)]], [[router(3, 30.0, leg=2)]]]
        path.hops[2] = Split(legs)
        path.seed = seed
        found, _ = measure(path)
        assert (found.path_mtu_bytes, found.black_hole) == (1400, None)
        assert [told.mtu_bytes for told in found.advertised] == [1400]
        assert found.widest_way_bytes in (1500, None)
        assert found.hops[2].addresses


def forked(seed: int, length: int = 8, **narrow: Any) -> Path:
    path = straight(length)
    legs: list[list[Any]] = [[[router(3, 30.0, leg=1, **narrow)]], [[router(3, 30.0, leg=2)]]]
    path.hops[2] = Split(legs)
    path.seed = seed
    return path


def test_a_way_that_eats_large_packets_is_seen() -> None:
    seen = []
    for seed in range(20):
        found, _ = measure(forked(seed, 12, mtu=1400, ptb=False))
        assert (found.path_mtu_bytes, found.black_hole) == (1500, None)
        seen.append(found.uneven is not None)
        if found.uneven is not None:
            assert all(hop > 3 for hop in found.uneven.hops)
            assert found.uneven.size_bytes == 1500
    # half of the flows take it: it is chance whether enough of them do
    assert sum(seen) >= 10, seen


def test_no_way_is_blamed_for_loss_or_silence() -> None:
    for seed in range(30):
        assert measure(forked(seed))[0].uneven is None
        path = straight(8, silent=(3, 5))
        path.seed = seed
        for node in path.every_node():
            node.drop = 0.02
        assert measure(path)[0].uneven is None, seed
    quiet, _ = measure(straight(8, silent=(3, 5)))
    assert quiet.network_ms <= 3 * 80


def test_the_deadline_is_kept() -> None:
    path = narrow(straight(8), 4, 1333)
    network = SimSizes(limited(path))
    _, sizer = measure(path, network, stop_at=network.now() + 0.2)
    assert sizer.overdue
    assert network.now() <= network.started + 0.21


def test_sizes_to_ask() -> None:
    for low, high in ((80, 1500), (1400, 1460), (1400, 1401), (1280, 1400), (80, 9000), (1500, 9000)):
        wanted = sizes.wanted(low, high)
        assert wanted == sorted(wanted, reverse=True)
        assert all(low < size < high for size in wanted)
        assert bool(wanted) == (high - low > 1)
        assert len(wanted) <= 200
