# sample: 5
# subject: /leak.slice
# severity: critical
# afterwards: --set memory.oom-kill.minutes=0.01
inject() {
    # the limit is the slice's, the victims are children of the service, which lives on
    systemctl set-property --runtime leak.slice MemoryMax=40M MemorySwapMax=0
    systemd-run --quiet --unit=leak --slice=leak.slice -p OOMPolicy=continue \
        sh -c 'while :; do python3 -c "x = bytearray(200 << 20)"; done'
    await 'grep -q "^oom_kill [1-9]" /sys/fs/cgroup/leak.slice/memory.events'
}
heal() {
    systemctl stop leak.service leak.slice
    systemctl revert leak.slice
}
