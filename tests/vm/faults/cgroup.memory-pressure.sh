# sample: 1
# subject: /system.slice/squeezed.service
# beside: others
inject() {
    systemd-run --quiet --unit=squeezed -p MemoryHigh=12M -p MemorySwapMax=0 python3 -c '
kept = []
while True:
    kept.append(bytearray(256 << 10))'
    group=/sys/fs/cgroup/system.slice/squeezed.service
    await 'grep -q "^full avg10=[2-9][0-9]" $group/memory.pressure'
}
heal() {
    systemctl kill -s KILL squeezed.service
    await '! systemctl is-active --quiet squeezed.service'
    systemctl reset-failed squeezed.service
}
