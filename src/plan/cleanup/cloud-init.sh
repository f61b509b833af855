# By path: `cloud-init clean` would take per-instance scripts along.
wipe /var/lib/cloud/data /var/lib/cloud/handlers /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/sem
gone /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init
