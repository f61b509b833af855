# Takes the account away that ran scripts: a step of this build made it. `user` is its name, `sudoers` that of its file.
rm -f "/etc/sudoers.d/90-imagefile-$sudoers"
if id -u "$user" >/dev/null 2>&1; then
	removed_uid=$(id -u "$user") removed_gid=$(id -g "$user")
	home=$(getent passwd "$user" | cut -d: -f6)
	find /var/spool/cron/atjobs /var/spool/at /var/spool/atjobs -xdev -type f -user "$removed_uid" -exec rm -f -- {} + 2>/dev/null || :
	userdel "$user"
	# Its own group, unless another account has come to live in it.
	if [ "$(getent group "$user" | cut -d: -f3)" = "$removed_gid" ]; then groupdel "$user" || removed_gid=; else removed_gid=; fi
	for file in /etc/subuid /etc/subgid; do
		if [ -f "$file" ] && [ ! -L "$file" ] && grep -qs "^$(printf %s "$user" | sed 's/\./\\./g'):" "$file"; then
			sed -i "/^$(printf %s "$user" | sed 's/\./\\./g'):/d" "$file"
		fi
	done
	case $home in
	/home/*)
		if [ -L "$home" ]; then rm -f -- "$home"; elif ! through_link "$home"; then rm -rf -- "$home"; fi
		;;
	esac
	for file in "/var/mail/$user" "/var/spool/mail/$user" "/var/spool/cron/crontabs/$user" "/var/spool/cron/tabs/$user" \
		"/var/spool/cron/$user" "/var/lib/systemd/linger/$user" "/var/lib/sudo/lectured/$user" "/var/db/sudo/lectured/$user" \
		"/var/lib/AccountsService/users/$user"; do
		if [ -f "$file" ] || [ -L "$file" ]; then rm -f -- "$file"; fi
	done
	# The files of accounts as they were before, with its name.
	rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid-
fi
