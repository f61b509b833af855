# Keys of one's own and the hosts one has met, of the account that built. Who may log in (authorized_keys) is
# what the image is for, and stays.
for home in /root /home/*; do
	if [ -L "$home" ] || [ -L "$home/.ssh" ]; then continue; fi
	gone "$home"/.ssh/known_hosts "$home"/.ssh/known_hosts.old
	for public in "$home"/.ssh/id_*.pub; do
		gone "${public%.pub}" "$public"
	done
done
