# sample: 2
# subject: all
inject() {
    for spinner in $(seq 8); do
        systemd-run --quiet --unit=spinner$spinner --slice=spinners.slice sh -c 'while :; do :; done'
    done
    await 'pressure cpu some 30'
}
heal() { systemctl stop spinners.slice; }
