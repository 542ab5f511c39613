# sample: 1
# subject: /system.slice/full.service
# beside: others
inject() {
    systemd-run --quiet --unit=full -p MemoryMax=64M -p MemorySwapMax=0 python3 -c '
import time
group = "/sys/fs/cgroup/system.slice/full.service/memory.current"
kept = []
while int(open(group).read()) < 0.94 * (64 << 20):
    kept.append(bytearray(1 << 19))
while True:
    time.sleep(60)'
    await '[ "$(cat /sys/fs/cgroup/system.slice/full.service/memory.current)" -gt 62000000 ]'
}
heal() {
    systemctl stop full.service
}
