"""Names and ASes from name servers on loopback that answer, lie, are late, or are dead."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import mmdb
import pytest
from cli import environment, reachable
from fakedns import Server, World, serve
from hypothesis import given
from hypothesis import strategies as st

from sretool.command.options import Options
from sretool.errors import NetworkError, UsageError
from sretool.probe import lookup, names
from sretool.probe.names import Known, Names, wanted
from sretool.probe.nameservers import NameServer
from sretool.probe.origins import Origin, OriginFile

A, B = "127.0.53.1", "127.0.53.2"
ENOUGH_S = 10.0
ZONES = {
    "10.in-addr.arpa.": (
        "1.0.0 PTR core-1.lab.\n2.0.0 PTR z.lab.\n2.0.0 PTR a.lab.\n"
        "3.0.0 CNAME 3.sub.0.0\n3.sub.0.0 PTR cname.lab.\n"  # CNAME: RFC 2317
        "4.0.0 PTR .\n5.0.0 CNAME 5.0.0\n6.0.0 PTR \\027[31m\\000\\255a\\.b.lab.\n"
    ),
    "9.in-addr.arpa.": "9.9.9 PTR nine.lab.\n",
    "ip6.arpa.": f"{'.'.join(reversed('2620' + '00fe' + '0' * 23 + '9'))} PTR six.lab.\n",
    "asn.lab.": (
        '9.9.9.9.origin TXT "64500 | 9.9.9.0/24 | CH | ripencc | 2001-01-01"\n'
        f"{'.'.join(reversed('2620' + '00fe' + '0' * 23 + '9'))}.origin6 TXT "
        '"64500 | 2620:fe::/48 | CH | ripencc | 2001-01-01"\n'
        '8.8.8.8.origin TXT "64501 | 8.8.8.0/24 | US | arin | 2001-01-01"\n'
        'as64500 TXT "64500 | CH | ripencc | 2001-01-01 | NINE - Nine, CH"\n'
    ),
}
NINE = Origin(64500, "9.9.9.0/24", "NINE - Nine", "CH", "asn.lab")


@contextlib.contextmanager
def asking(
    *faults: tuple[str, ...], servers: tuple[str, ...] = (A, B), name: bool = True, zone: str | None = None
) -> Iterator[tuple[Names, World]]:
    """Names that asks servers A, B, … with these faults; a server without faults given is good."""
    world = World(
        ZONES,
        {
            address: Server(tuple(ZONES), faults[number] if number < len(faults) else ())
            for number, address in enumerate(servers)
        },
    )
    with serve(world) as port:
        asker = Names([NameServer(socket.AF_INET, address, port) for address in servers], name, zone)
        try:
            yield asker, world
        finally:
            asker.close()


def known(asker: Names, *addresses: str, grace_s: float = ENOUGH_S) -> Known:
    for address in addresses:
        asker.ask(address)
    return asker.collect(grace_s)


def test_names_as_they_are() -> None:
    with asking() as (asker, world):
        found = known(asker, *(f"10.0.0.{n}" for n in range(1, 8)), "2620:fe::9", "9.9.9.9")
    assert found.names == {
        "10.0.0.1": "core-1.lab",
        "10.0.0.2": "a.lab",
        "10.0.0.3": "cname.lab",
        "10.0.0.4": None,
        "10.0.0.5": None,
        "10.0.0.6": "\\027[31m\\000\\255a\\.b.lab",
        "10.0.0.7": None,
        "2620:fe::9": "six.lab",
        "9.9.9.9": "nine.lab",
    }
    assert set(found.origins.values()) == {None}
    assert found.errors == []
    assert len(world.servers[A].seen) == 9
    assert world.servers[B].seen == []


def test_origins_and_their_names_are_asked_once() -> None:
    with asking(name=False, zone="asn.lab") as (asker, world):
        found = known(
            asker, "9.9.9.9", "2620:fe::9", "8.8.8.8", "11.1.1.1", "10.0.0.1", "192.0.2.1", "fe80::1%lo"
        )
        assert known(asker, "9.9.9.9") == found
    assert found.origins == {
        "9.9.9.9": NINE,
        "2620:fe::9": Origin(64500, "2620:fe::/48", "NINE - Nine", "CH", "asn.lab"),
        "8.8.8.8": Origin(64501, "8.8.8.0/24", None, "US", "asn.lab"),
        "11.1.1.1": Origin(None, source="asn.lab"),
        "10.0.0.1": None,
        "192.0.2.1": None,
        "fe80::1%lo": None,
    }
    assert set(found.names.values()) == {None}
    asked = sorted(line.split()[1] for line in world.servers[A].seen)
    assert [line for line in asked if line.lower().startswith("as")] == [
        "AS64500.asn.lab.",
        "AS64501.asn.lab.",
    ]
    assert len(asked) == 6


def test_a_link_local_address_is_asked_of_nobody() -> None:
    with asking(zone="asn.lab") as (asker, world):
        assert known(asker, "fe80::1%lo", "169.254.1.1").names == {"fe80::1%lo": None, "169.254.1.1": None}
    assert world.servers[A].seen == []
    assert asker._thread is None


@pytest.mark.parametrize(
    "fault",
    ["drop", "wrong-id", "wrong-question", "garbage", "rcode:SERVFAIL", "rcode:REFUSED", "rcode:FORMERR"],
)
def test_the_next_server_is_asked_where_one_gives_no_answer(fault: str) -> None:
    with asking((fault,)) as (asker, world):
        assert known(asker, "10.0.0.1").names == {"10.0.0.1": "core-1.lab"}
        # and first from then on
        assert known(asker, "10.0.0.2").names["10.0.0.2"] == "a.lab"
    assert len(world.servers[A].seen) == 1
    assert len(world.servers[B].seen) == 2


def test_the_right_reply_after_a_forged_one() -> None:
    with asking(("twice",)) as (asker, world):
        assert known(asker, "10.0.0.1").names == {"10.0.0.1": "core-1.lab"}
    assert world.servers[B].seen == []


def test_a_late_server_is_still_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "TRY_AGAIN_S", 0.05)
    with asking(("delay:0.4",), ("drop",)) as (asker, _):
        assert known(asker, "10.0.0.1").names == {"10.0.0.1": "core-1.lab"}


def test_a_port_without_a_server_costs_no_wait() -> None:
    with asking(servers=(B,)) as (good, _):
        port = good._servers[0].port
        asker = Names([NameServer(socket.AF_INET, A, port), good._servers[0]], True)
        began = time.monotonic()
        asker.ask("10.0.0.1")
        assert asker.collect(ENOUGH_S).names == {"10.0.0.1": "core-1.lab"}
        assert time.monotonic() - began < 5
        asker.close()


def test_a_family_this_host_cannot_reach_goes_to_the_next_server() -> None:
    with asking(servers=(B,)) as (good, _):
        # on an interface that is not there: refused before anything leaves
        off = NameServer(socket.AF_INET6, "fe80::1", good._servers[0].port, 999999)
        asker = Names([off, good._servers[0]], True)
        asker.ask("10.0.0.1")
        assert asker.collect(ENOUGH_S).names == {"10.0.0.1": "core-1.lab"}
        asker.close()


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "TRY_AGAIN_S", 0.05)
    monkeypatch.setattr(names, "GIVE_UP_S", 0.1)
    monkeypatch.setattr(names, "ASK_AGAIN_S", 0.2)
    with asking(("drop",), ("drop",), zone="asn.lab") as (asker, world):
        asker.ask("9.9.9.9")
        early = asker.collect(0)
        assert early.names == {"9.9.9.9": None}
        assert early.origins == {"9.9.9.9": None}
        late = asker.collect(ENOUGH_S)
        assert late.names == {"9.9.9.9": None}
        (error,) = late.errors
        assert isinstance(error, NetworkError)
        assert A in error.what
        assert len(world.servers[A].seen) == len(world.servers[B].seen) == 2
        asker.ask("9.9.9.9")
        assert len(world.servers[A].seen) == 2, "asked again before its time"
        time.sleep(0.2)  # ASK_AGAIN_S
        known(asker, "9.9.9.9")
        assert len(world.servers[A].seen) == 4


def test_asking_and_collecting_do_not_wait_for_a_silent_server() -> None:
    with asking(("drop",), ("drop",)) as (asker, _):
        began = time.monotonic()
        for number in range(1, 250):
            asker.ask(f"10.0.1.{number}")
        asker.collect(0)
        assert time.monotonic() - began < 1
        began = time.monotonic()
        asker.collect(0.2)
        assert 0.15 < time.monotonic() - began < 1
        began = time.monotonic()
    assert time.monotonic() - began < 2, "close waits"


def test_questions_in_flight_are_bounded() -> None:
    with asking(("drop",), ("drop",)) as (asker, world):
        for number in range(1, 250):
            asker.ask(f"10.0.1.{number}")
        until = time.monotonic() + 5
        while len(world.servers[A].seen) < names.IN_FLIGHT and time.monotonic() < until:
            time.sleep(0.01)
        asker.collect(0.1)
        assert len(world.servers[A].seen) == names.IN_FLIGHT
        assert len(asker._questions) == names.IN_FLIGHT


def test_a_truncated_reply_is_used_as_far_as_it_goes() -> None:
    with asking(("tc",)) as (asker, _):
        assert known(asker, "10.0.0.1").names == {"10.0.0.1": None}
    query = lookup.name_of("10.0.0.1")
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.TC
    reply.answer.append(dns.rrset.from_text(query.question[0].name, 9, "IN", "PTR", "b.lab.", "c.lab."))
    got = lookup.reply_to(query, reply.to_wire())
    assert got is not None
    assert lookup.name(got) == "b.lab"


def test_a_file_needs_no_server_and_no_thread(tmp_path: Path) -> None:
    path = mmdb.write(tmp_path / "a.mmdb", {"9.0.0.0/8": {"autonomous_system_number": 64500}})
    asker = Names([], False, OriginFile(str(path)))
    found = known(asker, "9.9.9.9", "8.8.8.8", "10.0.0.1")
    assert found.origins == {
        "9.9.9.9": Origin(64500, source="a.mmdb"),
        "8.8.8.8": Origin(None, source="a.mmdb"),
        "10.0.0.1": None,
    }
    assert found.errors == []
    assert asker._thread is None
    asker.close()


def test_a_bug_in_the_thread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(address: str) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(lookup, "name_of", broken)
    with asking() as (asker, _), pytest.raises(ZeroDivisionError):
        known(asker, "10.0.0.1")


@given(data=st.data())
def test_mutated_replies_are_no_replies_or_give_valid_text(data: st.DataObject) -> None:
    query = lookup.name_of("10.0.0.1")
    reply = dns.message.make_response(query)
    owner = query.question[0].name
    reply.answer.append(dns.rrset.from_text(owner, 9, "IN", "CNAME", "x.lab."))
    reply.answer.append(dns.rrset.from_text("x.lab.", 9, "IN", "PTR", "y.lab.", "z.lab."))
    wire = bytearray(reply.to_wire())
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    got = lookup.reply_to(query, bytes(wire[: data.draw(st.integers(0, len(wire)))]))
    if got is not None and lookup.answered(got):
        name = lookup.name(got)
        assert name is None or (name.isascii() and name.isprintable())


@pytest.mark.parametrize(
    "options",
    [
        Options(resolver="127.0.0.1"),
        Options(asn=True, asn_file="x"),
        Options(asn_zone="lab", asn_file="x"),
        Options(asn_zone=""),
        Options(resolve=True, resolver="nope"),
        Options(asn_file="/nope"),
    ],
)
def test_options_that_do_not_go_together(options: Options) -> None:
    with pytest.raises(UsageError):
        wanted(options)


def test_what_the_options_ask_for() -> None:
    assert wanted(Options()) is None
    asker = wanted(Options(asn_zone="ASN.lab.", resolver="127.0.0.9#5353"))
    assert asker is not None
    assert (asker.want_names, asker._zone) == (False, "asn.lab")
    assert asker._servers == [NameServer(socket.AF_INET, "127.0.0.9", 5353)]
    asker = wanted(Options(resolve=True, asn=True))
    assert asker is not None
    assert (asker.want_names, asker._zone) == (True, "asn.cymru.com")


def test_nothing_heavy_is_loaded_before_something_is_asked() -> None:
    code = (
        "import json, sys, sretool.net.trace.model, sretool.probe.names as n; n.Names([], True).collect(0); "
        "print(json.dumps([m for m in ('dns', 'maxminddb', 'asyncio') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


def test_an_ordinary_user_loads_no_asyncio_and_gets_names() -> None:
    code = f"""
import socket, sys
from sretool.probe.nameservers import parse
from sretool.probe.names import Names
names = Names([parse(sys.argv[1])], True)
names.ask("10.0.0.1")
print(names.collect({ENOUGH_S}).names, "asyncio" in sys.modules)
names.close()
"""
    with asking() as (good, _):
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        done = subprocess.run(
            [*reachable(), *drop, sys.executable, "-c", code, good._servers[0].text],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
    assert done.stdout == "{'10.0.0.1': 'core-1.lab'} False\n", done.stderr
    assert done.stderr == ""
