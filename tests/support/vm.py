"""A booted Debian: systemd, cgroup v2, all controllers, its own kernel.

An image is built once (debootstrap, then mke2fs) and cached by what it is made of. A run boots it
without acceleration, hands it a tar of files on one disk, takes a tar of results from another, and
ends when the guest powers off: about half a minute.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sretool-vm"
PYTHON_OF = {"trixie": "3.13", "bookworm": "3.11"}
PACKAGES = "systemd-sysv,udev,dbus,linux-image-cloud-amd64,python3,procps,iproute2"
NEEDED = ("debootstrap", "qemu-system-x86_64", "mke2fs")
RESULT_BYTES = 128 * 1024 * 1024
BOOT_TIMEOUT_S = 240

UNIT = """\
[Unit]
Description=run what the test handed over
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh /opt/run
StandardOutput=null
StandardError=null
[Install]
WantedBy=multi-user.target
"""

# The payload comes as a tar on the second disk; results go as a tar to the third.
RUN = """\
mkdir -p /opt/payload /run/results
tar xf /dev/vdb -C /opt/payload
cd /opt/payload
PATH=/opt/payload/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=/opt/payload:/opt/libraries \\
    LC_ALL=C.UTF-8 sh ./scenario >/run/results/stdout 2>/run/results/stderr
echo $? >/run/results/code
tar cf /dev/vdc -C /run/results .
sync
systemctl poweroff --force
"""
LAUNCHER = '#!/bin/sh\nexec python3 -m sretool "$@"\n'


@dataclass
class Outcome:
    """What a scenario left: exit code, both streams, and the files it wrote to /run/results."""

    code: int
    out: str
    err: str
    files: dict[str, bytes]


def missing() -> list[str]:
    """Programs this needs and does not find."""
    return [name for name in NEEDED if shutil.which(name) is None]


def image(release: str) -> Path:
    """A folder with disk.img, vmlinuz and initrd.img of a Debian `release`; built when it is not
    there yet (a minute and a half)."""
    libraries = [line for line in _requirements() if not line.startswith("#")]
    inputs = repr((release, PACKAGES, UNIT, RUN, libraries))
    folder = CACHE / f"{release}-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"
    if (folder / "disk.img").exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="build-") as build:
        root = Path(build) / "root"
        _run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, str(root))
        _run(
            sys.executable, "-m", "pip", "install", "--quiet", "--target", str(root / "opt/libraries"),
            "--only-binary=:all:", "--implementation=cp",
            f"--python-version={PYTHON_OF[release]}", *libraries,
        )  # fmt: skip
        _run("chroot", str(root), "python3", "-m", "compileall", "-q", "/opt/libraries")
        (root / "etc/systemd/system/vmtest.service").write_text(UNIT)
        (root / "opt/run").write_text(RUN)
        (root / "etc/hostname").write_text("vm-test\n")
        wants = root / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (wants / "vmtest.service").symlink_to("/etc/systemd/system/vmtest.service")
        made = Path(build) / "made"
        made.mkdir()
        for kind, name in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd.img")):
            shutil.copy(next((root / "boot").glob(kind)), made / name)
        _run("mke2fs", "-q", "-t", "ext4", "-d", str(root), str(made / "disk.img"), "2G")
        made.rename(folder)
    return folder


def _requirements() -> list[str]:
    """sretool's own dependencies, as pyproject.toml has them."""
    text = (ROOT / "pyproject.toml").read_text()
    block = text.partition("\ndependencies = [")[2].partition("]\n\n")[0]
    return [line.strip().strip(',"') for line in block.splitlines() if line.strip().startswith('"')]


def boot(release: str, scenario: str, files: dict[str, bytes] | None = None, memory: str = "1G") -> Outcome:
    """Boot `release`, run the shell `scenario` in it with `sretool` on the PATH, and power off.

    Raises:
        AssertionError: the guest did not finish; its console's end is in the message.
    """
    folder = image(release)
    with tempfile.TemporaryDirectory(prefix="sretool-vm-") as scratch:
        payload, results = Path(scratch) / "payload.tar", Path(scratch) / "results.tar"
        _pack(payload, scenario, files or {})
        with results.open("wb") as file:
            file.truncate(RESULT_BYTES)
        console = Path(scratch) / "console"
        argv = [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", memory,
            "-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd.img"),
            "-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no panic=-1",
            "-drive", f"file={folder / 'disk.img'},format=raw,if=virtio,snapshot=on",
            "-drive", f"file={payload},format=raw,if=virtio,readonly=on",
            "-drive", f"file={results},format=raw,if=virtio",
            "-nic", "none", "-display", "none", "-monitor", "none", "-no-reboot",
            "-serial", f"file:{console}",
        ]  # fmt: skip
        try:
            subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=BOOT_TIMEOUT_S, check=True)
            return _unpack(results)
        except (subprocess.SubprocessError, tarfile.TarError, KeyError) as error:
            tail = console.read_text(errors="replace")[-3000:] if console.exists() else ""
            raise AssertionError(f"the guest did not finish: {error!r}\n{tail}") from error


def _pack(path: Path, scenario: str, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:

        def add(name: str, data: bytes, mode: int = 0o644) -> None:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            tar.addfile(info, BytesIO(data))

        add("scenario", scenario.encode())
        add("bin/sretool", LAUNCHER.encode(), 0o755)
        for name, data in files.items():
            add(name, data)
        tar.add(ROOT / "sretool", "sretool", filter=lambda info: None if "__pycache__" in info.name else info)
    with path.open("ab") as file:  # a disk is a whole number of sectors
        file.truncate((path.stat().st_size + 1023) // 512 * 512)


def _unpack(path: Path) -> Outcome:
    found: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for info in tar:
            file = tar.extractfile(info) if info.isreg() else None
            if file is not None:
                found[info.name.removeprefix("./")] = file.read()
    out, err = found.pop("stdout").decode(), found.pop("stderr").decode()
    return Outcome(int(found.pop("code")), out, err, found)


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    assert done.returncode == 0, f"{argv[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
