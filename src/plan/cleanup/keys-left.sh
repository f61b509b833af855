# Private keys that no package, no copy and no application brought.
find /etc /var/lib /root /home /opt /srv -xdev -type f -size -64k \
	! -path '/var/lib/dpkg/*' ! -path '/var/lib/docker/*' ! -path '/var/lib/containers/*' \
	-exec grep -ls -e '^-----BEGIN .*PRIVATE KEY-----' {} + 2>/dev/null |
	while IFS= read -r path; do
		if ! copied "$path" && ! grep -qsFx -e "$path" /var/lib/dpkg/info/*.list; then printf '%s\n' "$path"; fi
	done >/run/imagefile/keys-left
