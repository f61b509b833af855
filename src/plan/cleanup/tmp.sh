# Last, and also what lies on the disk below the file systems that are mounted in the chroot.
holds_something() {
	for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
		if [ -e "$entry" ] || [ -L "$entry" ]; then return 0; fi
	done
	return 1
}
bare=/run/imgfile/bare
mkdir -p "$bare"
mount --bind / "$bare"
set --
for folder in "$bare/tmp" "$bare/run" "$bare/var/tmp"; do
	if [ -d "$folder" ] && [ ! -L "$folder" ] && holds_something "$folder"; then set -- "$@" "$folder"; fi
done
if [ $# -gt 0 ]; then find "$@" -xdev -mindepth 1 -delete; fi
umount "$bare"
rmdir "$bare"
if [ -d /var/tmp ] && holds_something /var/tmp; then find /var/tmp -xdev -mindepth 1 -delete; fi
