# Accounts, shares that users made, and what winbind knows. Folders are those of packages, and stay.
for folder in /var/lib/samba /var/cache/samba; do
	if [ -d "$folder" ] && [ ! -L "$folder" ]; then
		find "$folder" -xdev -type f -exec sh -c '. /run/imgfile/functions; gone "$@"' sh {} +
	fi
done
