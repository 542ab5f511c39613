# A group that works on more memory than it may have, beside a swap file.
# also: memory.swapping
# sample: 2
# subject: host
inject() {
    fallocate -l 256M /swap
    chmod 600 /swap
    mkswap -q /swap
    swapon /swap
    systemd-run --quiet --unit=thrash -p MemoryMax=40M python3 -c '
room = bytearray(80 << 20)
while True:
    for place in range(0, len(room), 4096):
        room[place] ^= 1'
    await 'grep -q "^pswpin [1-9][0-9][0-9][0-9]" /proc/vmstat'
    await "pressure memory some 12"
}
heal() {
    systemctl stop thrash.service
    swapoff /swap
    rm /swap
}
