# sample: 1
# subject: /system.slice/still.service
# beside: others
inject() {
    systemd-run --quiet --unit=still sleep 600
    systemctl freeze still.service
}
heal() {
    systemctl thaw still.service
    systemctl stop still.service
}
