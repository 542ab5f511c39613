# The listener spins in a unit with too small a quota: the overflow is the quota's fault.
# sample: 3
# subject: 127.0.0.1:8080
inject() {
    ip link set lo up
    systemd-run --quiet --unit=app python3 /opt/payload/listener.py spin
    await 'ss -Hltn "sport = :8080" | grep -q .'
    systemctl set-property --runtime app.service CPUQuota=5%
    systemd-run --quiet --unit=clients python3 /opt/payload/listener.py clients
    await 'ss -Hltn "sport = :8080" | awk "{exit !(\$2 > \$3)}"'
}
heal() { systemctl stop app.service clients.service; }
