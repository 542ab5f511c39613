"""`snapshot diff`: traces of simulated paths, saved listings, and files that are none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli import NOBODY, Outcome, environment, sretool
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_tun import TunLab
from paths import router, straight
from saved_paths import line, path

from sretool.errors import UsageError
from sretool.net.trace.diff import saved as loading
from sretool.net.trace.diff.saved import baseline
from sretool.net.trace.model import Path as Traced
from sretool.net.trace.model import Trace
from sretool.snapshot.diff import rows
from sretool.snapshot.diff.rows import changes


def saved(folder: Path, name: str, data: Any, schema: str = "sretool.net.trace/1", **more: Any) -> str:
    file = folder / f"{name}.json"
    file.write_bytes(msgspec.json.encode({"schema": schema, "data": data, "host": "web-1", **more}))
    return str(file)


def kinds(outcome: Outcome) -> list[tuple[str, str]]:
    return [(change["impact"], change["kind"]) for change in outcome.json["data"]["changes"]]


@pytest.mark.lab
def test_traces_of_a_path_before_and_after_its_faults(tmp_path: Path) -> None:
    """What `net trace` itself saves: a longer way, a slower link, a target that fell silent."""
    longer = straight(8)
    longer.hops[4:4] = [[router(5, 45.0, leg=7)]]
    slower = straight(8)
    for number in range(4, 7):
        slower.hops[number][0].rtts_ms = [(number + 1) * 10 + 40.0]
    slower.end.rtts_ms = [120.0]  # type: ignore[union-attr]
    files = {}
    for name, simulated in (
        ("before", straight(8)),
        ("longer", longer),
        ("slower", slower),
        ("silent", straight(8, target_silent=True)),
    ):
        with TunLab(simulated) as lab:
            files[name] = str(tmp_path / name)
            given = ("net", "trace", "--json", "--method")
            done = sretool(*given, "sockets", lab.path.target, netns=lab.netns)
            (tmp_path / name).write_text(done.out)
            if name in ("before", "longer"):
                done = sretool(*given, "raw", lab.path.target, netns=lab.netns)
                (tmp_path / f"{name}-raw").write_text(done.out)
    same = sretool("snapshot", "diff", files["before"], files["before"])
    assert (same.code, "Nothing differs" in same.out) == (0, True)
    for name, code, found in (
        ("longer", 1, "trace.path-changed"),
        ("slower", 1, "trace.rtt-shifted"),
        ("silent", 2, "trace.end-changed"),
    ):
        outcome = sretool("snapshot", "diff", "--json", files["before"], files[name])
        assert (outcome.code, [one["id"] for one in outcome.json["findings"]]) == (code, [found]), name
    # one flow, and the same one: its source port is
    raw = sretool("snapshot", "diff", "--json", f"{files['before']}-raw", f"{files['longer']}-raw")
    assert (raw.code, [one["id"] for one in raw.json["findings"]]) == (1, ["trace.path-changed"])
    back = sretool("snapshot", "diff", files["silent"], files["before"], "--json")
    assert (back.code, kinds(back)[0]) == (0, ("info", "end"))


@pytest.mark.lab
def test_every_way_before_and_after_one_is_gone(tmp_path: Path) -> None:
    for name, legs in (("before", (1, 2, 3)), ("after", (1, 2))):
        simulated = straight(6, 2.0)
        simulated.hops[3] = [router(4, 8.0, leg=leg) for leg in legs]
        with TunLab(simulated) as lab:
            done = sretool("net", "trace", "--json", "--ecmp", lab.path.target, netns=lab.netns)
            (tmp_path / name).write_text(done.out)
    outcome = sretool("snapshot", "diff", "--json", tmp_path / "before", tmp_path / "after")
    assert [one["id"] for one in outcome.json["findings"]] == ["trace.leg-lost"]
    assert outcome.json["findings"][0]["subject"] == {"kind": "hop", "id": "10.99.3.4", "name": "hop 4"}
    same = sretool("snapshot", "diff", "--json", tmp_path / "before", tmp_path / "before")
    assert same.json["data"]["changes"] == []


def test_path_mtus() -> None:
    hops = [{"ttl": 1, "address": "a", "mtu_bytes": 1500, "rtt_ms": 1.0}]
    before = {"path_mtu_bytes": 1500, "network_ms": 3.0, "hops": hops}
    after = {
        "path_mtu_bytes": 1400,
        "network_ms": 4.0,
        "hops": [{**hops[0], "mtu_bytes": 1400, "rtt_ms": 2.0}],
    }
    found = [
        (one.kind, one.where, one.after) for one in changes("sretool.net.mtu/1", before, after, every=False)
    ]
    assert found == [("row-changed", "1", {"mtu_bytes": 1400}), ("field-changed", "path_mtu_bytes", 1400)]


def test_several_targets_are_matched_by_name(tmp_path: Path) -> None:
    def answer(*named: tuple[str, bool]) -> Any:
        hops = {True: line("r1", "r2", "t"), False: line("r1", "r2")}
        first, *others = [
            path(hops[up], kind=Traced if number else Trace, target=name, address=name, reached=up)
            for number, (name, up) in enumerate(named)
        ]
        first.others = others
        return first

    before = saved(tmp_path, "before", answer(("a", True), ("b", True), ("gone", True)))
    after = saved(tmp_path, "after", answer(("b", False), ("a", True), ("new", True)))
    outcome = sretool("snapshot", "diff", before, after, "--json")
    assert outcome.code == 2
    assert [(one["kind"], one["subject"]) for one in outcome.json["data"]["changes"]] == [
        ("end", "b"), ("target-gone", "gone"), ("target-came", "new"),
    ]  # fmt: skip
    apart = saved(tmp_path, "apart", answer(("c", True)))
    outcome = sretool("snapshot", "diff", before, apart)
    assert outcome.code == 64
    assert "no target in common" in outcome.err


def test_thresholds_can_be_set(tmp_path: Path) -> None:
    before = saved(tmp_path, "before", path(line("r1", "r2", "t")))
    after = saved(tmp_path, "after", path(line("r1", "r2", "t", late_from=1, late_ms=6)))
    assert sretool("snapshot", "diff", before, after).code == 1
    given = ("--set", "trace.rtt-shifted.least=7")
    outcome = sretool("snapshot", "diff", before, after, *given, "--json")
    assert (outcome.code, outcome.json["data"]["changes"]) == (0, [])


def test_what_was_made_otherwise_is_said(tmp_path: Path) -> None:
    before = saved(tmp_path, "before", path(line("r1", "r2", "t")))
    after = saved(tmp_path, "after", path(line("r1", "x", "t"), source_address="192.0.2.77"))
    outcome = sretool("snapshot", "diff", before, after)
    assert outcome.code == 0
    assert "source address is 192.0.2.77, was 192.0.2.1; not compared: path, legs, rtt" in outcome.out
    assert "hop-replaced" in outcome.out


def test_one_side_may_come_through_a_pipe(tmp_path: Path) -> None:
    before = saved(tmp_path, "before", path(line("r1", "r2", "t")))
    argv = [sys.executable, "-m", "sretool", "snapshot", "diff", before]
    done = subprocess.run(
        [*argv, "-"], input=Path(before).read_bytes(), env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"after   -  (web-1" in done.stdout
    through_fd = subprocess.run(
        ["bash", "-c", '"$@" <(cat "$0")', before, *argv], env=environment(), capture_output=True, check=False
    )
    assert through_fd.returncode == 0, through_fd.stderr
    assert sretool("snapshot", "diff", "-", "-").code == 64


def routes(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"routes": [{"family": "inet", "table": "main", "metric": 0, **row} for row in rows]}


def test_rows_of_a_listing(tmp_path: Path) -> None:
    kept = {"dst": "10.0.0.0/8", "dev": "eth0", "gateway": "192.0.2.1"}
    before = routes({"dst": "default", "dev": "eth0", "gateway": "192.0.2.1"}, {"dst": "10.1.0.0/16"}, kept)
    after = routes(kept, {"dst": "default", "dev": "eth0", "gateway": "192.0.2.2"}, {"dst": "10.2.0.0/16"})
    files = [
        saved(tmp_path, name, data, "sretool.net.routes/1") for name, data in (("a", before), ("b", after))
    ]
    outcome = sretool("snapshot", "diff", *files, "--json")
    assert outcome.code == 1
    assert [(one["kind"], one["where"]) for one in outcome.json["data"]["changes"]] == [
        ("row-changed", "inet main default 0"),
        ("row-gone", "inet main 10.1.0.0/16 0"),
        ("row-came", "inet main 10.2.0.0/16 0"),
    ]
    assert outcome.json["data"]["changes"][0]["before"] == {"gateway": "192.0.2.1"}
    text = sretool("snapshot", "diff", *files)
    assert "gateway 192.0.2.2" in text.out
    assert "routes: 1 gone, 1 changed, 1 new" in text.out


def test_new_findings_of_any_answer(tmp_path: Path) -> None:
    def finding(id_: str, severity: str, subject: str) -> dict[str, Any]:
        return {
            "id": id_,
            "severity": severity,
            "summary": f"{id_}!",
            "subject": {"kind": "x", "id": subject},
        }

    data: dict[str, Any] = {"host": {"load_1min": 1.0}, "checks": []}
    old = [finding("fs.space", "warning", "/"), finding("cpu.load", "warning", "host")]
    new = [finding("fs.space", "critical", "/"), finding("fs.space", "info", "/tmp")]
    files = [
        saved(tmp_path, name, data, "sretool.triage/1", findings=found)
        for name, found in (("a", old), ("b", new))
    ]
    outcome = sretool("snapshot", "diff", *files, "--json")
    assert outcome.code == 2
    assert kinds(outcome) == [("critical", "finding-new"), ("info", "finding-new"), ("info", "finding-gone")]
    assert sretool("snapshot", "diff", *reversed(files), "--json").code == 1


def test_listings_of_this_host_differ_in_measurements_alone(tmp_path: Path) -> None:
    for words in (
        ("net", "links"),
        ("net", "routes"),
        ("sockets", "listen"),
        ("net", "addrs"),
        ("net", "rules"),
    ):
        files = []
        for name in ("a", "b"):
            done = sretool(*words, "--json", *(["--sample", "0"] if words[1] in ("links", "listen") else []))
            files.append(tmp_path / name)
            files[-1].write_text(done.out)
        outcome = sretool("snapshot", "diff", *files, "--json")
        changed = [one for one in outcome.json["data"]["changes"] if one["kind"] == "row-changed"]
        assert changed == [], words


def refused(*files: object) -> str:
    outcome = sretool("snapshot", "diff", *files)
    assert (outcome.code, outcome.out) == (64, "")
    assert outcome.err.count("\n") == 1, outcome.err
    return outcome.err


def test_files_that_are_none(tmp_path: Path) -> None:
    good = saved(tmp_path, "good", path(line("r1", "t")))
    whole = Path(good).read_bytes()
    for name, content, says in (
        ("empty", b"", "it is empty"),
        ("foreign", b"\x7fELF\x02\x01", "no JSON"),
        ("cut", whole[: len(whole) // 2], "cut short"),
        ("lines", whole + b"\n" + whole, "--jsonl"),
        ("list", b"[1, 2]", "none of sretool's documents"),
        ("other", b'{"schema": "trippy/1", "data": {}}', "two kinds"),
        ("failed", b'{"schema": "sretool.net.trace/1", "data": {}, "status": "error"}', "no answer"),
        ("wrong", b'{"schema": "sretool.net.trace/1", "data": {"target": 5}}', "target"),
        ("deep", b'{"schema": "s", "data": ' + b"[" * 200_000, "deep"),
        ("bytes", b'{"schema": "\xff\xfe"}', "not an answer"),
        ("gzip", b"\x1f\x8b\x08\x00 no recording", "not a recording"),
        ("escape", b'{"schema": "\\u001b]0;owned\\u0007", "data": {}}', "two kinds"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        message = refused(good, file)
        assert says in message, (name, message)
        assert "\x1b" not in message
    assert "No such file" in refused(good, tmp_path / "absent")
    assert "irectory" in refused(good, tmp_path)


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = saved(tmp_path, "good", path(line("r1", "t")))
    monkeypatch.setattr(loading, "LIMIT_BYTES", 100)
    with pytest.raises(UsageError, match="larger than"):
        baseline(good)
    monkeypatch.undo()
    monkeypatch.setattr(loading, "TRACE_BYTES", 100)
    with pytest.raises(UsageError, match="larger than"):
        baseline(good)
    monkeypatch.undo()
    long = saved(tmp_path, "long", path(line(*("r",) * 300)))
    with pytest.raises(UsageError, match="255 hops"):
        baseline(long)


def test_keys_of_a_newer_sretool_are_passed_over(tmp_path: Path) -> None:
    document = json.loads(Path(saved(tmp_path, "old", path(line("r1", "t")))).read_text())
    document["data"]["hops"][0]["colour"] = {"deep": [1]}
    document["newer"] = True
    file = tmp_path / "newer.json"
    file.write_text(json.dumps(document))
    assert len(baseline(str(file))[1][0].hops) == 2


@settings(max_examples=60)
@given(draws=st.data())
def test_mutated_traces_are_refused_or_compared(draws: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    raw = bytearray(msgspec.json.encode({"schema": loading.TRACE, "data": path(line("r1", "r2", "t"))}))
    for _ in range(draws.draw(st.integers(1, 4))):
        at = draws.draw(st.integers(0, len(raw) - 1))
        raw[at : at + draws.draw(st.integers(0, 3))] = draws.draw(
            st.sampled_from([b"9", b"-", b"e3", b"null", b'"', b"{", b"[]", b"99999999999999999999", b"\xff"])
        )
    file = tmp_path_factory.getbasetemp() / "mutated.json"
    file.write_bytes(raw)
    try:
        found = baseline(str(file))[1]
    except UsageError:
        return
    from sretool.net.trace.diff.checks import CHECKS
    from sretool.net.trace.diff.compare import compare
    from sretool.report.check import judge
    from sretool.snapshot.diff.paths import rows as told

    diff = compare(path(line("r1", "r2", "t")), found[0])
    list(told(diff))
    list(judge(CHECKS, [diff]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.floats(0, 1) | st.sampled_from(["a", "b", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "x", "y_ms", "mtu"]), inner, max_size=3)
    ),
    max_leaves=8,
)
DATA = st.dictionaries(st.sampled_from(["rows", "one", "total"]), JSON, max_size=3)


@given(DATA, DATA, st.booleans())
def test_any_two_documents_are_compared_and_mirrored(one: Any, two: Any, every: bool) -> None:
    assert list(changes("sretool.x/1", one, one, every=every)) == []
    there, back = (list(changes("sretool.x/1", *pair, every=every)) for pair in ((one, two), (two, one)))
    turned = {"row-came": "row-gone", "row-gone": "row-came"}
    assert sorted((one.kind, one.where) for one in there) == sorted(
        (turned.get(one.kind, one.kind), one.where) for one in back
    )


def test_a_key_is_found_where_none_is_known() -> None:
    before = {
        "things": [
            {"name": "a", "zone": "x", "state": "up", "n": 1},
            {"name": "a", "zone": "y", "state": "up"},
        ]
    }
    after = {
        "things": [
            {"name": "a", "zone": "y", "state": "down"},
            {"name": "a", "zone": "x", "state": "up", "n": 2},
        ]
    }
    [change] = changes("sretool.things/1", before, after, every=False)
    assert (change.kind, change.where, change.after) == ("row-changed", "a y", {"state": "down"})
    assert rows.TABLES  # those whose keys are known


def test_an_ordinary_user_compares_too(tmp_path: Path) -> None:
    for parent in [tmp_path, *list(tmp_path.parents)[:4]]:
        parent.chmod(parent.stat().st_mode | 0o055)
    good = saved(tmp_path, "good", path(line("r1", "t")))
    assert sretool("snapshot", "diff", good, good, uid=NOBODY).code == 0


RECORDINGS = Path(__file__).parents[1] / "recordings"


def test_recordings_of_one_host(tmp_path: Path) -> None:
    """A healthy host, and the same with faults: what triage finds is new, and nothing of how it is set up."""
    files = [RECORDINGS / f"trixie-{name}.tar.gz" for name in ("healthy", "faulty")]
    outcome = sretool("snapshot", "diff", *files, "--json")
    assert outcome.code == 2
    new = {
        one["subject"]: one["impact"]
        for one in outcome.json["data"]["changes"]
        if one["kind"] == "finding-new"
    }
    assert new["cgroup.oom-kill"] == new["cgroup.pids-max"] == "critical"
    assert new["units.restart-loop"] == "warning"
    rest = [one for one in outcome.json["data"]["changes"] if one["kind"].startswith("row-")]
    assert {(one["subject"], one["impact"]) for one in rest} == {("processes", "info")}
    assert "forks.service root sleep" in {one["where"] for one in rest}
    assert sretool("snapshot", "diff", files[0], files[0]).code == 0
    mixed = saved(tmp_path, "trace", path(line("r1", "t")))
    assert "two kinds" in refused(mixed, files[0])
