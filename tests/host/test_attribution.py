"""One path of each kind that systemd, the engines and kubelet make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sretool.errors import ParseError
from sretool.host.attribution import Attribution, attribute, cgroup_path, matches
from sretool.sockets.read.whose import Narrow

ID = "4f5c0e8b9a1d2c3e" * 4
OTHER = "0123456789abcdef" * 4
SHORT, OTHER_SHORT = ID[:12], OTHER[:12]
UID = "5f3c1c0e-8f6b-4a52-9d2d-0c5e1f6a7b8c"
UID_ = UID.replace("-", "_")
ANN = "/user.slice/user-1000.slice/user@1000.service"
STATIC = "a" * 32
POD_SLICE = f"kubepods-pod{UID_}.slice"
BURST = "kubepods.slice/kubepods-burstable.slice"

PATHS = {
    "/": Attribution(),
    "": Attribution(),
    "/init.scope": Attribution("init.scope"),
    "/system.slice/ssh.service": Attribution("ssh.service", "system.slice"),
    "/system.slice/system-getty.slice/getty@tty1.service": Attribution(
        "getty@tty1.service", "system-getty.slice"
    ),
    "/system.slice/ssh.service/sub/group": Attribution("ssh.service", "system.slice"),
    "/system.slice/ssh.service (deleted)": Attribution("ssh.service", "system.slice"),
    "/system.slice/_cgroup.service": Attribution("cgroup.service", "system.slice"),
    "/../../system.slice/ssh.service": Attribution("ssh.service", "system.slice"),
    "/user.slice/user-1000.slice/session-3.scope": Attribution("session-3.scope", "user-1000.slice"),
    "/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service": Attribution(
        "user@1000.service", "user-1000.slice"
    ),
    "/user.slice/user-1000.slice/user@1000.service/app.slice/snap.firefox.firefox-12.scope": Attribution(
        "user@1000.service", "user-1000.slice"
    ),
    "/system.slice/snap.lxd.daemon.service": Attribution("snap.lxd.daemon.service", "system.slice"),
    f"/system.slice/docker-{ID}.scope": Attribution(f"docker-{ID}.scope", "system.slice", SHORT, "docker"),
    f"/system.slice/docker-{ID}.scope/system.slice/nginx.service": Attribution(
        f"docker-{ID}.scope", "system.slice", SHORT, "docker"
    ),
    f"/docker/{ID}": Attribution(container=SHORT, engine="docker"),
    f"/docker/{ID}/init.scope": Attribution(container=SHORT, engine="docker"),
    f"/k8s.io/{ID}": Attribution(container=SHORT, engine="containerd"),
    f"/default/{ID}": Attribution(container=SHORT, engine="containerd"),
    f"/system.slice/nerdctl-{ID}.scope": Attribution(
        f"nerdctl-{ID}.scope", "system.slice", SHORT, "containerd"
    ),
    f"/docker/{OTHER}/docker/{ID}": Attribution(container=SHORT, engine="docker"),
    f"/system.slice/docker-{OTHER}.scope/docker/{ID}": Attribution(
        f"docker-{OTHER}.scope", "system.slice", SHORT, "docker"
    ),
    f"/actions_job/{ID}": Attribution(container=SHORT),
    f"/{BURST}/kubepods-burstable-pod{UID_}.slice/cri-containerd-{ID}.scope": Attribution(
        f"cri-containerd-{ID}.scope", f"kubepods-burstable-pod{UID_}.slice", SHORT, "containerd", UID
    ),
    f"/kubepods.slice/kubepods-pod{UID_}.slice/crio-{ID}.scope": Attribution(
        f"crio-{ID}.scope", f"kubepods-pod{UID_}.slice", SHORT, "cri-o", UID
    ),
    f"/kubepods.slice/kubepods-pod{UID_}.slice/crio-conmon-{ID}.scope": Attribution(
        f"crio-conmon-{ID}.scope", f"kubepods-pod{UID_}.slice", pod=UID
    ),
    f"/kubepods.slice/{POD_SLICE}/docker-{ID}.scope": Attribution(
        f"docker-{ID}.scope", POD_SLICE, SHORT, "docker", UID
    ),
    f"/kubepods.slice/kubepods-pod{STATIC}.slice/cri-containerd-{ID}.scope": Attribution(
        f"cri-containerd-{ID}.scope", f"kubepods-pod{STATIC}.slice", SHORT, "containerd", STATIC
    ),
    f"/kubepods/burstable/pod{UID}/crio-{ID}": Attribution(container=SHORT, engine="cri-o", pod=UID),
    f"/kubepods/burstable/pod{UID}/crio-conmon-{ID}": Attribution(pod=UID),
    f"/kubepods/burstable/pod{UID}": Attribution(pod=UID),
    f"/docker/{OTHER}/kubelet/kubepods/burstable/pod{UID}/{ID}": Attribution(container=SHORT, pod=UID),
    f"/kubepods/burstable/pod{UID}/{ID}": Attribution(container=SHORT, pod=UID),
    f"/kubepods/besteffort/pod{STATIC}/{ID}": Attribution(container=SHORT, pod=STATIC),
    f"/kubepods/besteffort/pod{UID}/{ID}/docker/{OTHER}": Attribution(
        container=OTHER_SHORT, engine="docker", pod=UID
    ),
    f"/system.slice/containerd.service/kubepods-burstable-pod{UID_}.slice:cri-containerd:{ID}": Attribution(
        "containerd.service", "system.slice", SHORT, "containerd", UID
    ),
    f"/docker/{OTHER}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UID_}.slice/"
    f"cri-containerd-{ID}.scope": Attribution(
        f"cri-containerd-{ID}.scope", container=SHORT, engine="containerd", pod=UID
    ),
    f"/machine.slice/libpod-{ID}.scope/container": Attribution(
        f"libpod-{ID}.scope", "machine.slice", SHORT, "podman"
    ),
    f"/machine.slice/libpod-conmon-{ID}.scope": Attribution(f"libpod-conmon-{ID}.scope", "machine.slice"),
    f"/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope": Attribution(
        f"libpod-{ID}.scope", f"machine-libpod_pod_{OTHER}.slice", SHORT, "podman", OTHER_SHORT
    ),
    f"/system.slice/web.service/libpod-payload-{ID}": Attribution(
        "web.service", "system.slice", SHORT, "podman"
    ),
    f"/libpod_parent/libpod-{ID}": Attribution(container=SHORT, engine="podman"),
    f"/libpod_parent/{OTHER}/libpod-{ID}": Attribution(container=SHORT, engine="podman", pod=OTHER_SHORT),
    f"/libpod_parent/{OTHER}": Attribution(pod=OTHER_SHORT),
    f"{ANN}/user.slice/libpod-{ID}.scope/container": Attribution(
        "user@1000.service", "user-1000.slice", SHORT, "podman"
    ),
    f"{ANN}/user.slice/user-libpod_pod_{OTHER}.slice/libpod-{ID}.scope": Attribution(
        "user@1000.service", "user-1000.slice", SHORT, "podman", OTHER_SHORT
    ),
    f"{ANN}/app.slice/docker-{ID}.scope": Attribution(
        "user@1000.service", "user-1000.slice", SHORT, "docker"
    ),
    f"{ANN}/session.slice/dbus.service": Attribution("user@1000.service", "user-1000.slice"),
    "/system.slice/web.service/runtime": Attribution("web.service", "system.slice"),
    "/system.slice/snap.docker.dockerd.service": Attribution("snap.docker.dockerd.service", "system.slice"),
    "/lxc.payload.user-1000_web/init.scope": Attribution(container="user-1000_web", engine="lxc"),
    "/lxc.payload/web/ns": Attribution(container="web", engine="lxc"),
    "/machine.slice/machine-deb.scope/payload/system.slice/nginx.service": Attribution(
        "machine-deb.scope", "machine.slice", "deb", "machined"
    ),
    "/lxc.payload.web/system.slice/nginx.service": Attribution(container="web", engine="lxc"),
    "/lxc.monitor.web": Attribution(),
    "/lxc/web": Attribution(container="web", engine="lxc"),
    r"/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator": Attribution(
        r"machine-qemu\x2d1\x2dvm.scope", "machine.slice", "qemu-1-vm", "machined"
    ),
    "/machine.slice/systemd-nspawn@deb.service/payload": Attribution(
        "systemd-nspawn@deb.service", "machine.slice", "deb", "nspawn"
    ),
    f"/ecs/{STATIC}/{ID}": Attribution(container=SHORT, engine="ecs", pod=STATIC),
    f"/ecs/{STATIC}/{STATIC}-123": Attribution(container=f"{STATIC}-123", engine="ecs", pod=STATIC),
    f"/ecstasks.slice/ecstasks-{STATIC}.slice/docker-{ID}.scope": Attribution(
        f"docker-{ID}.scope", f"ecstasks-{STATIC}.slice", SHORT, "docker", STATIC
    ),
}


@pytest.mark.parametrize("path", PATHS)
def test_each_kind_of_path(path: str) -> None:
    assert attribute(path) == PATHS[path]


def test_the_name_a_person_uses() -> None:
    assert attribute(f"/system.slice/docker-{ID}.scope").name == SHORT
    assert attribute("/system.slice/ssh.service").name == "ssh.service"
    assert attribute("/system.slice").name == "system.slice"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"0::/system.slice/ssh.service\n", "/system.slice/ssh.service"),
        (b"0::/\n", "/"),
        (b"1:name=systemd:/system.slice/a.service\n0::/system.slice/b.service\n", "/system.slice/b.service"),
        (b"5:cpu:/x\n1:name=systemd:/system.slice/a.service\n0::/\n", "/system.slice/a.service"),
        (b"9:name=systemd:/\n4:memory:/docker/1\n2:cpuacct:/\n0::/\n", "/docker/1"),
        (b"4:rdma:/only/here\n3:cpu,cpuacct:/\n", "/only/here"),
        (b"0::/a:b/c:d\n", "/a:b/c:d"),
        (b"0::/system.slice/gone.service (deleted)\n", "/system.slice/gone.service (deleted)"),
        (b"0::/odd\xff\n", "/odd\\xff"),
    ],
)
def test_the_line_that_says_whose_process_it_is(raw: bytes, path: str) -> None:
    assert cgroup_path(raw) == path


@pytest.mark.parametrize("raw", [b"", b"::", b"0::no/path"])
def test_no_line_at_all(raw: bytes) -> None:
    with pytest.raises(ParseError):
        cgroup_path(raw)


@given(st.text(alphabet="abcdef0123456789-_./:\\x" + "podscopeslicemachine", max_size=200))
def test_any_path_is_attributed(path: str) -> None:
    found = attribute(path)
    assert not found.unit or found.unit in path


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_raise_parse_error(raw: bytes) -> None:
    try:
        assert cgroup_path(raw)
    except ParseError:
        pass


@pytest.mark.parametrize(
    ("wanted", "name", "kept"),
    [
        ("nginx", "nginx.service", True),
        ("nginx", None, False),
        ("nginx", "", False),
        ("nginx*", "nginx.service", True),
        ("nginx?", "nginx.service", False),
        ("*.scope", "session-2.scope", True),
        ("[", "a[b", False),
    ],
)
def test_names_are_chosen_alike_by_every_listing(wanted: str, name: str | None, kept: bool) -> None:
    assert matches(wanted, name) is kept
    assert Narrow(unit=wanted).keeps(7, "x", name) is kept
    assert Narrow(process=wanted).keeps(7, name, None) is kept
