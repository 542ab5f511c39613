# sample: 5
# subject: /system.slice/slow.service
inject() {
    systemd-run --quiet --unit=slow -p 'IOReadBandwidthMax=/dev/vda 1M' \
        sh -c 'while :; do dd if=/dev/vda of=/dev/null bs=256k count=400 iflag=direct 2>/dev/null; done'
    await 'grep -q "^some avg10=[2-9][0-9]" /sys/fs/cgroup/system.slice/slow.service/io.pressure'
}
heal() {
    systemctl kill -s KILL slow.service
    await '! systemctl is-active --quiet slow.service'
    systemctl reset-failed slow.service
}
