# sample: 3
# subject: /system.slice/spin.service
# beside: others
# severity: warning
inject() {
    systemd-run --quiet --unit=spin -p CPUQuota=10% sh -c 'while :; do :; done'
    await 'grep -q "^nr_throttled [1-9]" /sys/fs/cgroup/system.slice/spin.service/cpu.stat'
}
heal() { systemctl stop spin.service; }
