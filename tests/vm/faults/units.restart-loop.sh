# sample: 1
# subject: crash.service
# beside: others
inject() {
    cat >/run/systemd/system/crash.service <<UNIT
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/false
Restart=always
RestartSec=200ms
UNIT
    systemctl daemon-reload
    systemctl start crash.service
    until [ "$(systemctl show -p NRestarts --value crash.service)" -ge 6 ]; do sleep 0.2; done
}
heal() {
    systemctl stop crash.service
    rm /run/systemd/system/crash.service
    systemctl daemon-reload
    # stopped between two starts it stays as failed, with its count
    systemctl reset-failed crash.service || :
}
