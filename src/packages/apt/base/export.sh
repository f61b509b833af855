# Run by `sh -e` inside the new system, last of all: lays out what the maker of the disk needs to see, in
# /tmp/out, which does not become part of the system.
out=/tmp/out
mkdir $out
cp /boot/grub/i386-pc/boot.img /boot/grub/i386-pc/core.img $out/
cp /usr/lib/shim/shimx64.efi.signed $out/shim.efi
cp /usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed $out/grub.efi
dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version} ${Architecture}\n' >$out/packages
du --summarize --block-size=1 / --one-file-system --exclude $out | cut -f1 >$out/used
