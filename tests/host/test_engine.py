"""An engine's side: a server on a unix socket, and the files it keeps, cut down to what is used."""

from __future__ import annotations

import errno
import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from engine_replies import BUNDLE, CONFIG_V2, DOCKER_REPLY, ID, JSON, OTHER, OTHER_SHORT, SECRET, SHORT
from hypothesis import given

from sretool.host import engine, engines
from sretool.host.engines import Container, containers
from sretool.host.fake import Fake


def known(fact: str, reply: object) -> dict[str, Container]:
    return containers(Fake(facts={fact: reply}), [])


@given(JSON)
def test_only_the_keys_of_a_shape_come_through(value):
    for shape in engine._SHAPES.values():
        picked = engine._pick({"Config": value, "Labels": value, "Names": value, "Id": value}, shape)
        assert set(picked) <= set(shape)


@contextmanager
def served(folder: Path, reply: bytes, engine_name: str = "docker") -> Iterator[str]:
    path = str(folder / f"{engine_name}.sock")
    (folder / "docker.pid").write_text(str(os.getpid()))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path


def http(body: object, status: str = "200 OK") -> bytes:
    return f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{json.dumps(body)}".encode()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_runs", lambda name, path: True)


def test_a_reply_is_cut_down_to_what_is_used(tmp_path, running):
    with served(tmp_path, http(DOCKER_REPLY)) as path:
        reply = engine.listing("docker", path)
    assert SECRET not in json.dumps(reply)
    assert known(f"engine docker {engines.DOCKER_SOCKET}", reply)[SHORT].name == "shop-web-1"


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        (http([], "500 Internal Server Error"), errno.EPROTO),
        (http({"message": "no"}), errno.EPROTO),
        (b"", errno.EPROTO),
        (b"SSH-2.0-x\r\n", errno.EPROTO),
        (b"HTTP/1.0 \xb2\xb2\xb2 OK\r\n\r\n[]", errno.EPROTO),
        (b"HTTP/1.0 200 OK\r\n\r\n[" + b"[" * 100_000, errno.EPROTO),
    ],
)
def test_another_reply_is_an_error(tmp_path, running, reply, number):
    with served(tmp_path, reply) as path, pytest.raises(OSError, match="HTTP") as caught:
        engine.listing("docker", path)
    assert caught.value.errno == number


def test_a_reply_without_end_is_cut(tmp_path, running, monkeypatch):
    monkeypatch.setattr(engine, "REPLY_LIMIT_BYTES", 1000)
    with served(tmp_path, bytes(5000)) as path, pytest.raises(OSError, match="too large") as caught:
        engine.listing("docker", path)
    assert caught.value.errno == errno.EFBIG


def test_an_engine_that_does_not_answer_is_given_up(tmp_path, running, monkeypatch):
    monkeypatch.setattr(engine, "TIMEOUT_S", 0.05)
    path = str(tmp_path / "silent.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        with pytest.raises(TimeoutError):
            engine.listing("docker", path)


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_no_engine_is_started_by_asking(tmp_path, name):
    """As systemd does for a socket unit: something listens, but no engine runs."""
    path = str(tmp_path / "engine.sock")
    (tmp_path / "docker.pid").write_text(str(os.getpid()))  # a pid that another process has got since
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.setblocking(False)
        assert engine.listing(name, path) is None
        with pytest.raises(BlockingIOError):
            server.accept()
    with pytest.raises(FileNotFoundError):
        engine.listing(name, str(tmp_path / "none.sock"))


def test_dockers_files(tmp_path):
    for name, text in ((ID, json.dumps(CONFIG_V2)), (OTHER, '{"ID": "half wr')):
        (tmp_path / "containers" / name).mkdir(parents=True)
        (tmp_path / "containers" / name / "config.v2.json").write_text(text)
    (tmp_path / "containers" / "gone").mkdir()
    kept = engine.files("docker", str(tmp_path))
    assert SECRET not in json.dumps(kept)
    one = known("engine-files docker", kept)
    assert [(name, found.name, found.restarts) for name, found in one.items()] == [(SHORT, "web", 2)]


def test_containerds_bundles(tmp_path):
    for namespace in ("k8s.io", "moby"):
        (tmp_path / namespace / ID).mkdir(parents=True)
        (tmp_path / namespace / ID / "config.json").write_text(json.dumps(BUNDLE))
    (tmp_path / "default" / "web").mkdir(parents=True)
    (tmp_path / "default" / "web" / "config.json").write_text('{"annotations": {"nerdctl/name": "web"}}')
    kept = engine.files("containerd", str(tmp_path))
    assert SECRET not in json.dumps(kept)
    assert sorted(item["id"] for item in kept) == sorted([ID, "web"])


def test_podmans_database_and_list(tmp_path):
    """db.sql as podman 5 lays it out (libpod/sqlite_state.go); containers.json holds one more."""
    (tmp_path / "overlay-containers").mkdir()
    metadata = json.dumps({"image-name": "alpine", "name": "old", "mountlabel": SECRET})
    listed = [{"id": ID, "names": ["old"], "metadata": metadata}, {"id": OTHER, "names": ["x"]}]
    (tmp_path / "overlay-containers" / "containers.json").write_text(json.dumps(listed))
    kept = engine.files("podman", str(tmp_path))
    assert {
        name: one.name for name, one in known(f"engine-files podman {engines.STORAGE}", kept).items()
    } == {
        SHORT: "old",
        OTHER_SHORT: "x",
    }
    database = sqlite3.connect(tmp_path / "db.sql")
    config = {"id": OTHER, "name": "db", "pod": "p1", "labels": {"token": SECRET}, "spec": {"env": [SECRET]}}
    with database:
        database.execute("CREATE TABLE PodConfig (ID TEXT, Name TEXT, JSON TEXT)")
        database.execute("CREATE TABLE ContainerConfig (ID TEXT, Name TEXT, PodID TEXT, JSON TEXT)")
        database.execute("CREATE TABLE ContainerState (ID TEXT, State INTEGER, JSON TEXT)")
        database.execute("INSERT INTO PodConfig VALUES ('p1', 'data', '')")
        database.execute("INSERT INTO ContainerConfig VALUES (?, 'db', 'p1', ?)", (OTHER, json.dumps(config)))
        database.execute(
            "INSERT INTO ContainerState VALUES (?, 2, ?)",
            (OTHER, '{"startedTime": "2025-11-25T04:12:00.5+01:00", "restartCount": 1}'),
        )
    database.close()
    kept = engine.files("podman", str(tmp_path))
    assert SECRET not in json.dumps(kept)
    found = known(f"engine-files podman {engines.STORAGE}", kept)
    one = found[OTHER_SHORT]
    assert (one.name, one.pod, one.restarts, one.started_at) == ("db", "data", 1, "2025-11-25T03:12:00Z")
    assert found[SHORT].name == "old"
    (tmp_path / "db.sql").write_bytes(b"no database" * 100)
    assert len(engine.files("podman", str(tmp_path))) == 2
