# A FUSE filesystem whose server never answers.
# sample: 0
# subject: /mnt/hung
# beside: others
# severity: critical
inject() {
    mkdir -p /mnt/hung
    exec 9<>/dev/fuse
    mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 nowhere /mnt/hung
}
heal() {
    umount -l /mnt/hung
    exec 9>&-
}
