# sample: 0
# subject: broken.service
# beside: others
# severity: warning
inject() {
    systemd-run --quiet --unit=broken false
    await 'systemctl is-failed --quiet broken.service'
}
heal() { systemctl reset-failed broken.service; }
