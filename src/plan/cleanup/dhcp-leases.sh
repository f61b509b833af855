gone /var/lib/dhcp/*.leases /var/lib/dhcp/*.leases~ /var/lib/dhcp/*.lease /var/lib/dhclient/*.leases /var/lib/dhclient/*.lease
gone /var/lib/dhcpd/*.leases /var/lib/dhcpd/*.leases~ /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/*.leases
gone /var/lib/systemd/network/*.lease /var/lib/dhcpcd/*.lease /var/lib/dhcpcd/*.lease6 /var/lib/dhcpcd/duid
gone /var/lib/misc/*.leases /var/lib/kea/*.csv
