"""How the recordings in tests/recordings were made: `python tests/support/fixtures.py`.

Each is a booted Debian of its own, so no name of any real host or person is in them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vm import boot

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"

# The scenario starts when multi-user.target is reached; wait until the boot's own work is over too.
SETTLE = """
for i in $(seq 60); do awk -F'[= ]' '{exit !($3 < 2)}' /proc/pressure/cpu && break; sleep 1; done
"""

HEALTHY = SETTLE + "sretool snapshot save /run/results/recording.tar.gz\n"

# A service with a quota of 5 % of a CPU that spins instead of accepting, its accept queue full, and
# clients that keep coming: the overflow is the quota's fault, not the backlog's.
STARVED = (
    SETTLE
    + """
cat >/opt/app.py <<'APP'
import socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", 8080))
server.listen(4)
while True:
    pass
APP
cat >/opt/clients.py <<'CLIENTS'
import socket, time
held = []
while True:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", 8080))
    held = [client, *held][:400]
    time.sleep(0.02)
CLIENTS
systemd-run --unit=app.service -p CPUQuota=5% python3 /opt/app.py
for i in $(seq 60); do ss -Hltn 'sport = :8080' | grep -q . && break; sleep 1; done
systemd-run --unit=clients.service python3 /opt/clients.py
for i in $(seq 60); do
    grep -A1 ListenOverflows /proc/net/netstat | tail -1 | grep -q . && \\
    ss -Hltn 'sport = :8080' | awk '{exit !($2 > $3)}' && break; sleep 1
done
sretool snapshot save --sample 3 /run/results/recording.tar.gz
"""
)

SCENARIOS = {"trixie-healthy": HEALTHY, "trixie-starved-listener": STARVED}


def main(names: list[str]) -> None:
    RECORDINGS.mkdir(exist_ok=True)
    for name in names or SCENARIOS:
        outcome = boot(name.partition("-")[0], SCENARIOS[name])
        print(name, outcome.code, outcome.out, outcome.err)
        (RECORDINGS / f"{name}.tar.gz").write_bytes(outcome.files["recording.tar.gz"])


if __name__ == "__main__":
    main(sys.argv[1:])
