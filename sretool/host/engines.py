"""What people call a container: the engine's own word when it runs and answers, its files otherwise.

Who has seen a container in a cgroup path (`attribution`) asks here for its name; a host without one
is never asked. In this order, and no further than needed when `wanted` says what is:

1. the API of docker and podman, over their unix sockets, also rootless ones; an engine that is not
   running is not started by our asking (see `engine`),
2. the names of the links in /var/log/containers that kubelet makes, which any user may list,
3. docker's config.v2.json, podman's database or container list (cri-o's too), containerd's bundles.

What containerd and cri-o serve on their own sockets is gRPC; their files say the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sretool.errors import Denied, Missing, NotRecorded, SourceError, SretoolError
from sretool.host.attribution import Attribution
from sretool.host.source import Source

SHORT = 12
NAMED_BY_PATH = ("lxc", "machined", "nspawn")
DOCKER_SOCKET = "/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"
KUBELET_LOGS = "/var/log/containers"
STORAGE = "/var/lib/containers/storage"
_GRAPHROOT = re.compile(rb'^\s*graphroot\s*=\s*"(/[^"]+)"', re.MULTILINE)


class Container(NamedTuple):
    """A container as its engine knows it; an empty string, or None, where it does not say.

    id: all 64 digits, or the name where the engine has no other. name: without docker's slash; in
    Kubernetes the container's name within its pod. pod: a pod's name. namespace: of Kubernetes.
    project: of docker or podman compose. labels: those in `engine._LABELS`. started_at: RFC 3339,
    UTC. source: the socket, file or folder that said so.
    """

    id: str
    name: str = ""
    engine: str = ""
    image: str = ""
    pod: str = ""
    namespace: str = ""
    project: str = ""
    labels: dict[str, str] = {}  # never written to
    restarts: int | None = None
    started_at: str = ""
    source: str = ""

    @property
    def called(self) -> str:
        """What a person calls it: NAMESPACE/POD/NAME in Kubernetes, else its name, else its short id."""
        if self.namespace and self.pod:
            return f"{self.namespace}/{self.pod}" + (f"/{self.name}" if self.name else "")
        return self.name or self.id[:SHORT]


def named(source: Source, errors: list[SretoolError], whose: Iterable[Attribution]) -> dict[str, Container]:
    """`containers` of those that are met in `whose`: where there are none, nothing is read. The second
    reading of a pair, and the rounds of a watch, ask again only when there is a new one.
    """
    wanted = {one.container for one in whose if one.container and one.engine not in NAMED_BY_PATH}
    asked = _asked.get(source)
    if wanted and (asked is None or not wanted <= asked.wanted):
        failures: list[SretoolError] = []
        asked = _asked[source] = _Asked(wanted, containers(source, failures, wanted), failures)
    if not wanted or asked is None:
        return {}
    errors += asked.errors
    return asked.found


class _Asked(NamedTuple):
    wanted: set[str]
    found: dict[str, Container]
    errors: list[SretoolError]


_asked: WeakKeyDictionary[Source, _Asked] = WeakKeyDictionary()


def name_of(whose: Attribution, known: dict[str, Container]) -> str | None:
    """What a person calls the container of `whose`: empty when it is in none, None when only its id is
    known.
    """
    if not whose.container or whose.engine in NAMED_BY_PATH:
        return whose.container
    found = known.get(whose.container)
    return found.called if found is not None and (found.name or found.pod) else None


def containers(
    source: Source, errors: list[SretoolError], wanted: Collection[str] | None = None
) -> dict[str, Container]:
    """The containers on this host by short id (`attribution.container`).

    Args:
        source: where to look.
        errors: one is added when a wanted container has no name because we may not look, or because
            a recording does not hold it.
        wanted: short ids whose names are wanted, and nothing else: no more is read than they need.
            None: all that can be learnt of all containers.
    """
    found: dict[str, Container] = {}
    missing = set(wanted) if wanted is not None else None
    blocked: SourceError | None = None
    for look, engine, path in _places(source):
        if missing is not None and not missing:
            break
        try:
            for one in look(source, engine, path):
                short = one.id[:SHORT] if len(one.id) == 64 else one.id
                found[short] = _both(found[short], one) if short in found else one
                if missing is not None and found[short].name:
                    missing.discard(short)
        except Missing:
            continue
        except (Denied, NotRecorded) as error:
            blocked = blocked or error
        except SourceError as error:
            errors.append(error)
    if blocked is not None and (missing is None or missing):
        errors.append(_blind(blocked, len(missing or ())))
    return found


def _blind(why: SourceError, count: int) -> SretoolError:
    which = (
        f"{count} container{'s are' if count != 1 else ' is'} known by id only" if count else "not readable"
    )
    if isinstance(why, NotRecorded):
        return NotRecorded("container names", f"{which}: not in this recording", errno=why.errno)
    hint = "run with sudo to see their names"
    return Denied("container names", which, hint, errno=why.errno)


_Look = Callable[[Source, str, str], Iterator[Container]]


def _places(source: Source) -> Iterator[tuple[_Look, str, str]]:
    """Where to look, the cheapest and best informed first."""
    yield _api, "docker", DOCKER_SOCKET
    yield _api, "podman", PODMAN_SOCKET
    homes = _rootless(source)
    for uid in homes:
        yield _api, "podman", f"/run/user/{uid}/podman/podman.sock"
        yield _api, "docker", f"/run/user/{uid}/docker.sock"
    yield _kubelet, "", KUBELET_LOGS
    yield _files, "docker", ""
    yield _files, "containerd", ""
    yield _files, "podman", _graphroot(source)
    for home in homes.values():
        yield _files, "podman", f"{home}/.local/share/containers/storage"
        yield _files, "docker", f"{home}/.local/share/docker"


def _rootless(source: Source) -> dict[str, str]:
    """Home directories by uid, of users who may run containers of their own: a rootless engine needs
    /run/user/UID.
    """
    try:
        uids = {name for name in source.listdir("/run/user") if name != "0"}
        passwd = source.read("/etc/passwd") if uids else b""
    except SourceError:
        return {}
    fields = [line.decode("utf-8", "backslashreplace").split(":") for line in passwd.splitlines()]
    return {line[2]: line[5] for line in fields if len(line) > 5 and line[2] in uids and line[5] != "/"}


def _graphroot(source: Source) -> str:
    """Where podman and cri-o keep containers, by containers-storage.conf(5)."""
    for path in ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf"):
        try:
            configured = _GRAPHROOT.search(source.read(path))
        except SourceError:
            continue
        return configured[1].decode("utf-8", "backslashreplace") if configured else STORAGE
    return STORAGE


def _both(first: Container, second: Container) -> Container:
    """What either knows; where both do, the first."""
    known = {name: value for name, value in first._asdict().items() if value not in ("", None, {})}
    return second._replace(**known)


def _api(source: Source, engine: str, path: str) -> Iterator[Container]:
    parse = {"docker": parse_docker, "podman": parse_podman}[engine]
    return _each(source.fact("engine", engine, path), parse, path)


def _files(source: Source, kind: str, root: str) -> Iterator[Container]:
    parse = {"docker": parse_docker_file, "podman": parse_storage, "containerd": parse_bundle}[kind]
    args = (kind, root) if root else (kind,)
    return _each(source.fact("engine-files", *args), parse, root or f"{kind}'s files")


def _each(raw: bytes, parse: Callable[[dict[str, Any]], Container], path: str) -> Iterator[Container]:
    items = json.loads(raw)
    for item in items if isinstance(items, list) else ():
        one = parse(item) if isinstance(item, dict) else None
        if one is not None and one.id:
            yield one._replace(source=path)


def _kubelet(source: Source, engine: str, path: str) -> Iterator[Container]:
    for name in source.listdir(path):
        one = parse_log_name(name)
        if one is not None:
            yield one._replace(source=f"{path}/{name}")


def parse_log_name(name: str) -> Container | None:
    """POD_NAMESPACE_NAME-ID.log, as kubelet names a container's log; None when it is no such name."""
    words = name.removesuffix(".log").split("_")
    if len(words) != 3:
        return None
    container, _, id_ = words[2].rpartition("-")
    return Container(id_, container, pod=words[0], namespace=words[1]) if len(id_) == 64 else None


def parse_docker(item: dict[str, Any]) -> Container:
    """One of GET /containers/json."""
    names = [name for name in _list(item, "Names") if name.count("/") < 2]  # others are links' aliases
    return _labelled(
        Container(_text(item, "Id"), names[0].lstrip("/") if names else "", "docker", _text(item, "Image")),
        _labels(item, "Labels"),
    )


def parse_podman(item: dict[str, Any]) -> Container:
    """One of GET /libpod/containers/json."""
    names = _list(item, "Names")
    one = Container(
        _text(item, "Id"),
        names[0] if names else "",
        "podman",
        _text(item, "Image"),
        _text(item, "PodName"),
        restarts=_count(item, "Restarts"),
        started_at=_when(item.get("StartedAt")),
    )
    return _labelled(one, _labels(item, "Labels"))


def parse_docker_file(item: dict[str, Any]) -> Container:
    """A config.v2.json."""
    config, state = _object(item, "Config"), _object(item, "State")
    one = Container(
        _text(item, "ID"),
        _text(item, "Name").lstrip("/"),
        "docker",
        _text(config, "Image"),
        restarts=_count(item, "RestartCount"),
        started_at=_when(state.get("StartedAt")),
    )
    return _labelled(one, _labels(config, "Labels"))


def parse_storage(item: dict[str, Any]) -> Container:
    """A row of podman's database, or an entry of containers.json (podman's or cri-o's)."""
    if "config" in item:
        config, state = _object(item, "config"), _object(item, "state")
        one = Container(
            _text(config, "id"),
            _text(config, "name"),
            "podman",
            _text(config, "rootfsImageName"),
            _text(item, "pod-name"),
            restarts=_count(state, "restartCount") or 0,  # left out of the JSON when it is 0
            started_at=_when(state.get("startedTime")),
        )
        return _labelled(one, _labels(config, "labels"))
    names, more = _list(item, "names"), _object(item, "metadata")
    name = names[0] if names else _text(more, "name")
    one = Container(_text(item, "id"), name, "podman", _text(more, "image-name"))
    return _kubernetes_name(one, "cri-o")


def parse_bundle(item: dict[str, Any]) -> Container:
    """The annotations of an OCI bundle of containerd."""
    labels = _labels(item, "annotations")
    name = labels.get("nerdctl/name", "")
    return _labelled(Container(_text(item, "id"), name, "containerd"), labels)


def _labelled(one: Container, labels: dict[str, str]) -> Container:
    """`one` with what its labels or annotations say: of Kubernetes (written by dockershim, cri-o and
    containerd) and of compose.
    """
    one = _kubernetes_name(one._replace(labels=labels), one.engine)

    def first(*names: str) -> str:
        return next((labels[name] for name in names if labels.get(name)), "")

    name = first("io.kubernetes.cri.container-name", "io.kubernetes.container.name")
    if labels.get("io.kubernetes.cri.container-type") == "sandbox" or name == "POD":
        name = "pause"  # it holds the pod's namespaces, and runs nothing
    return one._replace(
        name=name or one.name,
        image=one.image or first("io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"),
        pod=first("io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name") or one.pod,
        namespace=first("io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace")
        or one.namespace,
        project=first("com.docker.compose.project", "io.podman.compose.project"),
    )


def _kubernetes_name(one: Container, engine: str) -> Container:
    """`one`, its name taken apart when it is k8s_NAME_POD_NAMESPACE_UID_ATTEMPT, as dockershim and
    cri-o name containers (cri-o: without the name for the one that holds the pod).
    """
    words = one.name.split("_")
    if words[0] != "k8s" or len(words) not in (5, 6):
        return one
    *name, pod, namespace, _, attempt = words[1:]
    restarts = int(attempt) if attempt.isascii() and attempt.isdigit() and len(attempt) < 10 else None
    alone = not name or name[0] == "POD"
    return one._replace(
        name="pause" if alone else name[0], pod=pod, namespace=namespace, engine=engine, restarts=restarts
    )


def _text(item: dict[str, Any], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _count(item: dict[str, Any], key: str) -> int | None:
    value = item.get(key)
    return value if type(value) is int and 0 <= value < 1 << 63 else None


def _object(item: dict[str, Any], key: str) -> dict[str, Any]:
    value = item.get(key)
    return value if isinstance(value, dict) else {}


def _list(item: dict[str, Any], key: str) -> list[str]:
    value = item.get(key)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _labels(item: dict[str, Any], key: str) -> dict[str, str]:
    return {name: value for name, value in _object(item, key).items() if isinstance(value, str)}


def _when(value: Any) -> str:
    """RFC 3339 in UTC, whole seconds, of an engine's time (text, or seconds); empty when it has none
    (Go's zero time is the year 1).
    """
    try:
        if isinstance(value, str):
            text = re.sub(r"\.\d+", "", value).replace("Z", "+00:00")
            moment = datetime.fromisoformat(text).astimezone(timezone.utc)
        else:
            moment = datetime.fromtimestamp(int(value), timezone.utc)
    except (ValueError, TypeError, OverflowError, OSError):
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment.year > 1970 else ""
