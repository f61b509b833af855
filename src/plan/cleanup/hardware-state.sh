# Lists and names of the build machine's disks, and what was measured or set on its devices.
for tab in /etc/blkid/blkid.tab /etc/blkid.tab /var/run/blkid.tab; do gone "$tab" "$tab.old"; done
gone /etc/udev/rules.d/70-persistent-cd.rules
gone /etc/lvm/devices/system.devices /etc/lvm/devices/backup /etc/lvm/cache/.cache
empty /etc/lvm/archive /etc/lvm/backup
gone /etc/multipath/bindings /etc/multipath/wwids /etc/multipath/prkeys /etc/zfs/zpool.cache /var/lib/os-prober/labels
gone /var/lib/ntp/ntp.drift /var/lib/ntp/drift /var/lib/ntpsec/ntp.drift /var/lib/chrony/chrony.drift /var/lib/chrony/drift
gone /var/lib/openntpd/db/ntpd.drift /var/lib/systemd/tpm2-srk-public-key.* /var/lib/alsa/asound.state
empty /var/lib/systemd/rfkill /var/lib/systemd/backlight
