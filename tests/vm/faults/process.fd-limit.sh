# Descriptors up to the limit of the unit.
# sample: 0
# subject: leaky.service
# beside: others
# severity: critical
inject() {
    cat >/opt/leaky.py <<'APP'
import os, time
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError:
    os.close(3)
open("/run/leaky-ready", "w").close()
time.sleep(3600)
APP
    systemd-run --unit=leaky.service -p LimitNOFILE=128 python3 /opt/leaky.py
    until [ -e /run/leaky-ready ]; do sleep 0.2; done
}
heal() {
    systemctl stop leaky.service
    rm -f /run/leaky-ready
}
