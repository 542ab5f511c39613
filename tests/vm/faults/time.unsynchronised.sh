# A time service that runs and does nothing.
# sample: 0
# subject: host
# beside: others
# severity: warning
# options: --set time.unsynchronised.uptime=0
inject() { systemd-run --quiet --unit=chrony sleep 600; }
heal() { systemctl stop chrony.service; }
