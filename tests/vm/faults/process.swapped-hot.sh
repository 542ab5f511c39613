# A service that works all over more memory than its cgroup lets it keep, with swap below.
# sample: 5
# subject: thrash.service
inject() {
    fallocate -l 256M /swap
    chmod 600 /swap
    mkswap -q /swap
    swapon /swap
    systemd-run --quiet --unit=thrash -p MemoryMax=48M python3 -c '
import random
room = bytearray(160 << 20)
while True:
    room[random.randrange(len(room))] ^= 1'
    # it has been through all of it once, and reads back since
    await 'grep -q "^pswpin [1-9][0-9][0-9][0-9]" /proc/vmstat'
    await 'grep -q "VmSwap:\s*[1-9][0-9]\{4,\} kB" /proc/$(systemctl show -p MainPID --value thrash)/status'
}
heal() {
    systemctl stop thrash.service
    swapoff /swap
    rm /swap
}
