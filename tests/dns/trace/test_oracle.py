"""Real servers in a namespace: nsd for a root, a TLD and zones; unbound and dig say what is right."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli import sretool

pytestmark = [
    pytest.mark.lab,
    pytest.mark.oracle,
    pytest.mark.skipif(
        not all(map(shutil.which, ("nsd", "unbound", "dig", "ip"))), reason="needs nsd, unbound, dig and ip"
    ),
]

ZONES = {
    ".": "@ NS a.root.\na.root. A 127.0.0.10\n@ NS b.root.\nb.root. AAAA ::1\n"
    "lab. NS a.lab.\na.lab. A 127.0.0.11\nelse. NS a.else.\na.else. A 127.0.0.13\n",
    "lab.": "@ NS a.lab.\na.lab. A 127.0.0.11\n"
    "zone.lab. NS a.zone.lab.\nzone.lab. NS b.zone.lab.\na.zone.lab. A 127.0.0.12\nb.zone.lab. A 127.0.0.13\n"
    "lame.lab. NS a.zone.lab.\nlame.lab. NS b.zone.lab.\nbroken.lab. NS b.zone.lab.\nfar.lab. NS host.else.\n"
    "noglue.lab. NS ns.noglue.lab.\n",
    "zone.lab.": "@ NS a.zone.lab.\n@ NS b.zone.lab.\na A 127.0.0.12\nb A 127.0.0.13\n"
    "www A 192.0.2.1\nwww A 192.0.2.2\nalias CNAME www\naway CNAME www.far.lab.\n"
    "loop CNAME loop2\nloop2 CNAME loop\n"
    "deep DNAME far.lab.\n*.wild A 192.0.2.9\nbig TXT "
    + " ".join(f'"{"x" * 200}{n}"' for n in range(20))
    + "\n",
    "lame.lab.": "@ NS a.zone.lab.\n@ NS b.zone.lab.\nwww A 192.0.2.4\n",
    "else.": "@ NS a.else.\na A 127.0.0.13\nhost A 127.0.0.13\n",
    "far.lab.": "@ NS host.else.\nwww A 192.0.2.5\n",
}
# parent and child on different servers, or no referral is ever sent
HOSTS = {
    ("127.0.0.10", "::1"): (".",),
    ("127.0.0.11",): ("lab.",),
    ("127.0.0.12",): ("zone.lab.", "lame.lab."),
    ("127.0.0.13",): ("zone.lab.", "else.", "far.lab."),
}
HINTS = ". 3600 NS a.root.\n. 3600 NS b.root.\na.root. 3600 A 127.0.0.10\nb.root. 3600 AAAA ::1\n"


@contextlib.contextmanager
def daemon(netns: str, argv: list[str], answers: str) -> Iterator[None]:
    """A server in the foreground, once it answers at an address."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", netns, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            assert process.poll() is None, f"{argv[0]} ended with {process.returncode}"
            if "status: " in dig(netns, answers, ".", "SOA", "+time=1", "+tries=1"):
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"{argv[0]} does not answer at {answers}")
        yield
    finally:
        process.terminate()
        process.wait(10)


def dig(netns: str, address: str, *more: str) -> str:
    argv = ["ip", "netns", "exec", netns, "dig", f"@{address}", *more]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30).stdout


@pytest.fixture(scope="module")
def lab() -> Iterator[tuple[str, Path]]:
    netns = f"dns-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        subprocess.run(["ip", "netns", "add", netns], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "del", netns], check=True)
        subprocess.run(["ip", "-n", netns, "link", "set", "lo", "up"], check=True)
        for zone, text in ZONES.items():
            soa = "$TTL 300\n@ SOA ns. host. 1 2 3 4 60\n"
            (folder / f"{zone}zone").write_text(f"$ORIGIN {zone}\n{soa}{text}")
        for number, (addresses, zones) in enumerate(HOSTS.items()):
            config = folder / f"nsd{number}"
            config.write_text(nsd(folder, number, addresses, zones))
            stack.enter_context(daemon(netns, ["nsd", "-d", "-c", str(config)], addresses[0]))
        (folder / "hints").write_text(HINTS)
        (folder / "unbound").write_text(unbound(folder))
        stack.enter_context(daemon(netns, ["unbound", "-d", "-c", str(folder / "unbound")], "127.0.0.53"))
        yield netns, folder


def nsd(folder: Path, number: int, addresses: tuple[str, ...], zones: tuple[str, ...]) -> str:
    lines = ["server:", *(f" ip-address: {address}" for address in addresses)]
    lines += [' username: ""', ' chroot: ""', f' zonesdir: "{folder}"', ' database: ""', " server-count: 1"]
    lines += [
        f' {name}: "{folder}/{name}{number}"' for name in ("zonelistfile", "xfrdfile", "pidfile", "logfile")
    ]
    lines += [f' xfrdir: "{folder}"', " rrl-ratelimit: 0", f' nsid: "ascii_nsd{number}"']
    lines += ["remote-control:", " control-enable: no"]
    for zone in zones:
        lines += ["zone:", f' name: "{zone}"', f' zonefile: "{zone}zone"']
    return "\n".join(lines) + "\n"


def unbound(folder: Path) -> str:
    return f"""server:
 interface: 127.0.0.53
 access-control: 127.0.0.0/8 allow
 do-not-query-localhost: no
 root-hints: "{folder}/hints"
 module-config: "iterator"
 username: ""
 chroot: ""
 directory: "{folder}"
 pidfile: "{folder}/unbound.pid"
 use-syslog: no
 num-threads: 1
remote-control:
 control-enable: no
"""


QUESTIONS = [
    ("www.zone.lab.", "A"),
    ("alias.zone.lab.", "A"),
    ("away.zone.lab.", "A"),
    ("www.deep.zone.lab.", "A"),
    ("any.wild.zone.lab.", "A"),
    ("big.zone.lab.", "TXT"),
    ("www.lame.lab.", "A"),
    ("www.far.lab.", "A"),
    ("zone.lab.", "NS"),
    ("zone.lab.", "SOA"),
    ("nope.zone.lab.", "A"),
    ("www.zone.lab.", "AAAA"),
    ("nope.", "A"),
    ("www.broken.lab.", "A"),
    ("www.noglue.lab.", "A"),
    ("loop.zone.lab.", "A"),
]


def traced(lab: tuple[str, Path], *args: str) -> Any:
    netns, folder = lab
    return sretool("dns", "trace", "--json", "--hints", folder / "hints", *args, netns=netns).json


@pytest.mark.parametrize(("name", "kind"), QUESTIONS)
def test_agrees_with_unbound(lab: tuple[str, Path], name: str, kind: str) -> None:
    said = dig(lab[0], "127.0.0.53", "+noall", "+comments", "+answer", name, kind)
    status = re.search(r"status: (\w+)", said)
    assert status is not None
    values = sorted(
        line.split(None, 4)[4] for line in said.splitlines() if line.split()[3:4] == [kind] and line[0] != ";"
    )
    found = traced(lab, name, kind)
    answer = found["data"]["answer"]
    if status[1] == "SERVFAIL" or name.startswith("loop"):
        assert answer is None
        assert found["exit_code"] == 2
        return
    assert answer["rcode"].upper() == status[1]
    assert sorted(record["rdata"] for record in answer["records"] if record["type"] == kind) == values
    assert found["exit_code"] == (0 if values and "lame" not in name else 1)


def test_every_row_is_what_dig_sees(lab: tuple[str, Path]) -> None:
    data = traced(lab, "www.zone.lab")["data"]
    rows = [(row, cut) for cut in data["cuts"] for row in cut["servers"]]
    assert [row["address"] for row, _cut in rows] == [
        "127.0.0.10",
        "::1",
        "127.0.0.11",
        "127.0.0.12",
        "127.0.0.13",
    ]
    for row, cut in rows:
        said = dig(
            lab[0],
            row["address"],
            "+norecurse",
            "+nocookie",
            "+bufsize=1232",
            "+nsid",
            cut["query_name"],
            "A",
        )
        assert row["rcode"] == re.search(r"status: (\w+)", said)[1].lower()  # type: ignore[index]
        assert row["aa"] == (" aa" in re.search(r"flags: ([\w ]*)", said)[0])  # type: ignore[index]
        assert row["size_bytes"] == int(re.search(r"rcvd: (\d+)", said)[1])  # type: ignore[index]
        assert f'"{row["nsid"]}"' in said


def test_lame_server_is_named(lab: tuple[str, Path]) -> None:
    found = traced(lab, "www.lame.lab")
    assert [(each["id"], each["subject"]["id"]) for each in found["findings"]] == [
        ("dns.lame-server", "127.0.0.13")
    ]
