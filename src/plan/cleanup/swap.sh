# Pages of the build's memory, or all of it where it was hibernated. The first page stays: it has the name by which
# /etc/fstab knows the area. Zeros are asked of the file system or the disk where they can say so without writing them.
swap_area() {
	mark=$(dd if="$1" bs=1 skip=4086 count=10 2>/dev/null | tr -d '\0')
	case $mark in
	SWAPSPACE2) ;;
	S1SUSPEND | S2SUSPEND | ULSUSPEND | LINHIB0001) printf SWAPSPACE2 | dd of="$1" bs=1 seek=4086 conv=notrunc 2>/dev/null ;;
	*) return 0 ;;
	esac
	bytes=$2
	if ! fallocate -z -o 4096 -l $((bytes - 4096)) "$1" 2>/dev/null; then
		dd if=/dev/zero of="$1" bs=4096 seek=1 count=$((bytes / 4096 - 1)) conv=notrunc 2>/dev/null
	fi
}
if [ -r /etc/fstab ] && grep -qs '[[:space:]]swap[[:space:]]' /etc/fstab; then
	# The size is that of a file with one name only: another one would be emptied with it.
	sed -n 's|^[[:space:]]*\(/[^[:space:]]*\)[[:space:]][[:space:]]*[^[:space:]]*[[:space:]][[:space:]]*swap[[:space:]].*|\1|p' /etc/fstab |
		while IFS= read -r file; do
			if [ -f "$file" ] && [ ! -L "$file" ] && ! through_link "$file" && ! spared "$file" &&
				[ -n "$(find "$file" -prune -links 1)" ]; then
				swap_area "$file" "$(wc -c <"$file")"
			fi
		done
fi
if command -v blkid >/dev/null; then
	# The blkid of busybox has no options.
	for device in $(blkid 2>/dev/null | sed -n 's/^\([^:]*\):.* TYPE="\(swap\|swsuspend\)".*/\1/p'); do
		sectors=/sys/class/block/${device##*/}/size
		if [ -b "$device" ] && [ -r "$sectors" ]; then swap_area "$device" $(($(cat "$sectors") * 512)); fi
	done
fi
