# What names the network cards and disks of the build machine, or networks it saw.
gone /etc/udev/rules.d/70-persistent-net.rules /etc/udev/rules.d/75-persistent-net-generator.rules
gone /etc/udev/rules.d/70-persistent-cd.rules /etc/blkid/blkid.tab /etc/blkid.tab /etc/lvm/devices/system.devices
gone /var/lib/NetworkManager/seen-bssids /var/lib/NetworkManager/timestamps /var/lib/NetworkManager/*.nmconnection
for file in /etc/NetworkManager/system-connections/*.nmconnection; do
	if [ -e "$file" ] && grep -qs '^mac-address=' "$file"; then gone "$file"; fi
done
for file in /etc/sysconfig/network-scripts/ifcfg-*; do
	if [ -e "$file" ] && grep -qsE '^(HWADDR|UUID|HOSTNAME|DHCP_HOSTNAME)=' "$file" && ! copied "$file"; then
		sed -i -E '/^(HWADDR|UUID|HOSTNAME|DHCP_HOSTNAME)=/d' "$file"
	fi
done
