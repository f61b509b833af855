#!/bin/sh
# Run by mmdebstrap with the new system's root as its argument, once the packages are set up:
# leaves out what belongs to this run and not to the system, prepares the boot loader and fills
# the root file system, which is a part of the disk's file on descriptor $disk_fd.
#
# In front of this come assignments: root_uuid esp_uuid root_number root_start root_kib disk_fd
set -eu
new=$1

# --- what is made anew on each machine, or belongs to the making
rm -f "$new/usr/sbin/policy-rc.d"
if [ -e "$new/usr/sbin/start-stop-daemon.REAL" ]; then
	mv "$new/usr/sbin/start-stop-daemon.REAL" "$new/usr/sbin/start-stop-daemon"
fi
rm -f "$new"/etc/ssh/ssh_host_* "$new"/etc/apt/sources.list "$new"/etc/apt/apt.conf.d/*mmdebstrap "$new"/etc/dpkg/dpkg.cfg.d/*mmdebstrap
rm -f "$new/etc/machine-id" "$new"/var/lib/systemd/random-seed "$new"/var/lib/systemd/credential.secret
: >"$new/etc/machine-id"
chmod 444 "$new/etc/machine-id"
mkdir -p "$new/var/lib/dbus"
ln -sfn /etc/machine-id "$new/var/lib/dbus/machine-id"
rm -rf "$new"/tmp/* "$new"/var/tmp/* "$new"/var/lib/apt/lists/* "$new"/var/cache/apt/* "$new"/var/cache/debconf/*-old
rm -f "$new"/var/lib/dpkg/*-old "$new"/etc/passwd- "$new"/etc/group- "$new"/etc/shadow- "$new"/etc/gshadow- "$new"/etc/subuid- "$new"/etc/subgid-
mkdir -p "$new/var/cache/apt/archives/partial" "$new/var/lib/apt/lists/partial"
chroot "$new" chown _apt:root /var/cache/apt/archives/partial /var/lib/apt/lists/partial
chmod 700 "$new/var/cache/apt/archives/partial" "$new/var/lib/apt/lists/partial"
find "$new/var/log" -type f -exec truncate --size=0 {} +
rm -f "$new"/var/log/dpkg.log "$new"/var/log/alternatives.log "$new"/var/log/bootstrap.log "$new"/var/log/apt/*

# --- file systems
mkdir -p "$new/boot/efi"
cat >"$new/etc/fstab" <<FSTAB
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=$root_uuid / ext4 rw,discard,errors=remount-ro 0 1
UUID=$esp_uuid /boot/efi vfat umask=0077 0 2
FSTAB

# --- GRUB: modules and configuration where grub-install and update-grub would put them
grub=$new/boot/grub
mkdir -p "$grub/i386-pc" "$grub/x86_64-efi" "$grub/fonts"
cp "$new"/usr/lib/grub/i386-pc/*.mod "$new"/usr/lib/grub/i386-pc/*.lst "$new/usr/lib/grub/i386-pc/boot.img" "$grub/i386-pc/"
cp "$new"/usr/lib/grub/x86_64-efi/*.mod "$new"/usr/lib/grub/x86_64-efi/*.lst "$grub/x86_64-efi/"
cp "$new/usr/share/grub/unicode.pf2" "$grub/fonts/"
chroot "$new" grub-editenv /boot/grub/grubenv create
chroot "$new" grub-mkimage --directory /usr/lib/grub/i386-pc --format i386-pc --output /boot/grub/i386-pc/core.img \
	--prefix "(,gpt$root_number)/boot/grub" biosdisk part_gpt ext2

# grub-mkconfig asks grub-probe about the device that / is on; there is none yet, so it is told
# what will be true. It also wants to see the link of the UUID it is to write.
probe=$new/tmp/grub-probe
cat >"$probe" <<'PROBE'
#!/bin/sh
for word; do
	case $word in
	--target=*) target=${word#--target=} ;;
	-t) target=next ;;
	*) [ "${target-}" != next ] || target=$word ;;
	esac
done
case ${target-} in
device) echo /dev/vda@number@ ;;
fs_uuid) echo @uuid@ ;;
fs) echo ext2 ;;
partmap) echo gpt ;;
drive) echo "(hd0,gpt@number@)" ;;
disk) echo /dev/vda ;;
compatibility_hint) echo "hd0,gpt@number@" ;;
hints_string) echo "--hint-bios=hd0,gpt@number@ --hint-efi=hd0,gpt@number@" ;;
esac
PROBE
sed -i "s/@number@/$root_number/; s/@uuid@/$root_uuid/" "$probe"
chmod 755 "$probe"
mkdir -p "$new/dev/disk/by-uuid"
: >"$new/dev/disk/by-uuid/$root_uuid"
mount --bind "$probe" "$new/usr/sbin/grub-probe"
chroot "$new" grub-mkconfig --output /boot/grub/grub.cfg
umount "$new/usr/sbin/grub-probe"
rm -rf "$probe" "$new/dev/disk"

# --- the root file system, from a view of the new system without what is mounted in it
mount --bind "$new" "$new/mnt"
mount -t tmpfs -o mode=755 tmpfs "$new/mnt/dev"
mount -t tmpfs -o mode=755 tmpfs "$new/mnt/run"
mke2fs -q -F -t ext4 -L root -U "$root_uuid" -E "offset=$root_start" -d "$new/mnt" "/proc/self/fd/$disk_fd" "${root_kib}k"
umount "$new/mnt/run"
umount "$new/mnt/dev"
umount "$new/mnt"

# --- what the maker of the disk needs to see
out=$new/tmp/out
mkdir "$out"
cp "$grub/i386-pc/boot.img" "$grub/i386-pc/core.img" "$out/"
cp "$new/usr/lib/shim/shimx64.efi.signed" "$out/shim.efi"
cp "$new/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$out/grub.efi"
chroot "$new" dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version} ${Architecture}\n' >"$out/packages"
du --summarize --block-size=1 "$new" --one-file-system --exclude "$out" | cut -f1 >"$out/used"
