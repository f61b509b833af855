#!/bin/sh
# Run by mmdebstrap with the new system's root as its argument, once the packages are set up: undoes what
# mmdebstrap did for its own run, and fills the root file system, which is a part of the disk's file on
# descriptor $disk_fd.
#
# In front of this come assignments: here root_uuid root_start root_kib disk_fd
set -eu
new=$1

rm -f "$new/usr/sbin/policy-rc.d"
if [ -e "$new/usr/sbin/start-stop-daemon.REAL" ]; then
	mv "$new/usr/sbin/start-stop-daemon.REAL" "$new/usr/sbin/start-stop-daemon"
fi
rm -f "$new"/etc/apt/apt.conf.d/*mmdebstrap "$new"/etc/dpkg/dpkg.cfg.d/*mmdebstrap
chroot "$new" sh -e <"$here/tidy.sh"

# From a view of the new system without what is mounted in it.
mount --bind "$new" "$new/mnt"
mount -t tmpfs -o mode=755 tmpfs "$new/mnt/dev"
mount -t tmpfs -o mode=755 tmpfs "$new/mnt/run"
mke2fs -q -F -t ext4 -L root -U "$root_uuid" -E "offset=$root_start" -d "$new/mnt" "/proc/self/fd/$disk_fd" "${root_kib}k"
umount "$new/mnt/run"
umount "$new/mnt/dev"
umount "$new/mnt"

chroot "$new" sh -e <"$here/export.sh"
cp "$new"/tmp/out/* "$here/out/"
