gone /var/lib/dhcp/*.leases /var/lib/dhcp/*.leases~ /var/lib/dhcp/*.lease /var/lib/dhclient/*.leases /var/lib/dhclient/*.lease
gone /var/lib/dhcpd/*.leases /var/lib/dhcpd/*.leases~ /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/*.leases
gone /var/lib/systemd/network/*.lease /var/lib/misc/*.leases /var/lib/kea/*.csv
empty /var/lib/systemd/network/dhcp-server-lease
gone /var/lib/dhcpcd/*.lease /var/lib/dhcpcd/*.lease6 /etc/dhcpcd-*.lease
# What a client calls itself, and what it derives addresses from.
gone /var/lib/dhcpcd/duid /var/lib/dhcpcd/secret /etc/dhcpcd.duid /etc/dhcpcd.secret /var/lib/dhcpv6/dhcp6c_duid
