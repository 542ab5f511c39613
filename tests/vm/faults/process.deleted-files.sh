# A log that was removed below the service that writes it; a filesystem of its own, so that it need not be large.
# subject: logger.service
# beside: others
# sample: 0
inject() {
    mkdir -p /run/logs
    mount -t tmpfs -o size=64m none /run/logs
    cat >/opt/logger.py <<'APP'
import os, time
held = [open(f"/run/logs/{number}", "wb") for number in range(120)]
for number, file in enumerate(held):
    file.write(b"x" * 4096)
    file.flush()
    os.unlink(f"/run/logs/{number}")
open("/run/logger-ready", "w").close()
time.sleep(3600)
APP
    systemd-run --unit=logger.service python3 /opt/logger.py
    until [ -e /run/logger-ready ]; do sleep 0.2; done
}
heal() {
    systemctl stop logger.service
    umount /run/logs
    rm -f /run/logger-ready
}
