# Run by `sh -e` inside the new system, once its packages are set up: leaves out what belongs to this run
# and not to the system, and writes what the boot loader and the mounts need to know.
#
# In front of this come assignments: root_uuid esp_uuid root_number
set -u

# --- what is made anew on each machine, or belongs to the making
rm -f /etc/ssh/ssh_host_* /etc/apt/sources.list
rm -f /etc/machine-id /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
: >/etc/machine-id
chmod 444 /etc/machine-id
mkdir -p /var/lib/dbus
ln -sfn /etc/machine-id /var/lib/dbus/machine-id
rm -rf /tmp/* /var/tmp/* /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/debconf/tmp.ci
rm -f /var/lib/dpkg/*-old /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
mkdir -p /var/cache/apt/archives/partial /var/lib/apt/lists/partial
chown _apt:root /var/cache/apt/archives/partial /var/lib/apt/lists/partial
chmod 700 /var/cache/apt/archives/partial /var/lib/apt/lists/partial
find /var/log -type f -exec truncate --size=0 {} +
rm -f /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log /var/log/apt/*

# --- file systems
mkdir -p /boot/efi
cat >/etc/fstab <<FSTAB
# <file system> <mount point> <type> <options> <dump> <pass>
UUID=$root_uuid / ext4 rw,discard,errors=remount-ro 0 1
UUID=$esp_uuid /boot/efi vfat umask=0077 0 2
FSTAB

# --- GRUB: modules and configuration where grub-install and update-grub would put them
grub=/boot/grub
mkdir -p "$grub/i386-pc" "$grub/x86_64-efi" "$grub/fonts"
cp /usr/lib/grub/i386-pc/*.mod /usr/lib/grub/i386-pc/*.lst /usr/lib/grub/i386-pc/boot.img "$grub/i386-pc/"
cp /usr/lib/grub/x86_64-efi/*.mod /usr/lib/grub/x86_64-efi/*.lst "$grub/x86_64-efi/"
cp /usr/share/grub/unicode.pf2 "$grub/fonts/"
grub-editenv $grub/grubenv create
grub-mkimage --directory /usr/lib/grub/i386-pc --format i386-pc --output $grub/i386-pc/core.img \
	--prefix "(,gpt$root_number)/boot/grub" biosdisk part_gpt ext2

# grub-mkconfig asks grub-probe about the device that / is on; that is not the one it will be on, so another
# program in its place says what will be true. It also wants to see the link of the UUID it is to write.
mv /usr/sbin/grub-probe /usr/sbin/grub-probe.real
cat >/usr/sbin/grub-probe <<PROBE
#!/bin/sh
for word; do
	case \$word in
	--target=*) target=\${word#--target=} ;;
	-t) target=next ;;
	*) [ "\${target-}" != next ] || target=\$word ;;
	esac
done
case \${target-} in
device) echo /dev/vda$root_number ;;
fs_uuid) echo $root_uuid ;;
fs) echo ext2 ;;
partmap) echo gpt ;;
drive) echo "(hd0,gpt$root_number)" ;;
disk) echo /dev/vda ;;
compatibility_hint) echo "hd0,gpt$root_number" ;;
hints_string) echo "--hint-bios=hd0,gpt$root_number --hint-efi=hd0,gpt$root_number" ;;
esac
PROBE
chmod 755 /usr/sbin/grub-probe
mkdir -p /dev/disk/by-uuid
: >"/dev/disk/by-uuid/$root_uuid"
grub-mkconfig --output $grub/grub.cfg
mv /usr/sbin/grub-probe.real /usr/sbin/grub-probe
rm -rf /dev/disk
