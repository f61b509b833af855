# Programs expect their own folders and the mode of their files: what is written to is emptied, and what was
# rotated goes. What has another name is not emptied, since it may be more than a log.
if [ -L /var/log ]; then
	echo "left: what is in /var/log, which is a symbolic link" >&2
elif [ -d /var/log ]; then
	empty /var/log/journal
	find /var/log -xdev -type f \( -name '*.gz' -o -name '*.xz' -o -name '*.bz2' -o -name '*.zst' -o -name '*.old' \
		-o -name '*.[0-9]' -o -name '*.[0-9][0-9]' -o -name '*-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]' \
		-o -links +1 \) -exec sh -c '. /run/imgfile/functions; gone "$@"' sh {} + \
		-o -type f -size +0 -exec sh -c '. /run/imgfile/functions; for f; do spared "$f" || : >"$f"; done' sh {} +
fi
# Who logged in, and failed to; what ran.
gone /var/lib/wtmpdb/wtmp.db /var/lib/lastlog/lastlog2.db /var/account/pacct* /var/log/account/pacct*
if [ ! -L /var/run ]; then
	gone /var/run/utmp
	empty /var/run/console /var/run/faillock /var/run/sepermit
fi
# When logs were rotated and timers ran: an instance would make up for what it missed since the build.
gone /var/lib/logrotate/status /var/lib/logrotate/logrotate.status /var/lib/logrotate.status
empty /var/lib/systemd/timers /var/spool/anacron
# Of the installer of a disk that was taken in, some with hashes of passwords.
gone /root/anaconda-ks.cfg /root/original-ks.cfg /root/initial-setup-ks.cfg /root/anaconda-post.log
gone /root/install.log /root/install.log.syslog /var/named/data/named.run
