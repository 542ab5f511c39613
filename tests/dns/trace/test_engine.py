"""The walk over a simulated network: what it costs, and that it ends, whatever the delegations are."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Callable
from random import Random

import dns.name
import dns.rdataset
import dns.rdatatype
import pytest
from cli import sretool
from fakedns import Server, World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sretool.command.run import Look
from sretool.dns.message import Question
from sretool.dns.network import Asked, Purse
from sretool.dns.trace.build import build
from sretool.dns.trace.checks import CHECKS
from sretool.dns.trace.engine import Engine
from sretool.dns.trace.model import Trace
from sretool.dns.trace.state import Plan
from sretool.dns.trace.view import trace as view
from sretool.report.check import judge
from sretool.report.table import Lines, Table
from sretool.report.terminal import Terminal

ROOT = "127.9.0.1"


class Simulated:
    """Answers out of a world, each after `delay_s`; `spoil` may change the bytes."""

    def __init__(
        self,
        world: World,
        delay_s: dict[str, float] | None = None,
        spoil: Callable[[bytes], bytes] = lambda wire: wire,
    ) -> None:
        self.world, self.delay_s, self.spoil = world, delay_s or {}, spoil

    async def ask(self, asked: Asked, question: Question, purse: Purse) -> None:
        if not purse.allows(asked.urgent()):
            asked.error = "budget"
            return
        purse.spend()
        asked.tries += 1
        began = time.perf_counter()
        await asyncio.sleep(self.delay_s.get(asked.address, 0))
        server = self.world.servers.get(asked.address)
        replies = [] if server is None else self.world.answer(server, question.wire, tcp=False)
        if not replies:
            asked.error = "timeout"
            return
        asked.wire = self.spoil(replies[0])
        asked.at = time.perf_counter()
        asked.rtt_ms = (asked.at - began) * 1000


def run(
    network: Simulated, name: str, hints: dict[str, list[str]], source: str = "hints", **plan: object
) -> tuple[Engine, Trace]:
    roots = {dns.name.from_text(root): addresses for root, addresses in hints.items()}
    given: dict[str, object] = {"type": dns.rdatatype.A, "loopback": True, **plan}
    engine = Engine(Plan(dns.name.from_text(name), hints=roots, **given), network)  # type: ignore[arg-type]
    asyncio.run(engine.run())
    data = build(engine, source, 53, interrupted=False)
    assert data.queries <= data.query_budget
    return engine, data


def ids(data: Trace) -> list[str]:
    return [finding.id for _verdict, found in judge(CHECKS, data) for finding in found]


THREE_CUTS = {
    ".": "lab. NS a.lab.\nlab. NS b.lab.\na.lab. A 127.9.0.3\nb.lab. A 127.9.0.4\n@ NS r.\n",
    "lab.": "zone NS a.zone\nzone NS b.zone\na.zone A 127.9.0.5\nb.zone A 127.9.0.6\n",
    "zone.lab.": "www A 192.0.2.1\n",
}
HINTS = {"r.": [ROOT], "s.": ["127.9.0.2"]}


def three_cuts() -> World:
    hosts = {ROOT: ".", "127.9.0.2": ".", "127.9.0.3": "lab.", "127.9.0.4": "lab."}
    hosts |= {"127.9.0.5": "zone.lab.", "127.9.0.6": "zone.lab."}
    return World(THREE_CUTS, {address: Server((zone,)) for address, zone in hosts.items()})


def test_cuts_are_walked_at_the_pace_of_the_fastest_server() -> None:
    slow = {
        ROOT: 0.02,
        "127.9.0.2": 1.0,
        "127.9.0.3": 1.0,
        "127.9.0.4": 0.02,
        "127.9.0.5": 0.02,
        "127.9.0.6": 1.0,
    }
    engine, data = run(Simulated(three_cuts(), slow), "www.zone.lab.", HINTS)
    assert data.answer is not None
    assert data.answer.after_ms is not None
    assert 60 <= data.answer.after_ms < 1000  # three times 20 ms, and none of the 1,000
    assert data.network_ms is not None
    assert 1000 <= data.network_ms < 2000  # the slow ones are waited for side by side
    assert all(row.agrees for cut in data.cuts for row in cut.servers)
    assert not engine.cut_short


def test_budget_ends_the_search() -> None:
    _engine, data = run(Simulated(three_cuts()), "www.zone.lab.", HINTS, budget=3)
    assert (data.end_reason, data.queries) == ("budget", 3)
    assert ids(data) == []


def test_diagnosis_leaves_the_last_quarter_of_the_budget_to_the_way_down() -> None:
    world = three_cuts()
    for server in world.servers.values():
        server.faults = ("rcode:REFUSED",) if server.zones == ("lab.",) else ()
    world.servers["127.9.0.4"].faults = ()
    _engine, data = run(Simulated(world), "www.zone.lab.", HINTS, budget=8)
    assert data.end_reason == "answer"


def test_an_ns_set_without_end_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    # NXNSAttack: one referral to many names that must be looked up, each leading to many more
    names = "\n".join(f"evil.lab. NS n{n}.v{n}.lab." for n in range(300))
    names += "".join(f"\nv{n}.lab. NS n{k}.w{n}x{k}.lab." for n in range(13) for k in range(40))
    world = World(
        {".": "lab. NS a.lab.\na.lab. A 127.9.0.3\n@ NS r.\n", "lab.": names},
        {ROOT: Server((".",)), "127.9.0.3": Server(("lab.",))},
    )
    _engine, data = run(Simulated(world), "www.evil.lab.", {"r.": [ROOT]})
    assert data.queries <= 200
    assert data.end_reason in ("no-address", "budget")
    assert data.cuts[2].skipped == 300 - 13


def test_many_addresses_are_cut() -> None:
    glue = "lab. NS a.lab.\n" + "".join(f"a.lab. A 127.8.0.{n}\n" for n in range(1, 100))
    world = World({".": glue + "@ NS r.\n"}, {ROOT: Server((".",))})
    _engine, data = run(Simulated(world), "www.lab.", {"r.": [ROOT]})
    assert (len(data.cuts[1].servers), data.cuts[1].skipped) == (40, 59)


def test_something_answers_in_place_of_the_root() -> None:
    world = World({".": "@ NS r.\n"}, {f"127.9.0.{n}": Server((".",), ("not-aa",)) for n in range(1, 5)})
    hints = {"r.": list(world.servers)}
    _engine, data = run(Simulated(world), "www.lab.", hints, source="built-in")
    assert ids(data) == ["dns.intercepted", "dns.no-answer"]
    _engine, data = run(Simulated(world), "www.lab.", hints)
    assert ids(data) == ["dns.no-answer"]


def test_one_dead_ip_version_is_one_finding() -> None:
    world = three_cuts()
    for number, zone in ((1, "."), (3, "lab."), (5, "zone.lab.")):
        world.servers[f"fd53::{number}"] = Server((zone,), ("drop",))
    hints = {**HINTS, "t.": ["fd53::1"]}
    for zone, server, address in ((".", "a.lab.", "fd53::3"), ("lab.", "a.zone.lab.", "fd53::5")):
        glue = dns.rdataset.from_text("IN", "AAAA", 300, address)
        world.zones[zone].find_node(dns.name.from_text(server), create=True).replace_rdataset(glue)
    _engine, data = run(Simulated(world), "www.zone.lab.", hints)
    (finding,) = [each for _verdict, found in judge(CHECKS, data) for each in found]
    assert (finding.id, finding.severity) == ("dns.family-unreachable", "warning")
    assert "none of 3 servers answers over IPv6" in finding.summary
    for step in finding.next:  # --how takes the same command line and sends nothing
        assert sretool(*shlex.split(step)[1:], "--how").code == 0, step


def test_many_alike_servers_take_four_lines() -> None:
    roots = [f"127.9.5.{n}" for n in range(1, 27)]
    world = World(THREE_CUTS, {**three_cuts().servers, **{each: Server((".",)) for each in roots}})
    _engine, data = run(Simulated(world), "www.zone.lab.", {"r.": roots})
    look = Look((), Terminal(False, 80, 24, False, True), verbose=False)
    table, more, *_rest = view(data, look)
    assert isinstance(table, Table)
    assert isinstance(more, Lines)
    assert len(table.rows) == 3
    assert "23 more: referral to lab. (2 NS)" in str(more.lines)
    (table, *_rest) = view(data, look._replace(verbose=True))
    assert isinstance(table, Table)
    assert len(table.rows) == 26


LABELS = st.sampled_from("abcd")
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join(labels) + ".")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, str]:
    """Random zones with servers in random places, with glue or without, on the way down or in a circle,
    and random aliases between them.
    """
    zones = [".", *sorted(draw(st.sets(NAMES, min_size=1, max_size=6)), key=lambda name: name.count("."))]
    texts = {zone: ["@ NS r."] if zone == "." else [] for zone in zones}
    address = {zone: f"127.9.1.{number}" for number, zone in enumerate(zones)}
    address["."] = ROOT
    for zone in zones[1:]:
        parent = max((other for other in zones if other != zone and inside(zone, other)), key=len)
        for _ in range(draw(st.integers(1, 3))):
            server = "ns." + draw(st.sampled_from(zones[1:]))
            texts[parent].append(f"{zone} NS {server}")
            texts[zone].append(f"@ NS {server}")
            if draw(st.booleans()) and inside(server, parent):
                texts[parent].append(f"{server} A {address[draw(st.sampled_from(zones))]}")
        if draw(st.booleans()):
            texts[zone].append(f"ns.{zone} A {address[zone]}")
        if draw(st.booleans()):
            texts[zone].append(f"www.{zone} CNAME www.{draw(st.sampled_from(zones[1:]))}")
        else:
            texts[zone].append(f"www.{zone} A 192.0.2.1")
    faults = st.sampled_from(
        [(), (), (), ("drop",), ("rcode:REFUSED",), ("upward",), ("not-aa",), ("garbage",)]
    )
    servers = {address[zone]: Server((zone,), draw(faults) if zone != "." else ()) for zone in zones}
    made = World({zone: "\n".join(dict.fromkeys(lines)) for zone, lines in texts.items()}, servers)
    return made, "www." + draw(st.sampled_from(zones[1:]))


def inside(name: str, zone: str) -> bool:
    return zone == "." or f".{name}".endswith(f".{zone}")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.booleans())
def test_every_delegation_graph_ends(made: tuple[World, str], every: bool) -> None:
    world, name = made
    began = time.perf_counter()
    engine, data = run(Simulated(world), name, {"r.": [ROOT]}, every=every, deadline_s=20.0)
    assert not engine.cut_short, "something waits for itself"
    assert time.perf_counter() - began < 15
    assert data.end_reason not in ("deadline", "interrupted")
    if data.end_reason not in ("answer", "budget"):
        assert ids(data)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_hostile_replies_never_raise(random: Random) -> None:
    def spoil(wire: bytes) -> bytes:
        changed = bytearray(wire)
        for _ in range(random.randrange(4)):
            changed[random.randrange(2, len(wire))] = random.randrange(256)
        return bytes(changed)

    engine, found = run(Simulated(three_cuts(), spoil=spoil), "www.zone.lab.", HINTS)
    assert not engine.cut_short
    ids(found)
    for verbose in (False, True):
        assert view(found, Look((), Terminal(False, 80, 24, False, True), verbose))
