# Many writers wait for a frozen filesystem: load without work. What was
# done before may have kept the CPUs busy, which is another cause of load.
# sample: 0
# subject: host
# severity: info
# options: --set cpu.load.avg60=90
# afterwards: --set cpu.load.load1=50 --set cpu.load.load5=50 --set cpu.load.load15=50
inject() {
    truncate -s 8M /run/frozen.img
    mkfs.ext4 -q /run/frozen.img || exit
    mkdir -p /mnt/frozen
    mount -o loop /run/frozen.img /mnt/frozen || exit
    fsfreeze --freeze /mnt/frozen
    for writer in $(seq 200); do (exec >/mnt/frozen/$writer) & done
    await 'awk "{exit !(\$1 > 17)}" /proc/loadavg'
}
heal() {
    fsfreeze --unfreeze /mnt/frozen
    wait
    umount /mnt/frozen
    rm /run/frozen.img
}
