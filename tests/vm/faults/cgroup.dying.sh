# sample: 1
# subject: /
# beside: others
inject() {
    # a page of tmpfs stays charged to the group that wrote it, also when that is removed
    mkdir /sys/fs/cgroup/gone
    echo +memory >/sys/fs/cgroup/gone/cgroup.subtree_control
    python3 -c '
import os
base = "/sys/fs/cgroup/gone"
home = "/sys/fs/cgroup" + open("/proc/self/cgroup").read().rpartition(":")[2].strip()
for number in range(1100):
    group = f"{base}/{number}"
    os.mkdir(group)
    open(f"{group}/cgroup.procs", "w").write(str(os.getpid()))
    open(f"/dev/shm/held-{number}", "w").write("x")
    open(f"{home}/cgroup.procs", "w").write(str(os.getpid()))
    os.rmdir(group)'
}
heal() {
    rm -f /dev/shm/held-*
    echo 3 >/proc/sys/vm/drop_caches
    rmdir /sys/fs/cgroup/gone
    await 'grep -q "^nr_dying_descendants [0-9]\{1,2\}$" /sys/fs/cgroup/cgroup.stat'
}
