# A disk that does 25 requests a second (qemu holds it to that), asked for many more.
# also: disk.latency
# sample: 3
# subject: vdd
# severity: warning
inject() {
    for reader in $(seq 20); do
        systemd-run --quiet --unit=reader$reader --slice=readers.slice \
            dd if=/dev/vdd of=/dev/null bs=4k iflag=direct skip=$((reader * 500))
    done
    await 'awk "\$3 == \"vdd\" && \$12 > 15 {f = 1} END {exit !f}" /proc/diskstats'
}
heal() {
    systemctl stop readers.slice
    await 'awk "\$3 == \"vdd\" && \$12 == 0 {f = 1} END {exit !f}" /proc/diskstats'
}
