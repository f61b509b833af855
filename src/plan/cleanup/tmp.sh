# Last, and also what lies on the disk below the file systems that are mounted in the chroot.
bare=$(mktemp -d /run/imagefile/bare.XXXXXX)
mount --bind / "$bare"
for folder in tmp run var/tmp; do
	if [ -d "$bare/$folder" ] && [ ! -L "$bare/$folder" ]; then find "$bare/$folder" -xdev -mindepth 1 -delete; fi
done
umount "$bare"
rmdir "$bare"
if [ -d /var/tmp ]; then find /var/tmp -xdev -mindepth 1 -delete; fi
