"""Real engines on a booted host: podman (root's, a user's, a pod, a quadlet) and docker, by their sockets,
by their files, and as an ordinary user, held against what the engines themselves say.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli import sretool
from vm import Outcome, Script

SECRET = "hunter2"
ROW = ("pid", "unit", "container", "container_name", "pod_name", "image", "command")

LOOK = """
import json, sys
from sretool.host import engines
from sretool.host.live import Live
errors = []
found = engines.containers(Live(), errors)
print(json.dumps([[one._asdict() for one in found.values()], [str(error) for error in errors]]))
"""
# A user's own engine wants a session bus of its own.
USER = """
cd; export XDG_RUNTIME_DIR=/run/user/$(id -u) DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$(id -u)/bus
podman import /opt/box.tar localhost/box:1
podman run -d --name mine --network none localhost/box:1 sleep 604
"""
COMMON = """
. /opt/payload/prelude.sh
waited() { for i in $(seq 150); do "$@" && return; sleep 1; done; echo "never: $*" >&2; exit 9; }
rows() { into "$1" procs list --sample 0 --json; }
of() { user=$1; shift; su "$user" -s /bin/sh -c "PATH=$PATH PYTHONPATH=$PYTHONPATH LC_ALL=C.UTF-8 $*"; }
"""
LABELS = f"--label com.docker.compose.project=shop --label token={SECRET} -e PASSWORD={SECRET}"
STEPS = {
    "podman": f"""
mkdir -p /opt/box/bin && cp /bin/busybox /opt/box/bin && ln -s busybox /opt/box/bin/sleep
tar cf /opt/box.tar -C /opt/box .
podman import /opt/box.tar localhost/box:1
podman run -d --name web --network none {LABELS} localhost/box:1 sleep 601
podman exec -d web sleep 602
podman pod create --name data --infra=false
podman run -d --name db --pod data --network none localhost/box:1 sleep 603
mkdir -p /etc/containers/systemd
printf '[Container]\\nImage=localhost/box:1\\nContainerName=quad\\nNetwork=none\\nExec=sleep 607\\n' \\
    >/etc/containers/systemd/quad.container
systemctl daemon-reload && systemctl start quad.service
podman ps --format json >podman.json
""",
    "mine": f"""
useradd -m ann; useradd -m bob; usermod -aG docker bob; useradd nil
loginctl enable-linger ann
printf %s '{USER}' >/opt/user.sh
waited test -S /run/user/$(id -u ann)/bus
of ann sh /opt/user.sh
of ann XDG_RUNTIME_DIR=/run/user/$(id -u ann) podman ps --format json >mine.json
""",
    "docker": f"""
echo '{{"live-restore": true}}' >/etc/docker/daemon.json
waited systemctl is-active --quiet docker.service
systemctl reload docker.service
docker import /opt/box.tar box:1
docker run -d --name dweb --network none {LABELS} box:1 sleep 605
docker exec -d dweb sleep 606
docker ps --no-trunc --format '{{{{json .}}}}' >docker.json
waited sh -c 'test $(pgrep -fc "^sleep 60") = 7'
""",
    "look": f"""
printf %s '{LOOK}' >/opt/look.py
systemctl start podman.socket
rows root.json
python3 /opt/look.py >files-and-docker.json
into cgroups.json cgroups tree --sample 0 --all --json
for as in ann bob nil; do rows $as.json; done
as=root
systemctl is-active podman.service >asked
true
""",
    "record": """
warm snapshot save --sample 0 recording.tar.gz
""",
    "stop": """
mkdir -p /run/systemd/system/podman.service.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/podman system service --time=0\\n' \\
    >/run/systemd/system/podman.service.d/stay.conf
systemctl daemon-reload && systemctl start podman.service
waited sh -c 'python3 /opt/look.py >sockets.json; grep -q /run/podman/podman.sock sockets.json'
systemctl stop podman.service podman.socket docker.service
systemctl is-active docker.socket >stopped
rows stopped.json
systemctl is-active docker.service >>stopped
true
""",
}
SCRIPTS = [Script(f"engines: {name}", COMMON + text, kind="engines") for name, text in STEPS.items()]

pytestmark = pytest.mark.vm(*SCRIPTS)


@pytest.fixture(scope="module")
def files(booted: Callable[[Script], Outcome]) -> dict[str, bytes]:
    """What all steps left, by name."""
    found: dict[str, bytes] = {}
    for script in SCRIPTS:
        outcome = booted(script)
        assert outcome.code == 0, f"{script.name}: {outcome.err[-3000:]}"
        found |= outcome.files
    return found


def rows(files: dict[str, bytes], name: str) -> dict[str, dict[str, Any]]:
    """The rows of our sleepers by what they run, which says who they are."""
    document = json.loads(files[name])
    return {
        row["command"]: {key: row[key] for key in ROW}
        for row in document["data"]["processes"]
        if row["command"].startswith("sleep 60")
    }


def told(files: dict[str, bytes]) -> dict[str, str]:
    """Names by short id, as the engines' own commands say them."""
    podman = json.loads(files["podman.json"]) + json.loads(files["mine.json"])
    docker = [json.loads(line) for line in files["docker.json"].splitlines()]
    return {one["Id"][:12]: one["Names"][0] for one in podman} | {
        one["ID"][:12]: one["Names"] for one in docker
    }


EXPECTED = {
    "sleep 601": "web",
    "sleep 602": "web",
    "sleep 603": "db",
    "sleep 604": "mine",
    "sleep 605": "dweb",
    "sleep 606": "dweb",
    "sleep 607": "quad",
}


def test_root_knows_all_of_them(files: dict[str, bytes]) -> None:
    found = rows(files, "root.json")
    assert {command: row["container_name"] for command, row in found.items()} == EXPECTED
    assert {row["container"]: row["container_name"] for row in found.values()} == told(files)
    assert found["sleep 603"]["pod_name"] == "data"
    assert found["sleep 601"]["image"] == "localhost/box:1"
    assert found["sleep 605"]["image"] == "box:1"
    assert found["sleep 607"]["unit"] == "quad.service"
    assert found["sleep 604"]["unit"].startswith("user@")
    assert json.loads(files["root.json"])["errors"] == []


def test_files_and_sockets_say_the_same(files: dict[str, bytes]) -> None:
    """Podman by its files first, as its service did not run, then by its socket."""
    by_files, by_socket = (
        {one["name"]: one for one in json.loads(files[name])[0]}
        for name in ("files-and-docker.json", "sockets.json")
    )
    assert by_files["web"]["source"] == "/var/lib/containers/storage"
    assert by_socket["web"]["source"] == "/run/podman/podman.sock"
    assert by_files["dweb"]["source"] == "/run/docker.sock"
    for name, one in by_files.items():
        one.pop("source"), by_socket[name].pop("source")
        assert one == by_socket[name], name
    for name in ("web", "dweb"):
        one = by_files[name]
        assert (one["project"], one["restarts"], one["started_at"][:2]) == ("shop", 0, "20")
    assert by_files["db"]["pod"] == "data"
    assert by_files["quad"]["labels"]["PODMAN_SYSTEMD_UNIT"] == "quad.service"


def test_asking_starts_no_engine(files: dict[str, bytes]) -> None:
    """podman.socket listened while we looked, and docker.socket still did when dockerd had ended."""
    assert files["asked"].split() == [b"inactive"]
    assert files["stopped"].split() == [b"active", b"inactive"]


def test_an_engine_that_ended_is_known_by_its_files(files: dict[str, bytes]) -> None:
    found = rows(files, "stopped.json")
    assert {command: row["container_name"] for command, row in found.items()} == EXPECTED


def test_an_ordinary_user_knows_its_own_and_is_told_of_the_rest(files: dict[str, bytes]) -> None:
    for user, known in (("ann", {"mine"}), ("bob", {"dweb"}), ("nil", set())):
        found = rows(files, f"{user}.json")
        assert {row["container_name"] for row in found.values()} == known | {None}, user
        assert {command: row["container"] for command, row in found.items()} == {
            command: row["container"] for command, row in rows(files, "root.json").items()
        }
        (error,) = [e for e in json.loads(files[f"{user}.json"])["errors"] if "container" in e["what"]]
        assert (error["code"], error["hint"]) == ("permission-denied", "run with sudo to see their names")


def test_the_tree_goes_by_the_names(files: dict[str, bytes]) -> None:
    groups = json.loads(files["cgroups.json"])["data"]["cgroups"]
    named = {row["name"]: row for row in groups if row["container"]}
    assert {"web", "db", "mine", "dweb", "quad"} <= set(named)
    assert named["db"]["pod_name"] == "data"
    assert "pod data" in {row["name"] for row in groups}


def test_a_recording_has_the_names_and_no_secret(files: dict[str, bytes], tmp_path: Path) -> None:
    file = tmp_path / "recording.tar.gz"
    file.write_bytes(files["recording.tar.gz"])
    replayed = sretool("--from", file, "procs", "list", "--json")
    names = {
        command: row["container_name"]
        for command, row in rows({"replayed": replayed.out.encode()}, "replayed").items()
    }
    assert names == EXPECTED
    assert replayed.json["errors"] == []
    assert SECRET.encode() not in gzip.decompress(files["recording.tar.gz"])
