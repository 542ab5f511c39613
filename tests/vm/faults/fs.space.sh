# sample: 0
# subject: /mnt/full
# beside: others
# severity: critical
inject() {
    mkdir -p /mnt/full
    mount -t tmpfs -o size=1m full /mnt/full
    ! head -c 2m /dev/zero >/mnt/full/file
}
heal() { umount /mnt/full; }
