# The kernel meets an error in an ext4 that is mounted errors=remount-ro.
# sample: 0
# subject: /mnt/broken
# beside: others
# severity: critical
inject() {
    truncate -s 8M /run/broken.img
    mkfs.ext4 -q /run/broken.img || exit
    mkdir -p /mnt/broken
    mount -o loop,errors=remount-ro /run/broken.img /mnt/broken
    device=$(findmnt -no SOURCE /mnt/broken)
    echo made by a test >/sys/fs/ext4/${device#/dev/}/trigger_fs_error
    await '! touch /mnt/broken/file'
}
heal() {
    umount /mnt/broken
    rm /run/broken.img
}
