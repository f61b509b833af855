authorized_keys() {
	if [ ! -L "$home/.ssh" ]; then gone "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; fi
}
each_home authorized_keys
