# A service that spins under SCHED_FIFO.
# sample: 3
# subject: spinner.service
inject() {
    systemd-run --unit=spinner.service -p CPUSchedulingPolicy=fifo -p CPUSchedulingPriority=10 \
        sh -c 'while :; do :; done'
}
heal() {
    systemctl stop spinner.service
}
