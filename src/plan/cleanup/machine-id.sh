# Empty, not absent: systemd then makes a new one at boot. A new file: what a link, or another name of it, leads to
# is something else. A regular file of D-Bus would be adopted by systemd, and clones would share an identity.
if { [ -e /etc/machine-id ] || [ -L /etc/machine-id ] || [ -d /run/systemd ] || [ -x /lib/systemd/systemd ]; } &&
	! spared /etc/machine-id; then
	rm -f /etc/machine-id
	: >/etc/machine-id
	chmod 0444 /etc/machine-id
fi
if [ -d /var/lib/dbus ] && ! { [ -L /var/lib/dbus/machine-id ] && [ /var/lib/dbus/machine-id -ef /etc/machine-id ]; } &&
	! spared /var/lib/dbus/machine-id && ! through_link /var/lib/dbus/machine-id; then
	rm -f /var/lib/dbus/machine-id
	ln -s /etc/machine-id /var/lib/dbus/machine-id
fi
gone /etc/hostid
