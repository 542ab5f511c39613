"""CSV read back by the csv module, Markdown by a Markdown parser; every name may be hostile."""

from __future__ import annotations

import csv
import io
import itertools
import json

import pytest
import traces
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sretool.net.trace import export
from sretool.net.trace.ecmp.model import Leg
from sretool.net.trace.model import Hop, Host, Path, Trace
from sretool.probe.network import Interface, Label
from sretool.probe.origins import Origin
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.escape import escape

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FINDING = Finding(
    "trace.target-silent",
    "critical",
    "target silent",
    "10.9.0.9 does not answer UDP port 33434; the last answer is from hop 1",
    Subject("host", "10.9.0.9"),
    [Evidence("probes sent", 9, source="send(2)")],
    "look at the router after the last hop",
    ["sretool net trace --timeout 4 10.9.0.9"],
    [],
)


def rows(trace: Trace) -> list[dict[str, str]]:
    text = export.csv(trace, [])
    assert escape(flat := text.replace("\r\n", "")) == flat
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found = list(reader)
    assert tuple(reader.fieldnames or ()) == export.COLUMNS
    assert all(None not in row and None not in row.values() for row in found), "a row of another length"
    return found


def test_columns_are_the_keys_of_the_json_and_stay() -> None:
    keys = {*Path.__struct_fields__, *Hop.__struct_fields__, *Host.__struct_fields__}
    own = {"target_address", *(f"origin_{name}" for name in Origin.__struct_fields__)}
    own |= {"balancing", "share_ratio", *(f"leg_{name}" for name in Leg.__struct_fields__)}
    assert set(export.COLUMNS) <= keys | own
    assert len(set(export.COLUMNS)) == len(export.COLUMNS)
    assert export.COLUMNS[:10] == (
        "target", "target_address", "source_address", "protocol", "port", "method", "flow", "reached",
        "end_reason", "ttl",
    )  # fmt: skip
    assert set(Host.__struct_fields__) - set(export.COLUMNS) == {"origin"}


def test_a_row_a_host_and_one_for_a_silent_hop() -> None:
    path = traces.trace(
        traces.hop(
            1,
            traces.host("10.0.0.1", 1.5, labels=[Label(16001, 0, True, 1)], name="core-1.lab"),
            traces.host(None, 2.5),
        ),
        traces.hop(2),
        traces.hop(
            3,
            traces.host(
                "10.9.0.9",
                name=None,
                origin=Origin(64500, "9.9.9.0/24", "Nine", "CH", "asn.lab"),
                nat=False,
                interfaces=[Interface("incoming", 2, None, "eth0", None)],
            ),
        ),
    )
    one, other, silent, end = rows(path)
    assert (one["target"], one["target_address"], one["ttl"], one["address"], one["name"]) == (
        "web-1", "10.9.0.9", "1", "10.0.0.1", "core-1.lab"
    )  # fmt: skip
    assert (one["rtt_avg_ms"], one["rtt_stdev_ms"], one["loss_ratio"], one["reached"]) == (
        "1.5", "", "0.0", "true"
    )  # fmt: skip
    assert json.loads(one["rtts_ms"]) == [1.5] * 3
    assert json.loads(one["labels"]) == [{"label": 16001, "traffic_class": 0, "bottom": True, "ttl": 1}]
    assert (other["ttl"], other["address"], other["labels"]) == ("1", "", "")
    assert (silent["ttl"], silent["sent"], silent["received"], silent["loss_ratio"], silent["address"]) == (
        "2", "3", "0", "1.0", ""
    )  # fmt: skip
    assert (end["origin_asn"], end["origin_name"], end["nat"], end["name"]) == ("64500", "Nine", "false", "")
    assert json.loads(end["interfaces"])[0]["name"] == "eth0"


def test_several_targets_and_one_that_could_not_be_sent_to() -> None:
    path = traces.trace(traces.hop(1, traces.host("10.9.0.9")))
    gone = traces.trace(target="db-1", address="10.9.0.8", reached=False, end_reason="local-failure")
    path.others = [gone, traces.trace(traces.hop(1, traces.host("10.9.0.7")), target="c", address="10.9.0.7")]
    found = rows(path)
    assert [(row["target"], row["ttl"]) for row in found] == [("web-1", "1"), ("db-1", ""), ("c", "1")]
    assert found[1]["end_reason"] == "local-failure"


def test_the_legs_of_ecmp() -> None:
    found = {(row["ttl"], row["address"]): row for row in rows(traces.balanced())}
    assert list(found) == [
        ("1", "10.0.0.1"), ("2", "10.0.2.1"), ("2", "10.0.2.2"), ("2", "10.0.2.3"), ("3", ""),
        ("4", "10.9.0.9"),
    ]  # fmt: skip
    loses = found["2", "10.0.2.1"]
    assert (loses["leg_loss_ratio"], loses["leg_verdict"], loses["share_ratio"], loses["balancing"]) == (
        "0.33", "loses", "0.5", "per-flow"
    )  # fmt: skip
    only = found["2", "10.0.2.3"]
    assert (only["sent"], only["rtt_avg_ms"], only["replies"], only["leg_sent"]) == ("3", "10.0", "", "")
    assert (found["3", ""]["sent"], found["3", ""]["balancing"]) == ("", "silent")


FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def no_formula(text: str) -> None:
    for row in rows(traces.hostile(text)):
        for name in ("target", "name", "origin_name", "origin_source"):
            # also where the separator is a semicolon
            for part in row[name].split(";"):
                assert not part.lstrip().startswith(FORMULAS)
            assert row[name].replace("'", "") == escape(text or row[name]).replace("'", "") or not row["name"]


@pytest.mark.parametrize("text", traces.HOSTILE)
def test_no_name_breaks_a_row_or_becomes_a_formula(text: str) -> None:
    no_formula(text)


@given(ANY)
def test_no_name_at_all_breaks_a_row(text: str) -> None:
    no_formula(text)


def test_what_is_no_formula_is_left_alone() -> None:
    (row, *_) = rows(traces.hostile("a-b=c+d@e"))
    assert row["name"] == "a-b=c+d@e"


# Markdown


class Read:
    """What a reader of GitHub's Markdown sees: the cells of its tables, and what stands in fences."""

    def __init__(self, text: str) -> None:
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
        kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in tokens}
        assert kinds <= {"table", "thead", "tbody", "tr", "th", "td", "inline", "fence"}, kinds
        self.fences = [token.content for token in tokens if token.type == "fence"]
        self.rows: list[list[str]] = []
        for before, token in itertools.pairwise(tokens):
            if before.type == "tr_open":
                self.rows.append([])
            if before.type in ("td_open", "th_open"):
                parts = token.children or []
                assert {part.type for part in parts} <= {"text", "code_inline"}, parts
                assert len(parts) <= 1 or all(part.type == "text" for part in parts)
                self.rows[-1].append("".join(part.content for part in parts))


def test_a_table_with_the_verdict_and_the_findings_under_it() -> None:
    path = traces.trace(
        traces.hop(1, traces.host("10.0.0.1", 1.5)),
        traces.hop(2),
        traces.hop(3, traces.host("10.9.0.9", 130.0)),
    )
    assert (
        export.markdown(path, [FINDING])
        == """\
```text
web-1 (10.9.0.9) from 10.0.0.254, UDP port 33434
```

| TTL | ADDRESS     | ANSWERED | MIN ms | AVG ms | MAX ms | ANSWER |
| --: | ----------- | -------: | -----: | -----: | -----: | ------ |
|   1 | `10.0.0.1`  |      3/3 |   1.50 |   1.50 |   1.50 |        |
|   2 | `no answer` |      0/3 |      - |      - |      - |        |
|   3 | `10.9.0.9`  |      3/3 |    130 |    130 |    130 |        |

```text
reached at hop 3 (port closed); the trace took 120 ms

CRITICAL 10.9.0.9 does not answer UDP port 33434; the last answer is from hop 1  [trace.target-silent]
   seen: probes sent: 9  (send(2))
   do:   look at the router after the last hop
   next: sretool net trace --timeout 4 10.9.0.9
```
"""
    )


def written(text: str) -> str:
    return escape(text).replace("`", "\\x60").replace("|", "\\x7c")


def harmless(text: str) -> None:
    finding = Finding("a.b", "warning", "t", text, Subject("host", text), [], text, [text], [])
    markdown = export.markdown(traces.hostile(text), [finding])
    assert escape(flat := markdown.replace("\n", "")) == flat
    read = Read(markdown)
    widths = {len(row) for row in read.rows}
    assert len(widths) == 1
    head = read.rows[0]
    if "NAME" in head and text.strip():
        assert read.rows[1][head.index("NAME")] == written(text).strip()
    assert sum(fence.count("WARNING") for fence in read.fences) == 1 + escape(text).count("WARNING")


@pytest.mark.parametrize("text", traces.HOSTILE)
def test_no_name_is_markdown(text: str) -> None:
    harmless(text)


@given(ANY)
def test_no_name_at_all_is_markdown(text: str) -> None:
    harmless(text)


def test_several_targets_are_several_tables() -> None:
    path = traces.trace(traces.hop(1, traces.host("10.9.0.9")))
    path.others = [traces.trace(traces.hop(1, traces.host("10.9.0.8")), target="b", address="10.9.0.8")]
    markdown = export.markdown(path, [])
    assert markdown.count("| TTL |") == 2
    assert len(Read(markdown).fences) in (2, 3)
