# sample: 3
# subject: /system.slice/high.service
# beside: others
inject() {
    # above memory.high each megabyte more is paid for by a sleep in the kernel
    systemd-run --quiet --unit=high -p MemoryHigh=24M -p MemorySwapMax=0 python3 -c '
kept = []
while True:
    kept.append(bytearray(1 << 20))'
    group=/sys/fs/cgroup/system.slice/high.service
    await 'grep -q "^high [1-9]" $group/memory.events'
    await 'grep -q "^some avg10=[1-9][0-9]" $group/memory.pressure'
}
heal() {
    systemctl kill -s KILL high.service
    await '! systemctl is-active --quiet high.service'
    systemctl reset-failed high.service
}
