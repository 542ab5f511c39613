# sample: 3
# subject: 127.0.0.1:8080
inject() {
    ip link set lo up
    systemd-run --quiet --unit=idle python3 /opt/payload/listener.py
    await 'ss -Hltn "sport = :8080" | grep -q .'
    systemd-run --quiet --unit=clients python3 /opt/payload/listener.py clients
    await 'ss -Hltn "sport = :8080" | awk "{exit !(\$2 > \$3)}"'
}
heal() { systemctl stop idle.service clients.service; }
