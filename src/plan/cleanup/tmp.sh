# Last, and also what lies on the disk below the file systems that are mounted in the chroot.
bare=/run/imgfile/bare
mkdir -p "$bare"
mount -o bind / "$bare"
set --
for folder in /tmp /run /var/tmp; do
	if [ -d "$bare$folder" ] && [ ! -L "$bare$folder" ] && [ ! -L "$bare${folder%/tmp}" ] && holds_something "$bare$folder"; then
		set -- "$@" "$bare$folder"
	fi
done
if [ $# -gt 0 ]; then
	find "$@" -xdev -mindepth 1 -depth -exec sh -c '. /run/imgfile/functions
		for path; do
			shift
			if ! spared "${path#/run/imgfile/bare}"; then set -- "$@" "$path"; fi
		done
		if [ $# -gt 0 ]; then rm -rf -- "$@"; fi' sh {} +
fi
umount "$bare"
rmdir "$bare"
if [ -d /var/tmp ] && [ ! -L /var/tmp ] && holds_something /var/tmp; then empty /var/tmp; fi
