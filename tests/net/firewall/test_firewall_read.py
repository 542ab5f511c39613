from __future__ import annotations

import errno
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.command import Look
from sretool.errors import ParseError
from sretool.host.fake import Fake
from sretool.host.source import Clock, Completed, Stat
from sretool.net.firewall import iptables, nft, read
from sretool.net.firewall.checks import dropping
from sretool.net.firewall.model import Firewall
from sretool.net.firewall.view import report
from sretool.report.check import judge
from sretool.report.table import Lines, Table, plain_text, table_lines
from sretool.report.terminal import Terminal

MATCH = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 9}}
DROP: dict = {"drop": None}
REJECT = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}


def counter(packets: int = 0) -> dict:
    return {"counter": {"packets": packets, "bytes": packets * 60}}


def rule(handle: int, *expr: dict, chain: str = "c") -> dict:
    return {"rule": {"family": "inet", "table": "t", "chain": chain, "handle": handle, "expr": list(expr)}}


def chain(name: str = "c", **more) -> dict:
    return {"chain": {"family": "inet", "table": "t", "name": name, "handle": 1, **more}}


HOOK = {"type": "filter", "hook": "input", "prio": 0, "policy": "accept"}


def listed(*objects: dict) -> bytes:
    return json.dumps({"nftables": [{"metainfo": {"version": "1.0.6"}}, *objects]}).encode()


def host(
    *objects: dict, words: bytes = b"", files: dict | None = None, runs: dict | None = None, **more
) -> Fake:
    """nft and its two lists; no tables of legacy iptables."""

    class Host(Fake):
        def run(self, argv, timeout_s=5.0):
            if tuple(argv) == nft.TEXTS:
                return Completed(0, words, b"")
            return super().run(argv, timeout_s)

    nothing = dict.fromkeys(iptables.NAMES.values(), "")
    answers = {"nft": Completed(0, listed(*objects), b""), **(runs or {})}
    return Host({**nothing, **(files or {})}, runs=answers, **more)


def seen(made: Fake, earlier: Fake | None = None) -> Firewall:
    before = None if earlier is None else read.sample(earlier, read.COUNTERS)
    return read.build(read.sample(made), before)


@pytest.mark.parametrize(
    ("expr", "verdict", "packets"),
    [
        ([MATCH, counter(7), DROP], "drop", 7),
        ([MATCH, counter(7), {"log": {"prefix": "x"}}, REJECT], "reject", 7),
        ([counter(7), DROP], "drop", 7),
        ([counter(7), MATCH, DROP], "drop", None),  # it counts what does not match too
        ([counter(9), MATCH, counter(7), DROP], "drop", 7),
        ([MATCH, DROP], "drop", None),
        ([counter(7), {"limit": {"rate": 1, "per": "second", "inv": True}}, DROP], "drop", None),
        ([MATCH, {"counter": "mine"}, DROP], "drop", 5),
        ([MATCH, {"counter": "shared"}, DROP], "drop", None),
        ([MATCH, {"counter": "absent"}, DROP], "drop", None),
        ([counter(7), {"xt": {"type": "target", "name": "REJECT"}}], "reject", 7),  # iptables-nft
        (
            [counter(7), {"vmap": {"key": {}, "data": {"set": [["a", {"accept": None}], ["b", DROP]]}}}],
            "map",
            None,
        ),
        ([{"vmap": {"key": {}, "data": "@ports"}}], "map", None),
    ],
)
def test_what_drops_and_what_counts_it(expr, verdict, packets):
    data = seen(
        host(
            chain(**HOOK),
            {"counter": {"family": "inet", "table": "t", "name": "mine", "packets": 5, "bytes": 300}},
            {"counter": {"family": "inet", "table": "t", "name": "shared", "packets": 6, "bytes": 360}},
            {
                "map": {
                    "family": "inet",
                    "table": "t",
                    "name": "ports",
                    "elem": [[77, DROP], [78, {"accept": None}]],
                }
            },
            rule(1, {"counter": "shared"}, {"accept": None}),
            rule(2, *expr),
            rule(3, {"counter": "shared"}, {"accept": None}),
        )
    )
    [row] = data.rules
    assert (row.verdict, row.packets, row.handle, row.hook, row.dropped) == (
        verdict,
        packets,
        2,
        "input",
        None,
    )
    assert (data.nftables, data.iptables, data.uncounted) == (True, False, int(packets is None))
    [base] = data.chains
    assert (base.rules, base.dropping, base.priority, base.policy) == (3, 1, 0, "accept")


@pytest.mark.parametrize(
    "expr",
    [
        [MATCH, counter(7), {"accept": None}],
        [MATCH, {"jump": {"target": "other"}}],
        [counter(7), {"xt": {"type": "target", "name": "MARK"}}],
        [counter(7), {"xt": None}],
        [{"vmap": {"key": {}, "data": {"set": [["a", {"accept": None}]]}}}],
        [{"vmap": {"key": {}, "data": "@absent"}}],
    ],
)
def test_what_drops_nothing(expr):
    data = seen(host(chain(**HOOK), rule(2, *expr)))
    assert data.rules == []
    assert data.chains[0].rules == 1


def test_a_policy_drops_and_nftables_does_not_count_it():
    data = seen(host(chain(**{**HOOK, "policy": "drop"}), chain("other")))
    [row] = data.rules
    assert (row.rule, row.verdict, row.packets, row.handle) == ("policy drop", "drop", None, None)
    assert [row.chain for row in data.chains] == ["c"]
    assert "1 has no counter of its own" in text(data)


WORDS = b"""table inet t { # handle 1
\tset bad { # handle 5
\t\telements = { 10.0.0.1, 10.0.0.2 }
\t}

\tchain c { # handle 1
\t\ttype filter hook input priority filter; policy accept;
\t\ttcp dport 9 counter drop comment "a # handle 7" # handle 2
\t}
}
table ip u { # handle 9
\tchain c { # handle 1
\t\tudp dport 9 drop # handle 2
\t}
}
"""


def test_a_rule_has_the_words_of_nft():
    assert nft.texts(WORDS) == {
        ("inet", "t", "c", 2): 'tcp dport 9 counter drop comment "a # handle 7"',
        ("ip", "u", "c", 2): "udp dport 9 drop",
    }
    [row] = seen(host(chain(**HOOK), rule(2, MATCH, counter(), DROP), words=WORDS)).rules
    assert row.rule.startswith("tcp dport 9 counter drop")
    [row] = seen(host(chain(**HOOK), rule(3, MATCH, counter(), DROP), words=WORDS)).rules
    assert row.rule == "rule 3"


LATER = {"clock": Clock(1002, 1002, 1002)}


def test_what_was_dropped_in_the_sample_comes_first():
    before = host(chain(**HOOK), *(rule(n, MATCH, counter(100), DROP) for n in (1, 2, 3)))
    now = host(
        chain(**HOOK),
        rule(1, MATCH, counter(100), DROP),
        rule(2, MATCH, counter(150), DROP),
        rule(3, MATCH, counter(5), DROP),  # set back
        rule(4, MATCH, counter(900), DROP),  # made since
        **LATER,
    )
    data = seen(now, before)
    assert [(row.handle, row.dropped, row.dropped_per_s) for row in data.rules] == [
        (2, 50, 25.0),
        (4, None, None),
        (1, 0, 0.0),
        (3, None, None),
    ]


SAVED = b"""# Generated by iptables-save v1.8.9 on Sat Nov 28 14:51:47 2026
*filter
:INPUT ACCEPT [9:900]
:FORWARD DROP [3:180]
:DOCKER - [0:0]
[5:300] -A INPUT -p tcp -m tcp --dport 9 -j DROP
[5:300] -A INPUT -p tcp -m tcp --dport 9 -j DROP
[0:0] -A INPUT -p udp -m comment --comment "never -j DROP \\" this" -j ACCEPT
[1:60] -A DOCKER -j REJECT --reject-with icmp-port-unreachable
[7:420] -A INPUT -j DOCKER
COMMIT
# Completed on Sat Nov 28 14:51:47 2026
"""


def legacy(saved: bytes = SAVED, **more) -> Fake:
    runs = {"iptables-save": Completed(0, saved, b"")}
    return host(files={iptables.NAMES["ip"]: "filter\n"}, runs=runs, **more)


def test_tables_of_legacy_iptables():
    data = seen(legacy())
    assert (data.nftables, data.iptables) == (False, True)
    assert [(row.chain, row.verdict, row.packets, row.hook) for row in data.rules] == [
        ("INPUT", "drop", 5, "input"),
        ("INPUT", "drop", 5, "input"),
        ("FORWARD", "drop", 3, "forward"),
        ("DOCKER", "reject", 1, None),
    ]
    assert [(row.chain, row.policy, row.rules, row.dropping) for row in data.chains] == [
        ("FORWARD", "drop", 0, 0),
        ("INPUT", "accept", 4, 2),
    ]


def test_two_rules_with_the_same_words_are_told_apart():
    grown = SAVED.replace(b"[5:300]", b"[6:360]", 1).replace(b"DROP [3:180]", b"DROP [13:180]")
    data = seen(legacy(grown, **LATER), legacy())
    assert [(row.rule[:11], row.dropped) for row in data.rules[:3]] == [
        ("policy drop", 10),
        ("-p tcp -m t", 1),
        ("-p tcp -m t", 0),
    ]


def test_iptables_that_is_not_installed_is_an_error_where_it_has_tables():
    now = read.sample(host(files={iptables.NAMES["ip6"]: "filter\n"}))
    assert [(error.code, error.what) for error in now.errors] == [("unsupported", "ip6tables-legacy-save")]
    assert read.build(now).iptables is None


def test_iptables_that_speaks_to_nftables_does_not_stand_for_the_other():
    saved = SAVED.replace(b"iptables-save v1.8.9 on", b"iptables-save v1.8.9 (nf_tables) on")
    now = read.sample(legacy(saved))
    assert [error.code for error in now.errors] == ["unsupported"]
    assert read.build(now).rules == []


def test_without_nft_what_iptables_has_is_still_there():
    made = legacy()
    del made._runs["nft"]
    now = read.sample(made)
    assert now.errors == []
    data = read.build(now)
    assert [error.code for error in now.errors] == ["unsupported"]
    assert (data.nftables, data.iptables, data.total) == (None, True, 4)


@pytest.mark.parametrize(
    ("builtin", "asked"),
    [
        ("kernel/net/netfilter/nf_tables.ko\n", True),
        ("kernel/net/netfilter/nfnetlink.ko\n", False),
        (None, True),
    ],
)
def test_a_module_that_is_not_loaded_is_not_loaded_by_asking(builtin, asked):
    files = {} if builtin is None else {"/lib/modules/6.12.0/modules.builtin": builtin}
    now = read.sample(host(files=files, runs={"nft": Completed(0, b"", b"")}))
    assert [error.code for error in now.errors] == (["parse"] if asked else [])
    loaded = host(
        files=files, runs={"nft": Completed(0, b"", b"")}, stats={read.MODULE: Stat(0, 1, 1, 0, 0, 0, 0.0)}
    )
    assert [error.code for error in read.sample(loaded).errors] == ["parse"]
    if not asked:
        assert text(read.build(now)) == "no firewall rules here"


def test_without_the_right_there_is_one_error():
    refused = Completed(1, listed(), b"Operation not permitted (you must be root)\nnetlink: Error\n")
    files = dict.fromkeys(iptables.NAMES.values(), errno.EACCES)
    now = read.sample(host(files=files, runs={"nft": refused}))
    assert {(error.code, error.message, error.hint) for error in now.errors} == {
        ("permission-denied", read.DENIED, read.HINT)
    }
    data = read.build(now)
    assert (data.nftables, data.iptables) == (None, None)
    assert verdict(data) == ("unknown", [])
    assert "could be read" in text(data)


def test_rules_that_were_cut_are_none(monkeypatch):
    monkeypatch.setattr(read, "PRINTED_AT_MOST", 40)
    now = read.sample(host(chain(**HOOK)))
    assert [error.code for error in now.errors] == ["unreadable"]
    assert read.build(now).nftables is None


def test_words_with_escapes_do_not_reach_the_terminal():
    words = b'table inet t {\n\tchain c {\n\t\tlog prefix "\x1b[31m\xff" counter drop # handle 2\n\t}\n}\n'
    shown = text(seen(host(chain(**HOOK), rule(2, counter(), DROP), words=words)))
    assert "\\x1b[31m" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"nftables": [3]}', b'{"nftables": [{"rule": {}}]}'])
def test_what_nft_never_prints_is_an_error(raw):
    with pytest.raises(ParseError):
        nft.parse(raw, {})


WHOLE = listed(chain(**HOOK), rule(2, MATCH, counter(7), DROP), rule(3, {"vmap": {"key": {}, "data": "@p"}}))


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_damaged_json_is_an_error_or_rules(at, byte):
    damaged = WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :]
    try:
        found = nft.parse(damaged, {})
    except ParseError:
        return
    assert all(row.packets is None or isinstance(row.packets, int) for row in found.rules)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda one: (
            st.lists(one, max_size=3)
            | st.dictionaries(
                st.sampled_from(["drop", "counter", "vmap", "data", "set", "xt", "packets"]), one, max_size=3
            )
        ),
        max_leaves=9,
    )
)
def test_any_expression_is_an_error_or_a_rule(expr):
    try:
        nft.parse(
            listed({"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 2, "expr": expr}}), {}
        )
    except ParseError:
        return


@given(st.integers(0, len(SAVED) - 1), st.integers(0, 255))
def test_damaged_lines_are_an_error_or_rules(at, byte):
    try:
        iptables.parse(SAVED[:at] + bytes([byte]) + SAVED[at + 1 :], "ip")
    except ParseError:
        return


def verdict(data: Firewall):
    [(judged, findings)] = judge([dropping], data)
    return judged.outcome, [(finding.severity, finding.summary) for finding in findings]


@pytest.mark.parametrize(("grown", "severity"), [(0, None), (200, "info"), (202, "warning")])
def test_dropping(grown, severity):
    before = host(chain(**HOOK), rule(1, counter(5), DROP), rule(2, counter(5), REJECT))
    now = host(chain(**HOOK), rule(1, counter(5), DROP), rule(2, counter(5 + grown), REJECT), **LATER)
    outcome, findings = verdict(seen(now, before))
    assert outcome == ("clear" if severity is None else "found")
    assert findings == [(severity, f"inet t c: `rule 2` rejected {grown} packets in 2 s")] * (
        severity is not None
    )


def test_one_reading_is_unknown_and_no_rules_do_not_apply():
    assert verdict(seen(host(chain(**HOOK), rule(1, counter(5), DROP)))) == ("unknown", [])
    assert verdict(seen(host(**LATER), host())) == ("not-applicable", [])


def text(data: Firewall, columns: int = 80) -> str:
    fields = ("dropped_per_s", "packets", "family", "table", "chain", "hook", "rule")
    lines: list[str] = []
    for block in report(data, Look(fields, Terminal(True, columns, 40, False, True), False)):
        if isinstance(block, Lines):
            lines += [plain_text(line) for line in block.lines]
        else:
            assert isinstance(block, Table)
            lines += table_lines(block, columns, str)
    return "\n".join(lines)


def test_the_screen_says_when_there_is_nothing():
    assert text(seen(host())) == "no firewall rules here"
    assert text(seen(host(chain(**HOOK)))).startswith("no rule here drops or rejects")
