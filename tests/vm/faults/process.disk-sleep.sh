# A write to a filesystem that somebody froze and forgot.
# sample: 1
# subject: frozen.service
# beside: others
inject() {
    truncate -s 32M /run/frozen.img
    mkfs.ext4 -q /run/frozen.img
    mkdir -p /run/frozen
    mount -o loop /run/frozen.img /run/frozen
    fsfreeze -f /run/frozen
    systemd-run --unit=frozen.service dd if=/dev/zero of=/run/frozen/file bs=4k count=1
    until grep -q 'State:.*D' "/proc/$(systemctl show -p MainPID --value frozen.service)/status"; do sleep 0.2; done
}
heal() {
    fsfreeze -u /run/frozen
    systemctl stop frozen.service 2>/dev/null || :
    umount /run/frozen
    rm -f /run/frozen.img
}
