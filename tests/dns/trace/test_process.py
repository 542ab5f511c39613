"""`sretool dns trace` as a process of its own: streams, signals, other users, no network."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli import NOBODY, ROOT, environment, sretool
from fakedns import Server, World, serve

A, B, DEAD = "127.9.2.1", "127.9.2.2", "127.9.2.3"
ZONES = {
    ".": f"@ NS a.\nlab. NS a.lab.\nlab. NS b.lab.\na.lab. A {B}\nb.lab. A {DEAD}\n"
    f"fine. NS a.fine.\na.fine. A {B}\n",
    "lab.": 'www 60 A 192.0.2.1\nodd TXT "\\027[31mred\\000"\n',
    "fine.": "www 60 A 192.0.2.1\nx\\027[31m A 192.0.2.2\n",
}


@pytest.fixture
def hints() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to other users
        Path(folder).chmod(0o755)
        (Path(folder) / "hints").write_text(f". 3600 NS a.\na. 3600 A {A}\n")
        yield Path(folder) / "hints"


@pytest.fixture
def given(hints: Path) -> Iterator[list[str]]:
    ede = ("ede:22:\x1b]0;title\x07\u202e",)
    servers = {A: Server((".",)), B: Server(("lab.", "fine."), ede), DEAD: Server(("lab.",), ("drop",))}
    with serve(World(ZONES, servers)) as port:
        yield ["dns", "trace", "--hints", str(hints), "--port", str(port)]


def test_text(given: list[str]) -> None:
    seen = sretool(*given, "www.fine")
    assert (seen.code, seen.err) == (0, "")
    lines = seen.out.splitlines()
    assert lines[0] == ". asked for www.fine. A"
    assert re.match(r"SERVER +ADDRESS +RTT ms +BYTES +SAYS$", lines[1])
    assert re.match(r"a\. +127\.9\.2\.1 +[\d.]+ +\d+  referral to fine\. \(1 NS\)$", lines[2])
    assert re.match(r"www\.fine\. A: 1 record, says a\.fine\. \(127\.9\.2\.2\), after [\d.]+ ms$", lines[-3])
    assert lines[-2].split() == ["www.fine.", "60", "A", "192.0.2.1"]
    assert re.match(r"3 of at most 200 queries in [\d.]+ ms; DNSSEC not checked$", lines[-1])


def test_thresholds_can_be_set(given: list[str]) -> None:
    slow = ("--json", "--timeout", "0.2", "www.lab")
    assert [finding["id"] for finding in sretool(*given, *slow).json["findings"]] == ["dns.server-timeout"]
    seen = sretool(*given, *slow, "--set", "dns.server-timeout.tries=4")
    assert (seen.code, seen.json["findings"]) == (0, [])
    [check] = [row for row in seen.json["data"]["checks"] if row["id"] == "dns.server-timeout"]
    assert (check["outcome"], check["overrides"]) == ("clear", {"tries": 4})


def test_hostile_bytes_reach_no_terminal(given: list[str]) -> None:
    for name in ("x\x1b[31m.fine", "www.fine"):
        seen = sretool(*given, name)
        assert seen.code == 0
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", seen.out + seen.err)
    assert "\\x1b]0;title" in seen.out
    seen = sretool(*given, "--json", "x\x1b[31m.fine")
    assert seen.json["data"]["name"] == "x\\027[31m.fine."
    assert sretool(*given, "--timeout", "0.1", "odd.lab", "TXT").out.count("\\027[31mred\\000") >= 1


def test_plain_ascii_locale(given: list[str]) -> None:
    seen = sretool(*given, "www.fine", env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert seen.code == 0
    assert seen.out.isascii()


def test_as_an_ordinary_user(given: list[str]) -> None:
    seen = sretool(*given, "--json", "www.fine", uid=NOBODY)
    assert seen.code == 0
    assert seen.json["data"]["end_reason"] == "answer"


def test_hints_that_may_not_be_read(given: list[str], hints: Path) -> None:
    hints.chmod(0o600)
    seen = sretool(*given, "www.fine", uid=NOBODY)
    assert seen.code == 64
    assert "Permission denied" in seen.err
    assert len(seen.err.splitlines()) == 1


def test_help_names_every_option() -> None:
    # typing on Python 3.10 hides the option in Optional[Annotated[…]] = None
    assert "--hints FILE" in sretool("dns", "trace", "--help").out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_midway(given: list[str], number: int, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sretool", *given, "--json", "--timeout", "5", "--deadline", "30", "www.lab"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_socket(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == code, err
    if number == signal.SIGINT:
        doc = json.loads(out)
        assert (doc["status"], doc["exit_code"]) == ("partial", 130)
        assert doc["data"]["cuts"]


def wait_for_socket(pid: int) -> None:
    """Until the process waits for a reply: it has a UDP socket."""
    for _ in range(400):
        links = []
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{pid}/fd/{name}"))
            except FileNotFoundError:
                continue
        if sum(link.startswith("socket:") for link in links) > 2:  # besides the event loop's own pair
            return
        time.sleep(0.02)
    raise AssertionError("no query was sent")


def on_terminal(*args: str, columns: int) -> tuple[int, str]:
    """stdout and stderr on one terminal, as a user has them."""
    pid, master = pty.fork()
    if pid == 0:
        env = environment(TERM="xterm-256color", COLUMNS=str(columns))
        os.execve(sys.executable, [sys.executable, "-m", "sretool", *args], env)
    out = bytearray()
    while True:
        ready, _, _ = select.select([master], [], [], 20)
        assert ready, "nothing more came"
        try:
            part = os.read(master, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not part:
            break
        out += part
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out.decode()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_on_a_terminal(given: list[str]) -> None:
    code, out = on_terminal(*given, "--timeout", "0.2", "www.lab", columns=80)
    assert code == 1
    progress, gone, rest = out.rpartition("\r" + " " * 79 + "\r")
    assert gone
    assert "asking lab. for www.lab." in progress
    assert "www.lab. A 192.0.2.1; waiting for the other servers" in progress
    rows = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in rest.splitlines()]
    table = rows[: next(at for at, row in enumerate(rows) if row.startswith("www.lab. A:"))]
    assert all(len(row) <= 80 for row in table)
    assert any(row.startswith("b.lab.") and "no reply to 3 queries and TCP" in row for row in table)


@pytest.mark.lab
def test_no_network_at_all(given: list[str]) -> None:
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "sretool", *given, "--json", "www.fine"],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    doc = json.loads(done.stdout)
    assert (done.returncode, doc["status"], doc["data"]["end_reason"]) == (3, "partial", "no-network")
    assert doc["errors"][0]["code"] == "no-route"
    assert doc["data"]["queries"] == 0


@pytest.mark.lab
def test_built_in_hints_without_a_route() -> None:
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "sretool", "dns", "trace", "example.com"],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 3
    assert re.search(r"^\d\d addresses not asked: no route \(.*\)$", done.stdout, re.MULTILINE)
    assert [line[:13] for line in done.stderr.splitlines()] == ["sretool: IPv4", "sretool: IPv6"]
