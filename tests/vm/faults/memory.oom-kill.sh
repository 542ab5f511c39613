# A service below a slice whose limit is hit: the slice's, not its own.
# subject: host
# sample: 0
inject() {
    systemctl set-property --runtime tight.slice MemoryMax=40M MemorySwapMax=0
    systemd-run --slice=tight.slice --unit=hog.service python3 -c 'bytearray(200 << 20)'
    until journalctl -k | grep -q 'oom_memcg=/tight.slice,task_memcg=/tight.slice/hog.service'; do sleep 0.2; done
}
heal() {
    systemctl reset-failed hog.service || :
    systemctl revert tight.slice
}
