# A parent that never waits for its children.
# sample: 1
# subject: lazy.service
# beside: others
# severity: critical
inject() {
    cat >/opt/lazy.py <<'APP'
import os, time
for _ in range(25):
    if os.fork() == 0:
        os._exit(0)
open("/run/lazy-ready", "w").close()
time.sleep(3600)
APP
    systemd-run --unit=lazy.service python3 /opt/lazy.py
    until [ -e /run/lazy-ready ]; do sleep 0.2; done
}
heal() {
    systemctl stop lazy.service
    rm -f /run/lazy-ready
}
