"""A root, a TLD and zones on loopback, one fault at a time: what is said, and with which exit code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fakedns import Server, World, serve

from sretool.cli import run

ROOT1, ROOT2 = "127.9.0.1", "127.9.0.2"
LAB1, LAB2 = "127.9.0.3", "127.9.0.4"
ZONE1, ZONE2 = "127.9.0.5", "127.9.0.6"
OTHER = "127.9.0.7"
NOBODY_LISTENS = "127.9.0.99"

HINTS = f". 3600 NS a.root.\n. 3600 NS b.root.\na.root. 3600 A {ROOT1}\nb.root. 3600 A {ROOT2}\n"
ZONES = {
    ".": f"""
lab. NS ns1.lab.
lab. NS ns2.lab.
ns1.lab. A {LAB1}
ns2.lab. A {LAB2}
other. NS ns.other.
ns.other. A {OTHER}
@ NS a.root.
@ NS b.root.
""",
    "lab.": f"""
ns1.lab. A {LAB1}
ns2.lab. A {LAB2}
zone.lab. NS ns1.zone.lab.
zone.lab. NS ns2.zone.lab.
ns1.zone.lab. A {ZONE1}
ns2.zone.lab. A {ZONE2}
glueless.lab. NS host.other.
noglue.lab. NS ns1.noglue.lab.
halfglue.lab. NS ns1.halfglue.lab.
halfglue.lab. NS ns2.halfglue.lab.
ns1.halfglue.lab. A {ZONE1}
cyc1.lab. NS ns.cyc2.lab.
cyc2.lab. NS ns.cyc1.lab.
ghost.lab. NS ns1.zone.lab.
ghost.lab. NS nowhere.other.
closed.lab. NS ns1.closed.lab.
closed.lab. NS ns2.closed.lab.
ns1.closed.lab. A {ZONE1}
ns2.closed.lab. A {NOBODY_LISTENS}
odd.lab. NS ns1.odd.lab.
ns1.odd.lab. A 0.0.0.0
ns1.odd.lab. A 224.0.0.251
ns1.odd.lab. A 255.255.255.255
ns1.odd.lab. AAAA ff02::fb
ns1.odd.lab. AAAA ::
mism.lab. NS ns1.zone.lab.
mism.lab. NS ns2.zone.lab.
""",
    "zone.lab.": f"""
www 60 A 192.0.2.1
www 60 A 192.0.2.2
alias CNAME www
away CNAME host.other.
self CNAME self
x CNAME y
y CNAME x
far CNAME far.other.
ns1 A {ZONE1}
ns2 A {ZONE2}
big TXT "{"x" * 250}" "{"y" * 250}" "{"z" * 250}" "{"w" * 250}" "{"v" * 250}" "{"u" * 250}"
hidden.ent A 192.0.2.7
"""
    + "\n".join(f"c{n} CNAME c{n + 1}" for n in range(30)),
    "zone.lab.#behind": f"www A 192.0.2.99\nns1 A {ZONE1}\nns2 A {ZONE2}\n",
    "zone.lab.#empty": f"ns1 A {ZONE1}\nns2 A {ZONE2}\n",
    "other.": f"host A {OTHER}\nns A {OTHER}\nfar CNAME far.zone.lab.\n",
    "glueless.lab.": "www A 192.0.2.3\n",
    "halfglue.lab.": f"www A 192.0.2.4\nns1 A {ZONE1}\nns2 A {ZONE2}\n",
    "ghost.lab.": "www A 192.0.2.5\n",
    "closed.lab.": "www A 192.0.2.6\n",
    "mism.lab.": "@ NS ns1.zone.lab.\n@ NS ns3.zone.lab.\nwww A 192.0.2.8\n",
}
HOSTS = {
    ROOT1: (".",),
    ROOT2: (".",),
    LAB1: ("lab.",),
    LAB2: ("lab.",),
    ZONE1: ("zone.lab.", "halfglue.lab.", "ghost.lab.", "closed.lab.", "mism.lab."),
    ZONE2: ("zone.lab.", "halfglue.lab.", "mism.lab."),
    OTHER: ("other.", "glueless.lab."),
}


class Traced(NamedTuple):
    code: int
    doc: Any
    world: World

    @property
    def ids(self) -> set[str]:
        return {finding["id"] for finding in self.doc["findings"]}

    @property
    def data(self) -> Any:
        return self.doc["data"]

    def row(self, address: str) -> Any:
        """The last row of this address on the way to the answer."""
        rows = [row for cut in self.data["cuts"] for row in cut["servers"] if row["address"] == address]
        return rows[-1]


Trace = Callable[..., Traced]


@contextmanager
def world(
    faults: dict[str, tuple[str, ...]] | None = None, hosts: dict[str, tuple[str, ...]] | None = None
) -> Iterator[tuple[World, int]]:
    made = World(
        ZONES,
        {
            each: Server(zones, (faults or {}).get(each, ()))
            for each, zones in {**HOSTS, **(hosts or {})}.items()
        },
    )
    with serve(made) as port:
        yield made, port


@pytest.fixture
def trace(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Trace:
    (tmp_path / "hints").write_text(HINTS)

    def call(
        *args: str,
        faults: dict[str, tuple[str, ...]] | None = None,
        hosts: dict[str, tuple[str, ...]] | None = None,
        timeout: float = 0.15,
    ) -> Traced:
        with world(faults, hosts) as (made, port):
            own = ["--hints", str(tmp_path / "hints"), "--port", str(port), "--timeout", str(timeout)]
            code = run(["dns", "trace", "--json", *own, *args])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        doc = json.loads(out)
        assert doc["exit_code"] == code
        if doc["data"]:
            assert doc["data"]["queries"] <= doc["data"]["query_budget"]
        return Traced(code, doc, made)

    return call


def test_healthy(trace: Trace) -> None:
    seen = trace("www.zone.lab")
    assert (seen.code, seen.doc["status"], seen.ids) == (0, "ok", set())
    assert seen.data["end_reason"] == "answer"
    assert [(cut["zone"], cut["parent"]) for cut in seen.data["cuts"]] == [
        (".", None),
        ("lab.", "."),
        ("zone.lab.", "lab."),
    ]
    for cut in seen.data["cuts"]:
        assert len(cut["servers"]) == 2
        assert all(
            row["agrees"] and row["rtt_ms"] >= 0 and row["transport"] == "udp" for row in cut["servers"]
        )
        assert all(row["edns"] and row["size_bytes"] > 12 for row in cut["servers"])
    assert [cut["referral"] and cut["referral"]["zone"] for cut in seen.data["cuts"]] == [
        "lab.",
        "zone.lab.",
        None,
    ]
    assert seen.data["cuts"][0]["referral"]["ns"] == [
        {"name": "ns1.lab.", "glue": [LAB1], "in_zone": True},
        {"name": "ns2.lab.", "glue": [LAB2], "in_zone": True},
    ]
    answer = seen.data["answer"]
    assert (answer["rcode"], answer["zone"]) == ("noerror", "zone.lab.")
    assert answer["records"] == [
        {"name": "www.zone.lab.", "type": "A", "ttl_s": 60, "rdata": "192.0.2.1"},
        {"name": "www.zone.lab.", "type": "A", "ttl_s": 60, "rdata": "192.0.2.2"},
    ]
    assert 0 < answer["after_ms"] <= seen.data["network_ms"]
    # six questions, and two zones asked for their own NS set
    assert seen.data["queries"] == 8 == sum(len(server.seen) for server in seen.world.servers.values())


class Case(NamedTuple):
    """What a fault makes of a trace. `row` is held against the row of the faulty server."""

    faults: dict[str, tuple[str, ...]]
    code: int
    ids: set[str]
    row: dict[str, Any] = {}
    name: tuple[str, ...] = ("www.zone.lab",)
    reason: str = "answer"


LAME, DEAD, NONE = {"dns.lame-server"}, {"dns.server-timeout"}, {"dns.no-answer"}
CASES = {
    "refused": Case(
        {ZONE2: ("rcode:REFUSED",)},
        1,
        LAME,
        {"result": "lame", "reason": "refused", "tries": 2, "rcode": "refused"},
    ),
    "servfail with EDE": Case(
        {ZONE2: ("rcode:SERVFAIL", "ede:23:upstream gone")},
        1,
        LAME,
        {"reason": "servfail", "ede": [{"code": 23, "name": "network-error", "text": "upstream gone"}]},
    ),
    "servfail once": Case(
        {ZONE2: ("rcode-once:SERVFAIL",)}, 0, set(), {"result": "answer", "tries": 2, "agrees": True}
    ),
    "upward referral": Case({ZONE2: ("upward",)}, 1, LAME, {"reason": "upward-referral", "tries": 2}),
    "horizontal referral": Case({ZONE2: ("horizontal",)}, 1, LAME, {"reason": "horizontal-referral"}),
    "not authoritative": Case({ZONE2: ("not-aa",)}, 1, LAME, {"reason": "not-authoritative", "aa": False}),
    "garbage": Case({ZONE2: ("garbage",)}, 1, LAME, {"error": "malformed", "rcode": None, "size_bytes": 70}),
    "silent": Case(
        {ZONE2: ("drop",)}, 1, DEAD, {"error": "timeout", "tries": 3, "tcp_tried": True, "rtt_ms": None}
    ),
    "one lost": Case({ZONE2: ("drop:1",)}, 0, set(), {"error": None, "tries": 2}),
    "UDP lost": Case(
        {ZONE2: ("drop-udp",)}, 1, DEAD, {"transport": "tcp", "udp_silent": True, "agrees": True}
    ),
    "wrong id": Case({ZONE2: ("wrong-id",)}, 1, DEAD, {"error": "timeout", "ignored_replies": 4}),
    "wrong question": Case({ZONE2: ("wrong-question",)}, 1, DEAD, {"error": "timeout", "ignored_replies": 4}),
    "forged, then right": Case({ZONE2: ("twice",)}, 0, set(), {"ignored_replies": 1, "agrees": True}),
    "truncated": Case({ZONE2: ("tc",)}, 0, set(), {"truncated": True, "transport": "tcp", "agrees": True}),
    "truncated, TCP closes": Case(
        {ZONE2: ("tc", "close-tcp")}, 1, {"dns.tcp-failed"}, {"error": "tcp-closed"}
    ),
    "truncated, no TCP": Case({ZONE2: ("tc", "no-tcp")}, 1, {"dns.tcp-failed"}, {"error": "tcp-refused"}),
    "EDNS refused": Case(
        {ZONE2: ("formerr-on-edns",)}, 0, {"dns.edns-refused"}, {"edns_refused": True, "edns": False}
    ),
    "EDNS not known": Case({ZONE2: ("no-opt",)}, 0, set(), {"edns": False, "edns_refused": False}),
    "formerr whatever is asked": Case(
        {ZONE2: ("rcode:FORMERR",)}, 1, LAME, {"reason": "formerr", "edns_refused": False}
    ),
    "NSID": Case({ZONE2: ("nsid:node-7",)}, 0, set(), {"nsid": "node-7"}),
    "all refuse": Case(
        {ZONE1: ("rcode:REFUSED",), ZONE2: ("rcode:REFUSED",)},
        2,
        NONE,
        {"reason": "refused"},
        reason="no-answer",
    ),
    "all silent": Case(
        {ZONE1: ("drop",), ZONE2: ("drop",)}, 2, NONE, {"error": "timeout"}, reason="no-answer"
    ),
    "root silent": Case({ROOT1: ("drop",), ROOT2: ("drop",)}, 2, NONE, reason="no-answer"),
    "lame above, answer below": Case({LAB2: ("rcode:REFUSED",)}, 1, LAME),
    "no such name": Case({}, 1, {"dns.nxdomain"}, name=("nope.zone.lab",), reason="nxdomain"),
    "no such type": Case({}, 1, {"dns.nodata"}, name=("www.zone.lab", "MX"), reason="nodata"),
    "unknown type": Case({}, 1, {"dns.nodata"}, name=("www.zone.lab", "TYPE65280"), reason="nodata"),
    "empty non-terminal": Case({}, 1, {"dns.nodata"}, name=("ent.zone.lab",), reason="nodata"),
    "alias": Case({}, 0, set(), name=("alias.zone.lab",)),
    "alias to another zone": Case({}, 0, set(), name=("away.zone.lab",)),
    "alias of itself": Case({}, 2, {"dns.cname-loop"}, name=("self.zone.lab",), reason="cname-loop"),
    "alias loop": Case({}, 2, {"dns.cname-loop"}, name=("x.zone.lab",), reason="cname-loop"),
    "alias loop over zones": Case({}, 2, {"dns.cname-loop"}, name=("far.zone.lab",), reason="cname-loop"),
    "alias chain": Case({}, 2, {"dns.cname-too-long"}, name=("c0.zone.lab",), reason="cname-limit"),
    "glueless": Case({}, 0, set(), name=("www.glueless.lab",)),
    "no glue at all": Case(
        {}, 2, {"dns.no-answer", "dns.glue-missing"}, name=("www.noglue.lab",), reason="no-address"
    ),
    "no glue for one": Case({}, 1, {"dns.glue-missing"}, name=("www.halfglue.lab",)),
    "glueless in a circle": Case(
        {}, 2, {"dns.no-answer", "dns.ns-cycle"}, name=("www.cyc1.lab",), reason="no-address"
    ),
    "server name without address": Case({}, 1, {"dns.ns-unresolvable"}, name=("www.ghost.lab",)),
    "port closed": Case({}, 1, DEAD, name=("www.closed.lab",)),
    "addresses no server has": Case({}, 2, NONE, name=("www.odd.lab",), reason="no-address"),
    "parent and zone differ": Case({}, 1, {"dns.ns-mismatch"}, name=("www.mism.lab",)),
    "DS is asked of the parent": Case({}, 1, {"dns.nodata"}, name=("zone.lab", "DS"), reason="nodata"),
    "NS of a delegated zone": Case({}, 0, set(), name=("zone.lab", "NS")),
    "the root itself": Case({}, 0, set(), name=(".", "NS")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_case(trace: Trace, case: Case) -> None:
    seen = trace(*case.name, faults=case.faults)
    assert (seen.data["end_reason"], seen.ids, seen.code) == (case.reason, case.ids, case.code)
    assert seen.doc["status"] == "ok"
    if case.row:
        row = seen.row(list(case.faults)[-1])
        assert {name: row[name] for name in case.row} == case.row
    for finding in seen.doc["findings"]:
        assert finding["evidence"]
        assert finding["remedy"]
    if case.code == 2:
        assert "critical" in {finding["severity"] for finding in seen.doc["findings"]}


def test_findings_name_the_server_and_the_dig_line(trace: Trace) -> None:
    seen = trace("www.zone.lab", faults={ZONE2: ("rcode:REFUSED", "ede:20:not ours")})
    (finding,) = seen.doc["findings"]
    assert finding["subject"] == {"kind": "server", "id": ZONE2, "name": "ns2.zone.lab."}
    assert "ns2.zone.lab. (127.9.0.6) is lame for zone.lab.: refused" in finding["summary"]
    assert "EDE 20 not-authoritative not ours" in finding["summary"]
    assert finding["next"][0].startswith("dig +norecurse -p ")
    assert finding["next"][0].endswith("@127.9.0.6 www.zone.lab. A")


def test_negative_answer_says_how_long_it_is_kept(trace: Trace) -> None:
    seen = trace("nope.zone.lab")
    assert seen.data["answer"]["rcode"] == "nxdomain"
    assert seen.data["answer"]["negative_ttl_s"] == 60
    assert trace("nope.zone.lab", "--fail-on", "critical").code == 0


def test_cycle_is_printed(trace: Trace) -> None:
    seen = trace("www.cyc1.lab")
    assert [sorted(cycle) for cycle in seen.data["cycles"]] == [["ns.cyc1.lab.", "ns.cyc2.lab."]]


def test_alias_loop_is_printed(trace: Trace) -> None:
    seen = trace("far.zone.lab")
    assert seen.data["aliases"] == ["far.other.", "far.zone.lab."]
    assert "far.zone.lab. > far.other. > far.zone.lab." in seen.doc["findings"][0]["summary"]


def test_alias_restarts_from_the_closest_known_cut(trace: Trace) -> None:
    seen = trace("away.zone.lab")
    asked = [(cut["zone"], cut["query_name"], cut["asked"]) for cut in seen.data["cuts"]]
    assert asked[3:] == [(".", "host.other.", "one"), ("other.", "host.other.", "all")]
    assert [record["type"] for record in seen.data["answer"]["records"]] == ["CNAME", "A"]


def test_glueless_server_is_looked_up(trace: Trace) -> None:
    seen = trace("www.glueless.lab")
    assert {cut["wanted_by"] for cut in seen.data["cuts"]} == {None, "host.other."}
    (row,) = next(cut["servers"] for cut in seen.data["cuts"] if cut["zone"] == "glueless.lab.")
    assert (row["address"], row["names"]) == (OTHER, ["host.other."])


def test_addresses_that_no_server_has_get_no_packet(trace: Trace) -> None:
    seen = trace("www.odd.lab")
    rows = seen.data["cuts"][-1]["servers"]
    assert {row["address"] for row in rows} == {"0.0.0.0", "224.0.0.251", "255.255.255.255", "::", "ff02::fb"}
    assert all(row["error"] == "no-server-address" and row["tries"] == 0 for row in rows)


def test_glue_that_is_not_the_zones_to_give_is_dropped(trace: Trace) -> None:
    seen = trace(
        "www.zone.lab",
        faults={LAB1: (f"poison:host.other.:{OTHER}",), LAB2: (f"poison:host.other.:{OTHER}",)},
    )
    assert seen.code == 0
    assert seen.data["cuts"][1]["referral"]["dropped_glue"] == ["host.other."]
    assert not seen.world.servers[OTHER].seen


def test_old_zone_on_one_server(trace: Trace) -> None:
    values = trace("www.zone.lab", hosts={ZONE2: ("zone.lab.#behind",)})
    assert (values.code, values.ids) == (0, {"dns.servers-disagree"})  # load may be balanced so
    gone = trace("www.zone.lab", hosts={ZONE2: ("zone.lab.#empty",)}, faults={ZONE2: ("delay:0.05",)})
    assert (gone.code, gone.ids) == (1, {"dns.servers-disagree"})
    assert gone.row(ZONE2)["agrees"] is False


def test_answer_too_large_for_udp(trace: Trace) -> None:
    both = ("tc",)
    seen = trace("big.zone.lab", "TXT", faults={ZONE1: both, ZONE2: both})
    assert seen.code == 0
    assert seen.row(ZONE1)["size_bytes"] > 1500


def test_port_closed_is_believed_the_second_time(trace: Trace) -> None:
    row = trace("www.closed.lab").row(NOBODY_LISTENS)
    assert (row["error"], row["tries"]) == ("port-closed", 2)


def test_one_server_a_cut(trace: Trace) -> None:
    seen = trace("--servers", "one", "www.zone.lab")
    assert seen.code == 0
    assert seen.data["queries"] == 3
    assert [len(cut["servers"]) for cut in seen.data["cuts"]] == [1, 1, 1]


def test_one_server_a_cut_takes_the_next_when_it_is_silent(trace: Trace) -> None:
    seen = trace("--servers", "one", "www.zone.lab", faults={ROOT1: ("drop",)}, timeout=1.5)
    assert seen.data["end_reason"] == "answer"
    assert seen.data["answer"]["after_ms"] < 1000
    assert seen.row(ROOT1)["error"] == "not-waited-for"


def test_one_family(trace: Trace) -> None:
    assert trace("-4", "www.zone.lab").code == 0
    seen = trace("-6", "www.zone.lab")
    assert (seen.code, seen.data["end_reason"], seen.data["queries"]) == (2, "no-address", 0)


def test_dead_servers_delay_neither_the_next_cut_nor_the_report(trace: Trace) -> None:
    slow = ("delay:0.05",)
    all_well = trace("www.zone.lab", faults=dict.fromkeys(HOSTS, slow), timeout=1.5)
    assert all_well.code == 0
    assert 150 <= all_well.data["network_ms"] < 1400  # 220 on a quiet machine
    half = {ROOT1: slow, ROOT2: ("drop",), LAB1: ("drop",), LAB2: slow, ZONE1: slow, ZONE2: ("drop",)}
    half_dead = trace("www.zone.lab", faults=half, timeout=1.5)
    assert (half_dead.code, half_dead.doc["status"]) == (1, "ok")
    assert half_dead.data["answer"]["after_ms"] < 1400  # 300; less than one timeout
    assert half_dead.data["network_ms"] < 4000
    assert [finding["id"] for finding in half_dead.doc["findings"]] == ["dns.server-timeout"] * 3


# what we could not look at


def test_deadline_before_an_answer(trace: Trace) -> None:
    silent = {ZONE1: ("drop",), ZONE2: ("drop",)}
    began = time.monotonic()
    seen = trace("--deadline", "0.4", "www.zone.lab", faults=silent, timeout=1.5)
    assert time.monotonic() - began >= 0.4
    assert (seen.code, seen.doc["status"], seen.data["end_reason"]) == (3, "partial", "deadline")
    assert [error["code"] for error in seen.doc["errors"]] == ["deadline"]
    assert [cut["zone"] for cut in seen.data["cuts"]] == [".", "lab.", "zone.lab."]
    assert seen.data["network_ms"] < 1500
    assert not seen.ids


def test_deadline_after_the_answer(trace: Trace) -> None:
    seen = trace("--deadline", "0.4", "www.zone.lab", faults={ZONE2: ("drop",)}, timeout=1.5)
    assert (seen.code, seen.doc["status"], seen.data["end_reason"]) == (0, "partial", "answer")
    assert seen.row(ZONE2)["error"] == "deadline"
    assert not seen.ids  # too few tries to call it dead


@pytest.mark.parametrize("place", ["connect", "send", "socket"])
def test_nothing_leaves_this_host(trace: Trace, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    import errno
    import socket

    real = socket.socket

    class Broken(real):
        def __init__(self, *args: Any, **more: Any) -> None:
            if place == "socket" and more.get("fileno") is None and broken:
                raise OSError(errno.EMFILE, "too many open files")
            super().__init__(*args, **more)

        def connect(self, address: Any) -> None:
            if place == "connect" and address[0].startswith("127.9."):
                raise OSError(errno.ENETUNREACH, "network is unreachable")
            super().connect(address)

        def send(self, *args: Any) -> int:
            if place == "send" and self.type == socket.SOCK_DGRAM:
                raise OSError(errno.EPERM, "operation not permitted")
            return super().send(*args)

    import sretool.dns.network as network

    broken = True
    fake = type("module", (), {**{name: getattr(socket, name) for name in dir(socket)}, "socket": Broken})
    monkeypatch.setattr(network, "socket", fake)
    seen = trace("www.zone.lab")
    assert (seen.code, seen.doc["status"], seen.data["end_reason"]) == (3, "partial", "no-network")
    assert seen.doc["errors"][0]["code"] == "no-route"
    assert seen.data["queries"] == 0
    assert not seen.ids


# bad input: refused before anything is sent


@pytest.mark.parametrize(
    "args",
    [
        ("",),
        ("a" * 64 + ".lab",),
        (".".join(["a" * 60] * 5),),
        ("a..lab",),
        ("192.0.2.1",),
        ("www.zone.lab", "NOPE"),
        ("www.zone.lab", "AXFR"),
        ("MX", "www.zone.lab"),
        ("www.zone.lab", "--port", "0"),
        ("www.zone.lab", "--port", "70000"),
        ("www.zone.lab", "--port", "x"),
        ("www.zone.lab", "--hints", "/nonexistent"),
        ("www.zone.lab", "--hints", "/dev/null"),
        ("www.zone.lab", "--hints", "/bin/sh"),
        ("www.zone.lab", "-i", "nosuchif0"),
        ("www.zone.lab", "-4", "-6"),
        ("www.zone.lab", "--servers", "some"),
    ],
)
def test_usage(trace: Trace, args: tuple[str, ...]) -> None:
    seen = trace(*args)
    assert (seen.code, seen.doc["status"]) == (64, "error")
    (error,) = seen.doc["errors"]
    assert error["code"] == "usage"
    assert "\n" not in error["message"]
    assert not any(server.seen for server in seen.world.servers.values())


def test_special_use_names_are_not_sent_to_the_root(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sretool.dns.trace.live as live

    def never(*args: object, **more: object) -> None:
        raise AssertionError("a socket was about to be made")

    monkeypatch.setattr(live, "LiveNetwork", never)
    assert run(["dns", "trace", "printer.local"]) == 64
    assert "local" in capfd.readouterr().err
