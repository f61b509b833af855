# Made by packages or by services that ran while building; these make them anew by themselves.
gone /var/lib/rabbitmq/.erlang.cookie /var/lib/couchdb/.erlang.cookie /var/lib/ejabberd/.erlang.cookie
gone /root/.erlang.cookie /home/*/.erlang.cookie
gone /var/lib/NetworkManager/secret_key
gone /var/lib/samba/private/secrets.tdb /var/lib/samba/private/secrets.ldb /var/lib/samba/private/tls/*.pem
gone /var/lib/mysql/auto.cnf /var/lib/mysql/*-key.pem /var/lib/mysql/private_key.pem /var/lib/mysql/*-cert.pem
gone /var/lib/mysql/ca.pem /var/lib/mysql/public_key.pem
gone /etc/docker/key.json /var/lib/docker/engine-id
gone /etc/openvswitch/system-id.conf /etc/cockpit/ws-certs.d/0-self-signed*
gone /var/lib/libvirt/secrets/secrets-encryption-key
gone /var/lib/tor/keys /var/lib/tor/*/hs_ed25519_*_key /var/lib/tor/*/private_key
gone /var/lib/zerotier-one/identity.* /var/lib/tailscale/tailscaled.state
gone /var/lib/consul/node-id /opt/consul/data/node-id /opt/consul/node-id
gone /etc/salt/pki/minion/minion.pem /etc/salt/pki/minion/minion.pub /etc/salt/minion_id
gone /var/lib/netdata/registry/netdata.public.unique.id
gone /etc/Pegasus/*.pem /etc/Pegasus/*.crt /etc/Pegasus/*.csr /etc/Pegasus/*.srl /etc/Pegasus/*.cnf
gone /var/lib/dovecot/instances /var/lib/dovecot/ssl-parameters.dat
if [ -f /var/lib/snmp/snmpd.conf ] && [ ! -L /var/lib/snmp/snmpd.conf ] && ! spared /var/lib/snmp/snmpd.conf; then
	sed -i '/^\(oldEngineID\|engineBoots\) /d' /var/lib/snmp/snmpd.conf
fi
if [ -e /etc/iscsi/initiatorname.iscsi ] && ! spared /etc/iscsi/initiatorname.iscsi; then
	# A new file: another name of this one, or what a link leads to, is something else.
	rm /etc/iscsi/initiatorname.iscsi
	if [ -e /usr/lib/open-iscsi/startup-checks.sh ]; then
		echo 'GenerateName=yes' >/etc/iscsi/initiatorname.iscsi
	fi
fi

# What nobody would make anew: a unit does, at the first boot of each instance and before any service.
wanted=
anew() {
	if ! spared "$1"; then
		rm -f -- "$1"
		wanted=yes
	fi
}
if command -v make-ssl-cert >/dev/null && [ -e /usr/share/ssl-cert/ssleay.cnf ]; then
	anew /etc/ssl/private/ssl-cert-snakeoil.key
	if [ -n "$wanted" ]; then
		# The certificate's other name is made of its content.
		find /etc/ssl/certs -type l -lname '*ssl-cert-snakeoil.pem' -delete
		rm -f /etc/ssl/certs/ssl-cert-snakeoil.pem
	fi
fi
if command -v rndc-confgen >/dev/null && [ -d /etc/bind ]; then anew /etc/bind/rndc.key; fi
if command -v rndc-confgen >/dev/null && [ -e /etc/rndc.key ]; then anew /etc/rndc.key; fi
if command -v nvme >/dev/null && [ -d /etc/nvme ]; then
	anew /etc/nvme/hostnqn
	anew /etc/nvme/hostid
fi
if [ -e /etc/munge/munge.key ]; then anew /etc/munge/munge.key; fi
if command -v dropbearkey >/dev/null && [ -d /etc/dropbear ]; then wanted=yes; fi
if [ -e /etc/unbound/unbound_control.key ]; then
	anew /etc/unbound/unbound_control.key
	gone /etc/unbound/unbound_server.key /etc/unbound/unbound_control.pem /etc/unbound/unbound_server.pem
fi
if [ -e /etc/nsd/nsd_control.key ]; then
	anew /etc/nsd/nsd_control.key
	gone /etc/nsd/nsd_server.key /etc/nsd/nsd_control.pem /etc/nsd/nsd_server.pem
fi

first=/usr/local/lib/imgfile-first-boot
if [ -n "$wanted" ]; then
	mkdir -p /usr/local/lib
	cat >$first <<'FIRST'
#!/bin/sh
# Makes the keys and names that instances of an image must not share, where they are missing.
export DEBIAN_FRONTEND=noninteractive
lacks() { command -v "$1" >/dev/null && [ ! -s "$2" ]; }
if lacks make-ssl-cert /etc/ssl/private/ssl-cert-snakeoil.key && [ -e /usr/share/ssl-cert/ssleay.cnf ]; then
	make-ssl-cert generate-default-snakeoil --force-overwrite
fi
if [ -d /etc/bind ] && lacks rndc-confgen /etc/bind/rndc.key; then
	rndc-confgen -a -c /etc/bind/rndc.key && chown bind:bind /etc/bind/rndc.key && chmod 640 /etc/bind/rndc.key
fi
if [ -d /etc/named ] && lacks rndc-confgen /etc/rndc.key; then
	rndc-confgen -a -c /etc/rndc.key && chown root:named /etc/rndc.key && chmod 640 /etc/rndc.key
fi
if [ -d /etc/nvme ] && lacks nvme /etc/nvme/hostnqn; then nvme gen-hostnqn >/etc/nvme/hostnqn; fi
if [ -d /etc/nvme ] && lacks nvme /etc/nvme/hostid; then
	sed -n 's/.*uuid://p' /etc/nvme/hostnqn >/etc/nvme/hostid
fi
if [ -d /etc/munge ] && lacks munged /etc/munge/munge.key; then
	umask 077
	head -c 1024 /dev/urandom >/etc/munge/munge.key && chown munge:munge /etc/munge/munge.key && chmod 400 /etc/munge/munge.key
	umask 022
fi
if [ -d /etc/dropbear ]; then
	for kind in rsa ecdsa ed25519; do
		key=/etc/dropbear/dropbear_${kind}_host_key
		if lacks dropbearkey "$key"; then dropbearkey -t "$kind" -f "$key"; fi
	done
fi
if grep -qs '^[[:space:]]*control-enable: yes' /etc/unbound/unbound.conf /etc/unbound/unbound.conf.d/*.conf &&
	lacks unbound-control-setup /etc/unbound/unbound_control.key; then
	unbound-control-setup
fi
if [ -d /etc/nsd ] && lacks nsd-control-setup /etc/nsd/nsd_control.key; then nsd-control-setup; fi
mkdir -p /var/lib/imgfile
: >/var/lib/imgfile/first-boot-done
FIRST
	chmod 755 $first
	rm -rf /var/lib/imgfile
	if [ -d /etc/systemd/system ]; then
		cat >/etc/systemd/system/imgfile-first-boot.service <<'UNIT'
[Unit]
Description=Make the keys and names that instances of an image must not share
DefaultDependencies=no
After=local-fs.target systemd-remount-fs.service systemd-tmpfiles-setup.service systemd-random-seed.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target
ConditionPathExists=!/var/lib/imgfile/first-boot-done
ConditionPathIsReadWrite=/etc

[Service]
Type=oneshot
ExecStart=/bin/sh /usr/local/lib/imgfile-first-boot
RemainAfterExit=yes

[Install]
WantedBy=sysinit.target
UNIT
		mkdir -p /etc/systemd/system/sysinit.target.wants
		ln -sfn ../imgfile-first-boot.service /etc/systemd/system/sysinit.target.wants/imgfile-first-boot.service
	elif [ -d /etc/runlevels/boot ]; then
		cat >/etc/init.d/imgfile-first-boot <<'OPENRC'
#!/sbin/openrc-run
description="Makes the keys and names that instances of an image must not share"
depend() {
	need localmount
	after bootmisc seedrng urandom
}
start() {
	[ -e /var/lib/imgfile/first-boot-done ] || /bin/sh /usr/local/lib/imgfile-first-boot
}
OPENRC
		chmod 755 /etc/init.d/imgfile-first-boot
		ln -sfn /etc/init.d/imgfile-first-boot /etc/runlevels/boot/imgfile-first-boot
	fi
fi
