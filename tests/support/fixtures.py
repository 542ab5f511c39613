"""How the recordings in tests/recordings were made: `python tests/support/fixtures.py`.

Each is a booted Debian of its own, so no name of any real host or person is in them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vm import Script, run

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"

SETTLE = """
. /opt/payload/prelude.sh
sretool version >/dev/null
await calm
"""
HEALTHY = SETTLE + "sretool snapshot save recording.tar.gz\n"

# A service with a quota of 5 % of a CPU that spins instead of accepting, its accept queue full, and
# clients that keep coming: the overflow is the quota's fault, not the backlog's.
STARVED = (
    SETTLE
    + """
ip link set lo up
systemd-run --quiet --unit=app python3 /opt/payload/listener.py spin
await 'ss -Hltn "sport = :8080" | grep -q .'
systemctl set-property --runtime app.service CPUQuota=5%
systemd-run --quiet --unit=clients python3 /opt/payload/listener.py clients
await 'ss -Hltn "sport = :8080" | awk "{exit !(\\$2 > \\$3)}"'
sretool snapshot save --sample 3 recording.tar.gz
"""
)

# What happens to a service that leaks: its slice's limit kills its children, its forks fail, it holds a
# log that is deleted; and another starts over and over.
FAULTY = (
    SETTLE
    + """
cat >/opt/leak.sh <<'END'
exec 7>/var/tmp/app.log
dd if=/dev/zero bs=1M count=30 status=none >&7
rm /var/tmp/app.log
while :; do
    python3 -c 'kept = bytearray(200 << 20)'
    sleep 1
done
END
systemctl set-property --runtime shop.slice MemoryMax=60M MemorySwapMax=0
systemd-run --quiet --unit=cart --slice=shop.slice -p OOMPolicy=continue sh /opt/leak.sh
await 'grep -q "^oom_kill [2-9]" /sys/fs/cgroup/shop.slice/memory.events'
systemd-run --quiet --unit=forks -p TasksMax=6 python3 -c '
import subprocess, time
kept = []
while True:
    try:
        kept.append(subprocess.Popen(["sleep", "600"]))
    except BlockingIOError:
        time.sleep(0.2)'
await 'grep -q "^max [1-9]" /sys/fs/cgroup/system.slice/forks.service/pids.events'
cat >/run/systemd/system/crash.service <<UNIT
[Unit]
Description=A service that ends as soon as it starts
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/false
Restart=always
RestartSec=500ms
UNIT
systemctl daemon-reload
systemctl start crash.service
await '[ "$(systemctl show -p NRestarts --value crash.service)" -ge 6 ]'
sretool snapshot save --sample 3 recording.tar.gz
"""
)

# One container each of podman (with a compose project's labels, and in a pod) and of docker.
ENGINES = (
    SETTLE
    + """
mkdir -p /opt/box/bin
cp /bin/busybox /opt/box/bin
ln -s busybox /opt/box/bin/sleep
tar cf /opt/box.tar -C /opt/box .
podman import /opt/box.tar localhost/box:1
podman run -d --name web --network none --label com.docker.compose.project=shop localhost/box:1 sleep 9001
podman pod create --name data --infra=false
podman run -d --name db --pod data --network none localhost/box:1 sleep 9002
await 'systemctl is-active --quiet docker.service'
docker import /opt/box.tar box:1
docker run -d --name cache --network none --memory 32m --pids-limit 20 box:1 sleep 9003
await '[ "$(pgrep -cx sleep)" -ge 3 ]'
await calm
sretool snapshot save recording.tar.gz
"""
)

SCRIPTS = {
    script.name: script
    for script in (
        Script("trixie-healthy", HEALTHY),
        Script("trixie-starved-listener", STARVED),
        Script("trixie-faulty", FAULTY),
        Script("trixie-engines", ENGINES, kind="engines"),
        Script("bookworm-healthy", HEALTHY, "bookworm"),
    )
}


def main(names: list[str]) -> None:
    """Make the named recordings, or all: a boot each."""
    RECORDINGS.mkdir(exist_ok=True)
    for name in names or SCRIPTS:
        outcome = run([SCRIPTS[name]])[name]
        print(name, outcome.code, outcome.out, outcome.err)
        (RECORDINGS / f"{name}.tar.gz").write_bytes(outcome.files["recording.tar.gz"])


if __name__ == "__main__":
    main(sys.argv[1:])
