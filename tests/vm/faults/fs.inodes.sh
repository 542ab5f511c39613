# sample: 0
# subject: /mnt/small
# beside: others
# severity: critical
inject() {
    mkdir -p /mnt/small
    mount -t tmpfs -o size=1m,nr_inodes=30 small /mnt/small
    ! touch $(seq -f /mnt/small/%g 40)
}
heal() { umount /mnt/small; }
