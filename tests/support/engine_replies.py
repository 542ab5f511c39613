"""Containers as their engines tell of them and keep them, with secrets where those stand."""

from __future__ import annotations

from hypothesis import strategies as st

ID = "4f5c0e8b9a1d2c3e" * 4
OTHER = "0123456789abcdef" * 4
SHORT, OTHER_SHORT = ID[:12], OTHER[:12]
SECRET = "hunter2"

DOCKER_REPLY = [
    {
        "Id": ID,
        "Names": ["/proxy/app", "/shop-web-1"],
        "Image": "nginx:1.27",
        "Command": f"nginx --password={SECRET}",
        "Labels": {"com.docker.compose.project": "shop", "token": SECRET},
        "State": "running",
    }
]
PODMAN_REPLY = [
    {
        "Id": OTHER,
        "Names": ["db"],
        "Image": "docker.io/library/postgres:16",
        "Labels": {"io.podman.compose.project": "shop", "PODMAN_SYSTEMD_UNIT": "db.service"},
        "PodName": "data",
        "Restarts": 3,
        "StartedAt": 1764040320,
        "Command": [SECRET],
    }
]
CONFIG_V2 = {
    "ID": ID,
    "Name": "/web",
    "RestartCount": 2,
    "Config": {"Image": "nginx:1.27", "Env": [f"PASSWORD={SECRET}"], "Labels": {"token": SECRET}},
    "State": {"StartedAt": "2025-11-25T03:12:00.123456789Z", "Running": True},
}
BUNDLE = {
    "process": {"env": [f"PASSWORD={SECRET}"]},
    "annotations": {
        "io.kubernetes.cri.container-name": "api",
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.image-name": "registry/api:3",
        "io.kubernetes.cri.sandbox-name": "api-7d9-x2",
        "io.kubernetes.cri.sandbox-namespace": "prod",
    },
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
