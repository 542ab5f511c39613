"""A booted Debian: systemd, cgroup v2, all controllers, its own kernel.

An image is built once (debootstrap, then mke2fs), booted without acceleration until it is at rest, saved
in that state, and cached by what it is made of. A run goes on from there: it hands the guest shell
scripts on one disk, takes a tar of what they left from another, and ends when the guest powers off.
Its clock goes on too: to the guest no time has passed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sretool-vm"
PYTHON_OF = {"trixie": "3.13", "bookworm": "3.11"}
BASE = "systemd-sysv,udev,dbus,linux-image-cloud-amd64,python3,procps,iproute2,e2fsprogs"
ENGINES = (
    "podman,crun,netavark,uidmap,dbus-user-session,slirp4netns,fuse-overlayfs,busybox-static,docker.io,"
    "docker-cli,iptables,ca-certificates,libpam-systemd,kmod"
)
# Kinds of image: what is installed, size of its disk. `engines` has container engines; busybox is what
# their containers are made of, since nothing can be pulled.
KINDS = {
    "plain": (BASE, "2G"),
    "engines": (f"{BASE},{ENGINES}", "4G"),
}
MEMORY = {"plain": "1G", "engines": "2G"}
NEEDED = ("debootstrap", "qemu-system-x86_64", "mke2fs")
GUEST = Path(__file__).resolve().parent / "guest"
PAYLOAD_BYTES = 16 * 1024 * 1024
RESULT_BYTES = 128 * 1024 * 1024
SCRATCH_BYTES = 64 * 1024 * 1024
# Both are for a machine that does much else: they end a guest that hangs, and judge nothing.
BOOT_TIMEOUT_S = 600
SCRIPT_TIMEOUT_S = 300

UNIT = """\
[Unit]
Description=run what the test handed over
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh /opt/run
StandardOutput=null
StandardError=null
TasksMax=infinity
[Install]
WantedBy=multi-user.target
"""
# Work of a first boot, which every boot of this disk is, that no test looks at.
MASKED = ("ldconfig.service", "systemd-journal-catalog-update.service", "systemd-hwdb-update.service",
          "e2scrub_reap.service", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount")  # fmt: skip
# All of it that belongs to the image; the rest of the way is in the payload, so that an edit of
# that needs no new image. The work of the boot is over when little waits; there is no payload yet when
# the image is made.
START = """\
until awk -F '[= ]' '$1 == "some" {exit !($3 < 2)}' /proc/pressure/cpu; do sleep 0.5; done
echo at rest >/dev/console
until dd if=/dev/vdb iflag=direct count=1 2>/dev/null | grep -aq ^run; do sleep 0.2; done
mkdir -p /opt/payload && dd if=/dev/vdb iflag=direct bs=1M 2>/dev/null | tar x -C /opt/payload
exec sh /opt/payload/run
"""

# Each script runs in a folder of its own, also called /run/results, and what it leaves there comes
# back. /dev/vdd is slow.
RUN = f"""\
export PATH=/opt/payload/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
export PYTHONPATH=/opt/payload:/opt/libraries
for script in /opt/payload/scripts/*; do
    folder=/run/outcomes/${{script##*/}}
    mkdir -p "$folder" && ln -sfn "$folder" /run/results && cd "$folder"
    timeout -k 5 {SCRIPT_TIMEOUT_S} sh "$script" >stdout 2>stderr </dev/null
    echo $? >code
    cut -d' ' -f1 /proc/uptime >ended
    echo "${{script##*/}} ended with $(cat code) at $(cat ended) s" >/dev/console
done
cd / && tar cf /dev/vdc -C /run/outcomes .
sync
# not a word to the services: nobody reads this disk again, and containers would be waited for
systemctl poweroff --force --force
"""
# as pip writes it
LAUNCHER = "#!/usr/bin/python3\nimport sys\nfrom sretool.__main__ import main\nsys.exit(main())\n"


@dataclass(frozen=True)
class Script:
    """Shell commands to run in a guest of `release`, with `sretool` on the PATH, in an empty folder
    whose files are the results. It leaves the guest as it found it: others run after it.
    """

    name: str
    text: str
    release: str = "trixie"
    kind: str = "plain"
    first: bool = False
    """It judges the guest as it booted: before all that are not."""


@dataclass
class Outcome:
    """What a script left: exit code, both streams, and the files of its folder."""

    code: int
    out: str
    err: str
    files: dict[str, bytes]
    ended_s: float
    """When, since boot."""


def missing() -> list[str]:
    """What this needs and does not find."""
    return [name for name in NEEDED if shutil.which(name) is None] + (["root"] if os.geteuid() else [])


def image(release: str, kind: str = "plain") -> Path:
    """A folder with the disk of a Debian `release`, its kernel, and the state it was saved in; made when
    it is not there yet (two minutes).
    """
    libraries = _requirements()
    packages, size = KINDS[kind]
    version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, check=True).stdout
    machine = (version, _machine(Path(), Path(), kind, keep=True))
    inputs = repr((release, packages, size, UNIT, START, MASKED, libraries, machine))
    folder = CACHE / f"{release}-{kind}-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="build-") as build:
        root = Path(build) / "root"
        _run("debootstrap", "--variant=minbase", f"--include={packages}", release, str(root))
        _run(
            sys.executable, "-m", "pip", "install", "--quiet", "--target", str(root / "opt/libraries"),
            "--only-binary=:all:", "--implementation=cp",
            f"--python-version={PYTHON_OF[release]}", *libraries,
        )  # fmt: skip
        _run("chroot", str(root), "python3", "-m", "compileall", "-q", "/opt/libraries")
        (root / "etc/systemd/system/vmtest.service").write_text(UNIT)
        (root / "opt/run").write_text(START)
        (root / "etc/hostname").write_text("vm-test\n")
        wants = root / "etc/systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (wants / "vmtest.service").symlink_to("/etc/systemd/system/vmtest.service")
        for unit in MASKED:
            (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
        made = Path(build) / "made"
        made.mkdir()
        for pattern, name in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd.img")):
            shutil.copy(next((root / "boot").glob(pattern)), made / name)
        _run("mke2fs", "-q", "-t", "ext4", "-d", str(root), str(made / "disk.img"), size)
        _twice(lambda: _boot(made, Path(build), kind))
        made.rename(folder)
    return folder


def _machine(folder: Path, scratch: Path, kind: str, *, keep: bool) -> list[str]:
    """The guest's hardware: the same when it is saved and when it goes on. `keep` what it writes."""
    disk = f"file={folder / 'disk.img'},format=raw,if=virtio,snapshot={'off' if keep else 'on'}"
    return [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max",
        "-smp", "2", "-m", MEMORY[kind],
        "-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd.img"),
        "-append", "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no panic=-1",
        "-drive", disk,
        "-drive", f"file={scratch / 'payload'},format=raw,if=virtio,readonly=on",
        "-drive", f"file={scratch / 'results'},format=raw,if=virtio",
        "-drive", f"file={scratch / 'slow'},format=raw,if=virtio,throttling.iops-total=25",
        "-nic", "none", "-display", "none", "-no-reboot",
        # or a guest that was stopped when it was saved stays so when it goes on
        "-global", "migration.store-global-state=off",
        "-serial", f"file:{scratch / 'console'}",
    ]  # fmt: skip


def _disks(scratch: Path) -> None:
    for name, size in (("payload", PAYLOAD_BYTES), ("results", RESULT_BYTES), ("slow", SCRATCH_BYTES)):
        with (scratch / name).open("ab") as file:
            file.truncate(size)


def _twice(work: Callable[[], T]) -> T:
    """Once more when the guest's kernel panicked. An emulator without acceleration does that to it
    now and then, each time elsewhere, and it says nothing about sretool.
    """
    try:
        return work()
    except AssertionError as error:
        if "Kernel panic" not in str(error):
            raise
        print(f"a guest's kernel panicked, once more: {error}", file=sys.stderr)
        return work()


def _boot(folder: Path, scratch: Path, kind: str) -> None:
    """Boot the disk until it is at rest, and save the guest in folder/state."""
    _disks(scratch)
    console = scratch / "console"
    console.unlink(missing_ok=True)
    argv = [*_machine(folder, scratch, kind, keep=True), "-monitor", "stdio"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as qemu:
        end = time.monotonic() + BOOT_TIMEOUT_S
        while not (console.exists() and b"at rest" in console.read_bytes()):
            if time.monotonic() > end or qemu.poll() is not None:
                qemu.kill()
                raise AssertionError(f"the guest did not boot:\n{_tail(console)}")
            time.sleep(0.2)
        # stopped first: a guest that runs while it is saved may be saved with torn pages
        commands = f'stop\nmigrate "exec:cat >{folder / "state"}"\nquit\n'
        qemu.communicate(commands.encode(), BOOT_TIMEOUT_S)
    state = folder / "state"  # about 200 MB
    assert qemu.returncode == 0, f"the guest was not saved: {qemu.returncode}"
    assert state.exists(), "the guest was not saved"
    assert state.stat().st_size > 50 * 1024 * 1024, "the guest was not saved whole"


def _tail(console: Path) -> str:
    return console.read_text(errors="replace")[-3000:] if console.exists() else ""


def _requirements() -> list[str]:
    """sretool's own dependencies, as pyproject.toml has them."""
    text = (ROOT / "pyproject.toml").read_text()
    block = text.partition("\ndependencies = [")[2].partition("]\n\n")[0]
    return [line.strip().strip(',"') for line in block.splitlines() if line.strip().startswith('"')]


def run(scripts: Sequence[Script]) -> dict[str, Outcome]:
    """Boot the image that all `scripts` are for, run them one after the other, and power off: what
    each left, by its name.

    Raises:
        AssertionError: the guest did not finish; its console's end is in the message.
    """
    with _alone():
        folder = image(scripts[0].release, scripts[0].kind)
        return _twice(lambda: _go_on(folder, scripts))


def _go_on(folder: Path, scripts: Sequence[Script]) -> dict[str, Outcome]:
    kind = scripts[0].kind
    with tempfile.TemporaryDirectory(prefix="sretool-vm-") as scratch:
        room = Path(scratch)
        _pack(room / "payload", scripts, _compiled(room, scripts[0].release))
        _disks(room)
        argv = [*_machine(folder, room, kind, keep=False), "-monitor", "none"]
        argv += ["-incoming", f"exec:cat {folder / 'state'}"]
        try:
            limit = BOOT_TIMEOUT_S + SCRIPT_TIMEOUT_S * len(scripts)
            subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=limit, check=True)
            left = _unpack(room / "results")
            return {script.name: _outcome(left, f"{place:03}") for place, script in enumerate(scripts)}
        except (subprocess.SubprocessError, tarfile.TarError, KeyError) as error:
            tail = _tail(room / "console")
            raise AssertionError(f"the guest did not finish: {error!r}\n{tail}") from error


@contextmanager
def _alone() -> Iterator[None]:
    """One guest or image build at a time on this machine, whoever asks."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compiled(scratch: Path, release: str) -> Path:
    """A copy of sretool with its .pyc, when there is an interpreter as the guest has: there it is slow."""
    copy = shutil.copytree(
        ROOT / "sretool", scratch / "sretool", ignore=shutil.ignore_patterns("__pycache__")
    )
    version = PYTHON_OF[release]
    ours = ".".join(map(str, sys.version_info[:2]))
    python = sys.executable if version == ours else f"python{version}"
    with suppress(OSError):
        subprocess.run(
            [python, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", str(copy)],
            stderr=subprocess.DEVNULL,
            check=False,
        )
    return copy


def _pack(path: Path, scripts: Sequence[Script], sretool: Path) -> None:
    with tarfile.open(path, "w") as tar:

        def add(name: str, data: bytes, mode: int = 0o644) -> None:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            tar.addfile(info, BytesIO(data))

        add("run", RUN.encode())
        for place, script in enumerate(scripts):
            add(f"scripts/{place:03}", script.text.encode())
        add("bin/sretool", LAUNCHER.encode(), 0o755)
        tar.add(GUEST, ".")
        tar.add(sretool, "sretool")
    assert path.stat().st_size <= PAYLOAD_BYTES


def _unpack(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(path) as tar:
        for info in tar:
            file = tar.extractfile(info) if info.isreg() else None
            if file is not None:
                found[info.name.removeprefix("./")] = file.read()
    return found


def _outcome(left: Mapping[str, bytes], place: str) -> Outcome:
    own = {name.partition("/")[2]: data for name, data in left.items() if name.startswith(f"{place}/")}
    out, err = (own.pop(name).decode(errors="replace") for name in ("stdout", "stderr"))
    return Outcome(int(own.pop("code")), out, err, own, float(own.pop("ended")))


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    assert done.returncode == 0, f"{argv[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
