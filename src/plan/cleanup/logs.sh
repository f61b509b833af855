# Programs expect their own folders and the mode of their files: what is written to is emptied, and what was
# rotated goes.
if [ -d /var/log ]; then
	wipe /var/log/journal/*
	find /var/log -xdev -type f \( -name '*.gz' -o -name '*.xz' -o -name '*.bz2' -o -name '*.zst' -o -name '*.old' \
		-o -name '*.[0-9]' -o -name '*.[0-9][0-9]' -o -name '*-[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]' \) -delete \
		-o -type f -size +0 -exec sh -c 'for f; do : > "$f"; done' sh {} +
fi
wipe /var/account/pacct* /var/log/account/pacct*
