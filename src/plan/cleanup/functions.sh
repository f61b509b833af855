# Whether a statement of the ImageFile put something at this path, or below it.
copied() {
	[ -e /run/imgfile/copied ] || return 1
	while IFS= read -r known; do
		case $known in
		"$1" | "$1"/*) return 0 ;;
		*/) case $1/ in "$known"*) return 0 ;; esac ;;
		esac
	done </run/imgfile/copied
	return 1
}
# Removes files and folders, except what the ImageFile put there.
gone() {
	for path; do
		if { [ -e "$path" ] || [ -L "$path" ]; } && ! copied "$path"; then rm -rf -- "$path"; fi
	done
}
# Removes files and folders, whoever put them there. Nothing is started where there is nothing: under emulation each
# program costs as much as looking at a thousand paths.
wipe() {
	for path; do
		if [ -e "$path" ] || [ -L "$path" ]; then rm -rf -- "$path"; fi
	done
}
