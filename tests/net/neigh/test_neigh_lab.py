"""Against the kernel and ip: neighbours in a namespace, one that does not answer, a table that is full."""

from __future__ import annotations

import ipaddress

import pytest
from cli import NOBODY, sretool
from lab_netns import Inside, Namespace
from waiting import until

from sretool.net.neigh import read

pytestmark = pytest.mark.lab

LAB = """
link add v0 type veth peer name w0
link set v0 up
link set w0 up
addr add 10.0.0.1/24 dev v0
addr add fd00::1/64 dev v0 nodad
neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0 nud permanent
neigh add 10.0.0.3 lladdr 02:00:00:00:00:03 dev v0 nud reachable protocol bird
neigh add 10.0.0.4 lladdr 02:00:00:00:00:04 dev v0 nud stale extern_learn
neigh add 10.0.0.5 lladdr 02:00:00:00:00:05 dev v0 nud noarp
neigh add 10.0.0.6 dev v0 nud failed
neigh add fd00::2 lladdr 02:00:00:00:00:02 dev v0 nud stale router
neigh add fd00::3 dev v0 managed
neigh add proxy 10.0.0.9 dev v0
"""


@pytest.fixture(scope="module")
def lab():
    with Namespace() as ns:
        ns.batch(LAB)
        yield ns


def ours(row: dict) -> tuple:
    return (row["dst"], row["dev"], row["lladdr"], row["state"], set(row["flags"]), row["protocol"])


def theirs(row: dict) -> tuple:
    flags = {"router", "proxy", "managed", "extern_learn", "offload", "extern_valid"} & row.keys()
    [state] = row["state"]
    return (row["dst"], row["dev"], row.get("lladdr"), state.lower(), flags, row.get("protocol"))


@pytest.mark.oracle
@pytest.mark.parametrize("uid", [None, NOBODY])
def test_rows_are_those_of_ip(lab, uid):
    def both() -> tuple[dict, dict]:
        done = sretool("net", "neigh", "--sample", 0, "--json", netns=lab.name, uid=uid)
        assert (done.code, done.json["errors"]) == (0, []), done.err
        mine = {row["dst"]: row for row in done.json["data"]["neighbours"]}
        return mine, {row["dst"]: row for row in lab.json("ip", "-j", "-s", "neigh")}

    for _ in range(5):  # the managed one is asked for again and again
        mine, its = both()
        if {key: ours(row) for key, row in mine.items()} == {key: theirs(row) for key, row in its.items()}:
            break
    assert {key: ours(row) for key, row in mine.items()} == {key: theirs(row) for key, row in its.items()}
    assert mine.keys() >= {"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.6", "fd00::2", "fd00::3"}
    assert "10.0.0.5" not in mine
    for dst, row in mine.items():
        if dst != "fd00::3":
            for key in ("used", "confirmed", "updated"):
                assert abs(row[f"{key}_s"] - its[dst][key]) <= 5, (dst, key)
            assert row["refcnt"] == its[dst].get("refcnt", row["refcnt"])


@pytest.mark.oracle
def test_every_state_is_there_with_all(lab):
    done = sretool("net", "neigh", "-4", "--all", "--sample", 0, "--json", netns=lab.name)
    mine = sorted(map(ours, done.json["data"]["neighbours"]), key=str)
    its = lab.json("ip", "-j", "-4", "neigh", "show", "nud", "all")
    assert mine == sorted(map(theirs, its), key=str)
    assert any(row[3] == "noarp" for row in mine)


@pytest.mark.oracle
def test_the_table_is_that_of_ip_ntable(lab):
    [table] = sretool("net", "neigh", "-4", "--sample", 0, "--json", netns=lab.name).json["data"]["tables"]
    words = lab.run("ip", "ntable", "show", "name", "arp_cache").split()
    for number in (1, 2, 3):
        assert table[f"gc_thresh{number}"] == int(words[words.index(f"thresh{number}") + 1])
    assert table["entries_here"] >= 4
    assert table["entries"] >= table["entries_here"]
    assert table["exempt_here"] == 2


def test_state_and_address_of_a_neighbour_that_changes():
    with Namespace() as ns:
        ns.batch(LAB)
        inside = Inside(ns.path)
        before = read.sample(inside)
        ns.batch(
            "neigh replace 10.0.0.3 lladdr 02:00:00:00:00:33 dev v0 nud stale\n"
            "neigh del 10.0.0.2 dev v0\nneigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev v0 nud stale\n"
        )
        data = read.build(read.sample(inside), before, read.Wanted("inet"))
        changed = {row.dst: row.changed for row in data.neighbours}
        assert changed["10.0.0.3"] == ["state", "lladdr"]
        assert changed["10.0.0.8"] == ["new"]
        assert data.gone == ["10.0.0.2 dev v0"]


def verdict(done, id: str) -> str:
    return {check["id"]: check["outcome"] for check in done.json["data"]["checks"]}[id]


def test_a_gateway_that_does_not_answer_is_found():
    with Namespace() as ns:
        ns.batch(
            """
link add v0 type veth peer name w0
link set v0 up
link set w0 up
addr add 10.0.0.1/24 dev v0
route add default via 10.0.0.254
route add 198.51.100.0/24 via 10.0.0.2
neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0 nud reachable
ntable change name arp_cache dev v0 retrans 20
"""
        )
        done = sretool("net", "neigh", "--sample", 0, "--json", netns=ns.name)
        assert (verdict(done, "neigh.gateway-failed"), done.json["findings"]) == ("clear", [])
        # nobody is behind 10.0.0.254: ARP in this namespace, and no further
        ns.run("bash", "-c", "echo x > /dev/udp/192.0.2.1/9")
        until(lambda: "FAILED" in ns.run("ip", "neigh"))
        done = sretool("net", "neigh", "--sample", 0, "--json", netns=ns.name)
        [found] = done.json["findings"]
        assert (found["id"], found["severity"]) == ("neigh.gateway-failed", "critical")
        assert found["subject"] == {"kind": "neighbour", "id": "10.0.0.254 dev v0"}
        assert done.code == 0  # a listing
        assert sretool("net", "neigh", "--sample", 0, "--fail-on", "critical", netns=ns.name).code == 2
        text = sretool("net", "neigh", "--sample", 0, netns=ns.name).out
        assert "10.0.0.254 on v0, gateway of the default route, does not answer" in text


def test_a_full_table_is_found():
    """The table is that of all namespaces: the one of IPv6 is filled, which a test machine seldom needs."""
    with Namespace() as ns:
        ns.batch("link add v0 type veth peer name w0\nlink set v0 up\nlink set w0 up\n")
        done = sretool("net", "neigh", "--sample", 0.05, "--json", netns=ns.name)
        assert (verdict(done, "neigh.table-full"), done.json["findings"]) == ("clear", [])
        limit = next(
            table["gc_thresh3"] for table in done.json["data"]["tables"] if table["family"] == "inet6"
        )
        if limit > 4096:
            pytest.skip(f"too many to fill: net.ipv6.neigh.default.gc_thresh3 is {limit}")
        first = ipaddress.ip_address("fd00::1000")
        add = [
            f"neigh replace {first + n} lladdr 02:00:00:00:00:02 dev v0 nud stale" for n in range(limit + 50)
        ]
        inside = Inside(ns.path)
        before = read.sample(inside)
        with pytest.raises(AssertionError, match="No buffer space"):
            ns.batch("\n".join(add), "-6")
        now = read.sample(inside)
        ns.batch("link del v0")  # and its neighbours
        from sretool.net.neigh.checks import table_full
        from sretool.report.check import judge

        [(_, [found])] = judge([table_full], read.build(now, before))
        assert (found.severity, found.subject.id) == ("critical", "ndisc_cache")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--state", "open"), "unknown state 'open'"),
        (("--address", "10.0.0.300"), "does not appear to be"),
        (("--set", "neigh.table-full.nope=1"), "no threshold 'nope'"),
    ],
)
def test_bad_usage(options, said):
    done = sretool("net", "neigh", *options)
    assert (done.code, done.out) == (64, "")
    assert said in done.err
