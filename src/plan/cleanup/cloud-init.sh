# By path: `cloud-init clean` would take per-instance scripts along. Then what it wrote for the machine it ran on, which
# it writes again for the next.
gone /var/lib/cloud/data /var/lib/cloud/handlers /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/sem
gone /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init /etc/network/interfaces.d/50-cloud-init.cfg
gone /etc/systemd/network/10-cloud-init-*.network /etc/systemd/network/50-cloud-init-*.link
gone /etc/NetworkManager/system-connections/cloud-init-*.nmconnection /etc/NetworkManager/conf.d/99-cloud-init.conf
gone /etc/NetworkManager/conf.d/30-cloud-init-ip6-addr-gen-mode.conf /etc/ssh/sshd_config.d/50-cloud-init.conf
