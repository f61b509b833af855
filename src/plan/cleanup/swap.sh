# Pages of the build's memory, or all of it where it was hibernated. The first page stays: it has the name by which
# /etc/fstab knows the area. A disk can be asked for zeros; a file system would only remember that the file has some, and
# leave on the disk what was there, so into a file they are written.
zeros() { dd if=/dev/zero of="$1" bs="$2" seek="$3" count="$4" conv=notrunc 2>/dev/null; }
swap_area() {
	mark=$(dd if="$1" bs=1 skip=4086 count=10 2>/dev/null | tr -d '\0')
	case $mark in
	SWAPSPACE2) ;;
	S1SUSPEND | S2SUSPEND | ULSUSPEND | LINHIB0001) printf SWAPSPACE2 | dd of="$1" bs=1 seek=4086 conv=notrunc 2>/dev/null ;;
	*) return 0 ;;
	esac
	pages=$(($2 / 4096))
	if [ -b "$1" ] && fallocate -z -o 4096 -l $((pages * 4096 - 4096)) "$1" 2>/dev/null; then return 0; fi
	first=$((pages < 256 ? pages : 256))
	zeros "$1" 4096 1 $((first - 1))
	if [ "$pages" -gt 512 ]; then zeros "$1" 1048576 1 $((pages / 256 - 1)) && first=$((pages / 256 * 256)); fi
	if [ "$pages" -gt "$first" ]; then zeros "$1" 4096 "$first" $((pages - first)); fi
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
