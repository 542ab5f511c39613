r"""Which unit, container and pod a cgroup path belongs to, from the path alone.

No daemon is asked, so it works on a recording and on a host whose engine is stuck. The paths are
what systemd, the engines and kubelet create; `tests/host/test_attribution.py` has one of each.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from sretool.errors import ParseError

_UNIT_SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap")
_ENGINES = {
    "docker": "docker",
    "cri-containerd": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
    "libpod-payload": "podman",  # podman --cgroups=split
    "nerdctl": "containerd",
    "balena": "balena",
}
_PARENTS = {
    "docker": "docker",
    "libpod_parent": "podman",
    "ecs": "ecs",
    "k8s.io": "containerd",  # containerd's namespaces: kubelet's, and nerdctl's and ctr's
    "default": "containerd",
}
_HEX = frozenset("0123456789abcdef")
# cpu first: where v1 hierarchies differ, throttling is what most often needs its process named
_V1_ORDER = ("name=systemd", "cpu,cpuacct", "cpu", "memory", "pids")


class Attribution(NamedTuple):
    """Whose a cgroup is; an empty string where the path does not say.

    unit: the host's systemd unit (of a user session or user manager: that unit).
    slice: the innermost slice around it.
    container: the first 12 digits of its id, or its name where the engine uses names (lxc, machine).
    engine: docker, containerd, cri-o, podman, lxc, machined, nspawn, ecs.
    pod: a Kubernetes pod's uid, a podman pod's short id, or an ECS task's id.
    """

    unit: str = ""
    slice: str = ""
    container: str = ""
    engine: str = ""
    pod: str = ""

    @property
    def name(self) -> str:
        """What a person calls it: the container, else the unit, else the slice."""
        return self.container or self.unit or self.slice


def cgroup_path(raw: bytes) -> str:
    """The path in /proc/PID/cgroup that says whose process it is: the cgroup v2 line; where that
    is the root (hybrid without a manager on v2), the v1 line of systemd, then of the controllers.

    Raises:
        ParseError: no line has the form `N:CONTROLLERS:PATH`.
    """
    paths: dict[str, str] = {}
    for line in raw.splitlines():
        fields = line.split(b":", 2)
        if len(fields) == 3 and fields[2].startswith(b"/"):
            paths[fields[1].decode("ascii", "replace")] = fields[2].decode("utf-8", "backslashreplace")
    if not paths:
        raise ParseError("cgroup", "no line of the form N:CONTROLLERS:PATH")
    for controllers in ("", *_V1_ORDER, *paths):
        if paths.get(controllers, "/") != "/":
            return paths[controllers]
    return "/"


# By their bytes: processes of one group share the work, and so do the rounds of a watch.
@lru_cache(maxsize=1024)
def attributed(raw: bytes) -> tuple[str, Attribution]:
    """The path and the owner that /proc/PID/cgroup says.

    Raises:
        ParseError: as `cgroup_path`.
    """
    path = cgroup_path(raw)
    return path, attribute(path)


@lru_cache(maxsize=1 << 14)
def attribute(path: str) -> Attribution:
    """Whose the cgroup at `path` is. Of nested containers (docker in a pod, kind) the innermost
    counts; units below a container are the container's own and not the host's.
    """
    unit = slice_ = container = engine = pod = parent = ""
    parts = [part for part in path.removesuffix(" (deleted)").split("/") if part not in ("", "..")]
    for depth, part in enumerate(parts):
        found = _container(part, parent, parts[:depth])
        if found[0]:
            container, engine = found
        pod = _pod(part, parent) or pod
        if not unit and (not container or found[0]):
            if part.endswith(_UNIT_SUFFIXES):
                # systemd puts "_" before a name the kernel could take for one of its own files
                unit = part.removeprefix("_")
            elif part.endswith(".slice"):
                slice_ = part
        parent = part
    return Attribution(unit, slice_, container, engine, pod)


def _container(part: str, parent: str, above: list[str]) -> tuple[str, str]:
    """(container, engine) that this component of a path starts, empty strings when none."""
    prefix, _, rest = part.rpartition("-")
    if _is_id(id_ := rest.removesuffix(".scope")) and prefix:
        # the monitor of a container (crio-conmon-, libpod-conmon-) is not in it
        return ("", "") if prefix.endswith("-conmon") else (id_[:12], _ENGINES.get(prefix, prefix))
    if part.count(":") == 2:  # containerd with a systemd path and the cgroupfs driver
        _, prefix, id_ = part.split(":")
        if _is_id(id_):
            return id_[:12], _ENGINES.get(prefix, prefix)
    if _is_id(part) and parent != "libpod_parent":  # that is a pod
        return part[:12], "ecs" if "ecs" in above else _PARENTS.get(parent, "")
    if part.startswith("lxc.payload."):
        return part[12:], "lxc"
    if parent in ("lxc", "lxc.payload"):
        return part, "lxc"
    if part.startswith("machine-") and part.endswith(".scope"):
        return _unescape(part[8:-6]), "machined"
    if part.startswith("systemd-nspawn@") and part.endswith(".service"):
        return _unescape(part[15:-8]), "nspawn"
    if "ecs" in above and parent != "ecs" and part.startswith(parent + "-"):  # Fargate: TASK/TASK-NUMBER
        return part, "ecs"
    return "", ""


def _pod(part: str, parent: str) -> str:
    """The pod that this component of a path is, empty when it is none."""
    name = part.partition(":")[0].removesuffix(".slice")
    if part.startswith("pod"):
        uid = part[3:]
    elif "kubepods" in name and "-pod" in name:
        uid = name.rpartition("-pod")[2].replace("_", "-")
    elif "libpod_pod_" in name:
        id_ = name.rpartition("libpod_pod_")[2]
        return id_[:12] if _is_id(id_) else ""
    elif parent == "libpod_parent":
        return part[:12] if _is_id(part) else ""
    elif parent == "ecs":
        return part
    elif name.startswith("ecstasks-"):
        return name[9:]
    else:
        return ""
    digits = uid.replace("-", "")
    # a static pod's uid is the hash of its manifest, 32 digits without dashes
    return uid if len(digits) == 32 and _HEX.issuperset(digits) else ""


def _is_id(text: str) -> bool:
    return len(text) == 64 and _HEX.issuperset(text)


def _unescape(name: str) -> str:
    r"""A systemd-escaped name: `\x2d` is `-` (systemd.unit(5), "string escaping")."""
    out = []
    pieces = name.split("\\x")
    out.append(pieces[0])
    for piece in pieces[1:]:
        try:
            code = int(piece[:2], 16) if len(piece) >= 2 else -1
        except ValueError:
            code = -1
        out.append(chr(code) + piece[2:] if 0x20 <= code < 0x7F else "\\x" + piece)
    return "".join(out)


def matches(wanted: str, value: object) -> bool:
    """A pattern with `* ? [` must fit the whole value; any other text must be part of it."""
    if not isinstance(value, str) or not value:
        return False
    return fnmatchcase(value, wanted) if any(sign in wanted for sign in "*?[") else wanted in value
