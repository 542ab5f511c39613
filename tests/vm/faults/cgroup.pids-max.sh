# sample: 3
# subject: /system.slice/forks.service
# beside: others
# severity: critical
inject() {
    systemd-run --quiet --unit=forks -p TasksMax=8 python3 -c '
import subprocess, time
kept = []
while True:
    try:
        kept.append(subprocess.Popen(["sleep", "600"]))
    except BlockingIOError:
        time.sleep(0.1)'
    await 'grep -q "^max [1-9]" /sys/fs/cgroup/system.slice/forks.service/pids.events'
}
heal() {
    systemctl stop forks.service
}
