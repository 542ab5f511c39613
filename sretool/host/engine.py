"""What a container engine says of its containers, and what it keeps about them in its files.

Standard library only: this part is meant to travel. Both facts hand through the engine's own JSON,
cut down to the keys of `_SHAPES` before anything sees it: replies and files hold environments and
labels, and those hold secrets, which must not come into a recording.

An engine is asked only while it runs. The sockets of docker and podman are started on demand by
systemd, and a connection would start the service, that is, change the host. dockerd runs if the
process in its pid file is one; `podman system service`, which has no such file and ends after five
idle seconds, if its unit's cgroup holds a process. Otherwise the files have to do.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

TIMEOUT_S = 2.0
REPLY_LIMIT_BYTES = 16 * 1024 * 1024
FILE_LIMIT_BYTES = 4 * 1024 * 1024
CONTAINERS_LIMIT = 10_000

_LABELS = frozenset(
    (
        "com.docker.compose.project",
        "com.docker.compose.service",
        "com.docker.compose.project.working_dir",
        "com.docker.compose.project.config_files",
        "com.docker.swarm.service.name",
        "com.docker.stack.namespace",
        "io.podman.compose.project",
        "PODMAN_SYSTEMD_UNIT",
        "com.amazonaws.ecs.container-name",
        "com.amazonaws.ecs.task-definition-family",
        "com.amazonaws.ecs.cluster",
        "io.kubernetes.container.name",
        "io.kubernetes.pod.name",
        "io.kubernetes.pod.namespace",
        "io.kubernetes.pod.uid",
        "annotation.io.kubernetes.container.restartCount",
        "io.kubernetes.cri.container-name",
        "io.kubernetes.cri.container-type",
        "io.kubernetes.cri.image-name",
        "io.kubernetes.cri.sandbox-name",
        "io.kubernetes.cri.sandbox-namespace",
        "io.kubernetes.cri.sandbox-uid",
        "io.kubernetes.cri-o.ContainerType",
        "io.kubernetes.cri-o.ImageName",
        "nerdctl/name",
        "nerdctl/namespace",
    )
)
_SHAPES: dict[str, Any] = {
    # GET /containers/json of the Docker Engine API
    "docker": {"Id": str, "Names": list, "Image": str, "Labels": _LABELS},
    # GET /libpod/containers/json
    "podman": {
        "Id": str, "Names": list, "Image": str, "Labels": _LABELS,
        "Pod": str, "PodName": str, "Restarts": int, "StartedAt": int, "IsInfra": bool,
    },
    # /var/lib/docker/containers/ID/config.v2.json
    "docker-files": {
        "ID": str, "Name": str, "RestartCount": int,
        "Config": {"Image": str, "Labels": _LABELS}, "State": {"StartedAt": str, "Running": bool},
    },
    # containers.json of containers/storage, which podman and cri-o share; `metadata` is JSON in text
    "storage": {"id": str, "names": list, "metadata": str},
    "storage-metadata": {
        "name": str, "image-name": str, "pod-name": str, "container-name": str, "metadata-name": str,
        "namespace": str, "uid": str,
    },
    # ContainerConfig and ContainerState of podman's db.sql
    "podman-config": {
        "id": str, "name": str, "pod": str, "labels": _LABELS, "rootfsImageName": str, "isInfra": bool,
    },
    "podman-state": {"startedTime": str, "restartCount": int},
    # config.json of an OCI bundle
    "bundle": {"annotations": _LABELS},
}  # fmt: skip
_REQUESTS = {
    "docker": "/containers/json?all=1",
    "podman": "/v4.0.0/libpod/containers/json?all=true",  # Debian 12's and RHEL 8's serve it
}
_BUNDLES = (
    "/run/containerd/io.containerd.runtime.v2.task",
    "/run/k3s/containerd/io.containerd.runtime.v2.task",
)
_DOCKER_ROOTS = ("/var/lib/docker", "/var/snap/docker/common/var-lib-docker")


def listing(engine: str, path: str) -> list[Any] | None:
    """All containers of the engine that listens at `path`; None when it does not run.

    Raises:
        OSError: no such socket (ENOENT), not for us (EACCES), no answer in TIMEOUT_S (ETIMEDOUT), or
            none that was understood (EPROTO).
    """
    os.stat(path)
    if not _runs(engine, path):
        return None
    status, body = _get(path, _REQUESTS[engine])
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if status != 200 or not isinstance(found, list):
        raise OSError(errno.EPROTO, f"HTTP status {status}")
    return [_pick(item, _SHAPES[engine]) for item in found[:CONTAINERS_LIMIT]]


def files(kind: str, root: str) -> list[Any]:
    """What an engine keeps about its containers: `docker`, `podman` (containers/storage at `root`)
    or `containerd`.

    Raises:
        OSError: there are none (ENOENT), or they are not for us (EACCES).
    """
    return list(_FILES[kind](root))


def _runs(engine: str, path: str) -> bool:
    folder = os.path.dirname(path)
    if engine == "docker":
        try:
            with open(f"{folder}/docker.pid", "rb") as file:
                pid = int(file.read(16))
            with open(f"/proc/{pid}/comm", "rb") as file:
                return file.read(16).strip() == b"dockerd"
        except (OSError, ValueError):
            return False
    if path.startswith("/run/user/"):
        uid = path.split("/")[3]
        cgroup = f"user.slice/user-{uid}.slice/user@{uid}.service/app.slice/podman.service"
    else:
        cgroup = "system.slice/podman.service"
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"):
        try:
            with open(f"{mount}/{cgroup}/cgroup.procs", "rb") as file:
                if file.read(1):
                    return True
        except OSError:
            continue
    return False


def _get(path: str, target: str) -> tuple[int, bytes]:
    """Status and body. HTTP/1.0, so that the body is neither chunked nor followed by anything."""
    end = time.monotonic() + TIMEOUT_S
    reply = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.settimeout(TIMEOUT_S)
            sock.connect(path)
            sock.sendall(f"GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            while chunk := sock.recv(1 << 16):
                reply += chunk
                if len(reply) > REPLY_LIMIT_BYTES:
                    raise OSError(errno.EFBIG, "reply too large")
                sock.settimeout(max(end - time.monotonic(), 0.001))
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, "no answer") from None
    head, _, body = bytes(reply).partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit() or len(words[1]) > 3:
        raise OSError(errno.EPROTO, "not HTTP")
    return int(words[1]), body


def _pick(value: Any, shape: Any) -> Any:
    """What of `value` has the shape; all else is left behind."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return {}
        return {key: _pick(value[key], inner) for key, inner in shape.items() if value.get(key) is not None}
    if shape is _LABELS:
        pairs = value.items() if isinstance(value, dict) else ()
        return {key: text for key, text in pairs if key in _LABELS and isinstance(text, str)}
    if shape is list:
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    return value if isinstance(value, shape) else None


def _json(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            raw = file.read(FILE_LIMIT_BYTES + 1)
        return json.loads(raw) if len(raw) <= FILE_LIMIT_BYTES else None
    except (ValueError, RecursionError):  # half written, or none of theirs
        return None


def _docker(root: str) -> Iterator[Any]:
    folder = f"{root or _docker_root()}/containers"
    for name in sorted(os.listdir(folder))[:CONTAINERS_LIMIT]:
        try:
            found = _json(f"{folder}/{name}/config.v2.json")
        except OSError:  # removed meanwhile
            continue
        yield _pick(found, _SHAPES["docker-files"])


def _docker_root() -> str:
    try:
        configured = _json("/etc/docker/daemon.json")
    except OSError:
        configured = None
    root = configured.get("data-root") if isinstance(configured, dict) else None
    roots = [root, *_DOCKER_ROOTS] if isinstance(root, str) else _DOCKER_ROOTS
    return next((root for root in roots if os.path.isdir(root)), _DOCKER_ROOTS[0])


def _containerd(root: str) -> Iterator[Any]:
    bundles = root or next((path for path in _BUNDLES if os.path.isdir(path)), _BUNDLES[0])
    # docker's own are in the namespace moby, without a name
    for namespace in (name for name in sorted(os.listdir(bundles)) if name != "moby"):
        for id_ in sorted(os.listdir(f"{bundles}/{namespace}"))[:CONTAINERS_LIMIT]:
            try:
                found = _json(f"{bundles}/{namespace}/{id_}/config.json")
            except OSError:
                continue
            yield {"id": id_, **_pick(found, _SHAPES["bundle"])}


def _storage(root: str) -> Iterator[Any]:
    """Podman's database where it is SQLite (podman 4.8 and newer), else the list of containers that
    containers/storage keeps, which knows names and images but neither labels nor restarts.
    """
    known: set[str] = set()
    for item in _podman_database(f"{root}/db.sql"):
        known.add(item["config"].get("id", ""))
        yield item
    folders = [name for name in sorted(os.listdir(root)) if name.endswith("-containers")]
    for folder in folders:
        for name in ("containers.json", "volatile-containers.json"):
            try:
                found = _json(f"{root}/{folder}/{name}")
            except FileNotFoundError:
                continue
            for item in (found if isinstance(found, list) else [])[:CONTAINERS_LIMIT]:
                picked = _pick(item, _SHAPES["storage"])
                if picked.get("id") not in known:
                    yield {**picked, "metadata": _metadata(picked.get("metadata"))}


def _metadata(text: Any) -> Any:
    try:
        return _pick(json.loads(text), _SHAPES["storage-metadata"])
    except (ValueError, TypeError, RecursionError):
        return {}


def _podman_database(path: str) -> Iterator[Any]:
    os.listdir(os.path.dirname(path))  # whether we may look at all
    try:
        import sqlite3  # not in every minimal Python
    except ImportError:
        return
    if not os.path.exists(path):
        return
    # immutable: no lock is taken, so podman never waits for us; a write meanwhile may fail our read
    try:
        database = sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True, timeout=0)
    except sqlite3.Error:
        return
    try:
        pods = dict(database.execute("SELECT ID, Name FROM PodConfig"))
        rows = database.execute(
            "SELECT C.JSON, S.JSON FROM ContainerConfig C JOIN ContainerState S ON C.ID = S.ID LIMIT ?",
            (CONTAINERS_LIMIT,),
        )
        for config, state in rows:
            try:
                found = _pick(json.loads(config), _SHAPES["podman-config"])
                running = _pick(json.loads(state), _SHAPES["podman-state"])
            except (ValueError, TypeError, RecursionError):
                continue
            yield {"config": found, "state": running, "pod-name": pods.get(found.get("pod"), "")}
    except sqlite3.Error:
        return
    finally:
        database.close()


_FILES = {"docker": _docker, "podman": _storage, "containerd": _containerd}
