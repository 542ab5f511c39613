# sample: 0
# subject: host
# severity: warning
inject() {
    sysctl -n fs.file-max >/run/file-max
    sysctl -qw fs.file-max=$(awk '{print int($1 * 1.25)}' /proc/sys/fs/file-nr)
}
heal() { sysctl -qw fs.file-max="$(cat /run/file-max)"; }
