"""Every scenario of tests/lab/paths, with every protocol, family and method it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from typing import Any, cast

import path_files
import pytest
from cli import NOBODY, elsewhere, environment
from forked import Server
from lab_tun import TunLab
from path_expect import differences
from paths import straight

pytestmark = pytest.mark.lab

TRIES = 8
LABS = 3
KEYS = ("name", "protocol", "family", "method")
Variant = tuple[str, str, int, str]
# what every scenario runs as: each protocol over both families, by raw sockets and without any right
USUAL = [
    ("udp", 4, "raw"), ("udp", 6, "sockets"), ("icmp", 4, "sockets"), ("icmp", 6, "raw"),
    ("tcp", 4, "raw"), ("tcp", 6, "sockets"),
]  # fmt: skip
EVERY = [(p, f, m) for p in ("udp", "icmp", "tcp") for f in (4, 6) for m in ("raw", "sockets")]
SCENARIOS = {file.stem: path_files.read(file) for file in sorted(path_files.FOLDER.glob("*.toml"))}


def variants() -> Iterator[Any]:
    for name, raw in SCENARIOS.items():
        run = raw.get("run", {})
        for protocol, family, method in EVERY if run.get("every") else USUAL:
            named = protocol in run.get("protocols", [protocol]) and method in run.get("methods", [method])
            named = named and f"{protocol}-{method}" not in run.get("without", [])
            if named and family in run.get("families", [family]):
                yield pytest.param(name, protocol, family, method, id=f"{name}-{protocol}{family}-{method}")


class Lab:
    """One namespace and one simulator for many scenarios, and sretool, imported, as root and as nobody."""

    def __init__(self, tun: TunLab) -> None:
        self.tun = tun
        self.servers = {
            "raw": Server(environment(), elsewhere(None, tun.netns)),
            "sockets": Server(environment(), elsewhere(NOBODY, tun.netns)),
        }

    def answer(self, method: str, *args: str) -> dict[str, Any]:
        code, out, err = self.servers[method].run(list(args), environment(), 60)
        assert not err, err.decode()
        answer: dict[str, Any] = json.loads(out)
        assert answer["exit_code"] == code
        return answer

    def try_path(self, name: str, protocol: str, family: int, method: str) -> list[str]:
        """What is not as the file says; of times the best of a few tries."""
        raw = path_files.chosen(SCENARIOS[name], f"v{family}", protocol, method)
        path = path_files.load(path_files.FOLDER / f"{name}.toml", family)
        run = raw.get("run", {})
        command = run.get("command", "trace")
        args = ["net", command, "--json", *map(str, run.get("args", []))]
        args.append(f"--protocol={protocol}")
        if command == "trace":
            args.append(f"--method={method}")
        # connections cost a service something: one probe a hop first, and the others when the end is known
        waves = 2 if (protocol, method) == ("tcp", "sockets") else 1
        for _ in range(TRIES):
            self.tun.play(path)
            answer = self.answer(method, *args, path.target)
            wrong, late = differences(raw["expect"], answer, path, waves)
            if wrong or not late:
                break
        return [*wrong, *late]


@pytest.fixture(scope="module")
def tried(request: pytest.FixtureRequest) -> Iterator[dict[Variant, Future[list[str]]]]:
    """The scenarios that are to be tested here, tried in several labs: most of their time is waiting."""
    items = [item for item in request.session.items if item.path == Path(__file__)]
    wanted = [cast(Variant, tuple(item.callspec.params[key] for key in KEYS)) for item in items]  # type: ignore[attr-defined]
    with ExitStack() as stack:
        labs: Queue[Lab] = Queue()
        for _ in range(min(LABS, len(wanted))):
            lab = Lab(stack.enter_context(TunLab(straight(1))))
            for server in lab.servers.values():
                stack.callback(server.close)
            labs.put(lab)
        pool = ThreadPoolExecutor(LABS)
        stack.callback(pool.shutdown, cancel_futures=True)

        def one(variant: Variant) -> list[str]:
            lab = labs.get()
            try:
                return lab.try_path(*variant)
            finally:
                labs.put(lab)

        yield {variant: pool.submit(one, variant) for variant in wanted}


@pytest.mark.parametrize(KEYS, list(variants()))
def test_path(
    tried: dict[Variant, Future[list[str]]], name: str, protocol: str, family: int, method: str
) -> None:
    wrong = tried[name, protocol, family, method].result(timeout=120)
    assert not wrong, "\n".join(wrong)
