# What names the network cards of the build machine, or networks it saw.
gone /etc/udev/rules.d/70-persistent-net.rules
gone /var/lib/NetworkManager/seen-bssids /var/lib/NetworkManager/timestamps /var/lib/NetworkManager/*.nmconnection
gone /var/lib/NetworkManager/no-auto-default.state
for file in /etc/NetworkManager/system-connections/*.nmconnection; do
	if [ -f "$file" ] && grep -qs '^mac-address=' "$file"; then gone "$file"; fi
done
for file in /etc/sysconfig/network-scripts/ifcfg-*; do
	if [ -f "$file" ] && [ ! -L "$file" ] && grep -qsE '^(HWADDR|UUID|HOSTNAME|DHCP_HOSTNAME)=' "$file" && ! spared "$file"; then
		sed -i -E '/^(HWADDR|UUID|HOSTNAME|DHCP_HOSTNAME)=/d' "$file"
	fi
done
