# A tmpfs grows until little is left.
# sample: 0
# subject: host
# severity: critical
inject() {
    mkdir -p /mnt/eater
    mount -t tmpfs -o size=2g eater /mnt/eater
    free=$(awk '/^MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)
    head -c $((free - 85))M /dev/zero >/mnt/eater/file
}
heal() { umount /mnt/eater; }
