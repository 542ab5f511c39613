"""The simulated paths themselves: what a packet meets on them."""

from __future__ import annotations

from collections import Counter

import pytest
from path_walk import Answer, Packet, Walk
from paths import Change, Flood, Node, Path, Service, Split, address, router, straight
from sim_network import SimNetwork

from sretool.probe.network import Probe, SendFailed


def sent(walk: Walk, ttl: int, flow: object = 0, now: float = 0.0, **more: object) -> list[Answer]:
    return walk.answers(Packet("udp", ttl, flow, 60)._replace(**more), now)  # type: ignore[arg-type]


def who(walk: Walk, ttl: int, flow: object = 0, now: float = 0.0) -> str | None:
    found = sent(walk, ttl, flow, now)
    return found[0].node.address if found else None


def divided(by: str, **more: object) -> Path:
    """Hop 2 and 3 on the one leg, only 2 on the other, 3 or 4 joins them."""
    path = straight(5)
    legs = [[[router(2, 20.0, leg=1)], [router(3, 30.0, leg=1)]], [[router(2, 20.0, leg=2)]]]
    path.hops[1:3] = [Split(legs, by, **more)]  # type: ignore[arg-type, list-item]
    return path


def test_a_flow_keeps_its_leg_and_legs_may_be_of_any_length() -> None:
    walk = Walk(divided("flow"))
    ways = {tuple(who(walk, ttl, flow) for ttl in range(1, 6)) for flow in range(40) for _ in range(2)}
    assert ways == {
        ("10.99.0.1", "10.99.1.2", "10.99.1.3", "10.99.0.4", "10.99.255.1"),
        ("10.99.0.1", "10.99.2.2", "10.99.0.4", "10.99.255.1", "10.99.255.1"),
    }


def test_packets_take_any_leg_and_weights_count() -> None:
    walk = Walk(divided("packet", weights=[3, 1]))
    counted = Counter(who(walk, 2) for _ in range(1000))
    assert 690 < counted["10.99.1.2"] < 810
    walk = Walk(divided("destination"))
    assert len({who(walk, 2, flow) for flow in range(50)}) == 1
    walk = Walk(divided("flow", weights=[1, 3]))
    counted = Counter(who(walk, 2, flow) for flow in range(1000))
    assert 690 < counted["10.99.2.2"] < 810


def test_a_second_balancer_divides_what_the_first_gave_it() -> None:
    path = straight(4)
    for ttl in (2, 3):
        path.hops[ttl - 1] = Split([[[router(ttl, 10.0, leg=leg)]] for leg in (1, 2)])
    walk = Walk(path)
    counted = Counter((who(walk, 2, flow), who(walk, 3, flow)) for flow in range(1000))
    assert len(counted) == 4
    assert all(190 < count < 310 for count in counted.values())


def test_loss_on_a_link_is_of_all_that_passes_it_and_loss_of_answers_of_one_hop() -> None:
    path = straight(5)
    path.hops[1][0].answer_loss = 0.5  # type: ignore[index]
    path.hops[2][0].drop = 0.3  # type: ignore[index]
    walk = Walk(path)
    answered = {ttl: sum(bool(sent(walk, ttl)) for _ in range(1000)) for ttl in range(1, 6)}
    assert answered[1] == 1000
    assert 430 < answered[2] < 570
    assert all(640 < answered[ttl] < 760 for ttl in (3, 4, 5))


def test_a_bucket_of_tokens() -> None:
    path = straight(3)
    path.hops[0][0].burst, path.hops[0][0].per_s = 6, 1.0  # type: ignore[index]
    walk = Walk(path)
    assert sum(bool(sent(walk, 1)) for _ in range(10)) == 6
    assert [len(sent(walk, 1, now=now)) for now in (0.5, 1.1, 1.2, 2.2, 9.0)] == [0, 1, 0, 1, 1]
    # RFC 1812 4.3.2.8 is about errors: an echo reply is none
    path.end.burst = 1  # type: ignore[union-attr]
    walk = Walk(path)
    assert all(sent(walk, 9, protocol="icmp") for _ in range(10))


def test_the_path_changes() -> None:
    path = straight(4)
    other = [*path.hops[:1], [router(2, 20.0, leg=1)], *path.hops[2:]]
    path.changes = [Change(other, after_packets=5)]
    walk = Walk(path)
    assert [who(walk, 2) for _ in range(7)] == [address(2)] * 5 + [address(2, leg=1)] * 2
    path.changes = [Change(other, after_s=1.0)]
    walk = Walk(path)
    assert [who(walk, 2, now=now) for now in (7.0, 7.9, 8.0)] == [address(2)] * 2 + [address(2, leg=1)]


def test_sizes_and_what_is_advertised() -> None:
    path = straight(4)
    for ptb, expected in ((True, 1400), (0, 0), (900, 900)):
        path.hops[1] = [router(2, 20.0, mtu=1400, ptb=ptb)]
        (answer,) = sent(Walk(path), 9, size_bytes=1401)
        assert (answer.icmp, answer.mtu, answer.node.address) == ((3, 4), expected, address(2))
        assert sent(Walk(path), 9, size_bytes=1400)[0].icmp == (3, 3)
        assert sent(Walk(path), 9, size_bytes=1500, dont_fragment=False)[0].icmp == (3, 3)
        assert sent(Walk(path), 2, size_bytes=1500)[0].icmp == (11, 0)  # the TTL is looked at first
    path.hops[1] = [router(2, 20.0, mtu=1400, ptb=False)]
    assert sent(Walk(path), 3, size_bytes=1401) == []


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (Service(), ("icmp", "echo-reply", "syn-ack")),
        (Service(tcp="closed"), ("icmp", "echo-reply", "rst")),
        (Service("open", "open", "open"), ("datagram", "echo-reply", "syn-ack")),
        (Service("silent", "silent", "silent"), (None, None, None)),
        (Service((3, 13), (3, 13), (3, 13)), ("icmp", "icmp", "icmp")),
        (Service(most_bytes=50), (None, None, None)),
    ],
)
def test_what_a_host_does(service: Service, expected: tuple[str | None, ...]) -> None:
    path = straight(2)
    path.end = Node("10.99.255.1", [20.0], None, service=service)
    walk = Walk(path)
    found = [sent(walk, 5, protocol=protocol) for protocol in ("udp", "icmp", "tcp")]
    assert tuple(answers[0].kind if answers else None for answers in found) == expected


def test_the_network_sees_flows_labels_and_rewriting() -> None:
    path = divided("flow")
    path.hops[0] = [router(1, 10.0, nat=["checksum"])]
    path.hops[2] = [router(4, 40.0, labels=[(16004, 0, True, 1)])]
    network = SimNetwork(path, flow="fixed")
    for flow in (0, 1):
        for ttl in range(1, 6):
            network.send(Probe(flow * 10 + ttl, ttl, flow))
    replies = {}
    while found := network.receive(network.now() + 1):
        replies.update({reply.probe: reply for reply in found})
    assert [replies[ttl].rewritten for ttl in range(1, 6)] == [False, True, True, True, True]
    assert {reply.address for reply in replies.values() if reply.labels} == {address(4)}
    assert (replies[1].ttl, replies[2].ttl) == (64, 63)


def test_several_targets_and_our_own_mtu() -> None:
    one, two = straight(3), straight(3, family=6)
    two.link_mtu = 1280
    network = SimNetwork(one, two)
    network.send(Probe(0, 9, target=1))
    with pytest.raises(SendFailed):
        network.send(Probe(1, 9, target=1, size_bytes=1281))
    (reply,) = network.receive(network.now() + 1)
    assert (reply.address, reply.target) == ("fd99::ffff", 1)


def test_a_flood_answers_nothing() -> None:
    path = straight(2)
    path.flood = Flood(1000.0, 0.1, "10.99.9.9", (3, 1))
    network = SimNetwork(path)
    network.send(Probe(0, 1))
    replies = []
    while found := network.receive(network.now() + 1):
        replies += found
    assert Counter(reply.probe for reply in replies) == {None: 100, 0: 1}
