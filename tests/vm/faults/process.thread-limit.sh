# A service whose user may have 40 threads, and has 37.
# sample: 0
# subject: forker.service
# beside: others
inject() {
    systemd-run --unit=forker.service -p User=games -p LimitNPROC=40 \
        sh -c 'n=0; while [ $n -lt 36 ]; do sleep 3600 & n=$((n + 1)); done; wait'
    until [ "$(pgrep -u games -c)" -ge 37 ]; do sleep 0.2; done
}
heal() {
    systemctl stop forker.service
}
