# Empty, not absent: systemd then makes a new one at boot. A regular file of D-Bus would be adopted by it, and
# clones would share an identity.
if [ -e /etc/machine-id ] || [ -d /run/systemd ] || [ -x /lib/systemd/systemd ]; then : > /etc/machine-id; fi
if [ -d /var/lib/dbus ] && ! { [ -L /var/lib/dbus/machine-id ] && [ /var/lib/dbus/machine-id -ef /etc/machine-id ]; }; then
	ln -sfn /etc/machine-id /var/lib/dbus/machine-id
fi
wipe /etc/hostid
