# What the topics share. Nothing is started where there is nothing: under emulation each program costs as much as
# looking at a thousand paths.
newline='
'
# What statements of the ImageFile put into the image, one path a line; one that ends in `/` stands for all below it.
copied_paths= copied_folders=
if [ -s /run/imgfile/copied ]; then
	copied_paths=$newline$(cat /run/imgfile/copied)$newline
	copied_folders=$(grep '/$' /run/imgfile/copied || :)
fi
# Patterns that `keep` names, one a line.
kept_patterns=
if [ -s /run/imgfile/kept ]; then kept_patterns=$(cat /run/imgfile/kept); fi

# Whether a path, or something below it, stays: a statement put it there, or `keep` names it.
spared() {
	if [ -n "$copied_paths" ]; then
		case $copied_paths in *"$newline$1$newline"* | *"$newline$1/"*) return 0 ;; esac
	fi
	if [ -z "$copied_folders$kept_patterns" ]; then return 1; fi
	set -f
	IFS=$newline
	spare=1
	for spare_folder in $copied_folders; do
		case $1/ in "$spare_folder"*) spare=0 ;; esac
	done
	for spare_pattern in $kept_patterns; do
		case $1 in $spare_pattern | $spare_pattern/*) spare=0 ;; esac
		case $spare_pattern in "$1"/*) spare=0 ;; esac
	done
	unset IFS
	set +f
	return $spare
}
# Whether the way to a path leads through a symbolic link, so that what is there is not what the path says. Those that
# systems have are none.
through_link() {
	rest=${1#/} way=
	while :; do
		case $rest in */*) ;; *) return 1 ;; esac
		way=$way/${rest%%/*} rest=${rest#*/}
		if [ -L "$way" ]; then
			case $way in
			/var/run) [ "$way" -ef /run ] || return 0 ;;
			/var/mail | /var/spool/mail) [ /var/mail -ef /var/spool/mail ] || return 0 ;;
			/home) [ "$way" -ef /var/home ] || return 0 ;;
			/root) [ "$way" -ef /var/roothome ] || return 0 ;;
			*) return 0 ;;
			esac
		fi
	done
}
# Removes files and folders, links themselves and not what they name; folders not behind a link, where they are somebody
# else's.
gone() {
	for path; do
		shift
		if [ ! -e "$path" ] && [ ! -L "$path" ] || spared "$path"; then continue; fi
		if [ -d "$path" ] && [ ! -L "$path" ] && through_link "$path"; then
			echo "left: $path, since $way is a symbolic link" >&2
		else
			set -- "$@" "$path"
		fi
	done
	if [ $# -gt 0 ]; then rm -rf -- "$@"; fi
}
holds_something() {
	for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
		if [ -e "$entry" ] || [ -L "$entry" ]; then return 0; fi
	done
	return 1
}
# Removes what is in folders, however much that is, and leaves the folders.
empty() {
	for all_of; do
		if [ ! -d "$all_of" ] || ! holds_something "$all_of"; then continue; fi
		if through_link "$all_of/."; then
			echo "left: what is in $all_of, since $way is a symbolic link" >&2
		elif [ -L "$all_of" ]; then
			# Of the system's own links: its other name has its turn.
			:
		elif spared "$all_of"; then
			gone "$all_of"/* "$all_of"/.[!.]* "$all_of"/..?*
		else
			find "$all_of" -mindepth 1 -maxdepth 1 -exec rm -rf -- {} +
		fi
	done
}
# Calls a function with each home folder in `home`: those of services may be anywhere.
each_home() {
	for home in /root /home/*; do
		if [ -d "$home" ] && [ ! -L "$home" ]; then "$1"; fi
	done
	if [ ! -r /etc/passwd ]; then return 0; fi
	if [ -z "${service_homes+set}" ]; then service_homes=$(cut -d: -f6 /etc/passwd | sort -u); fi
	set -f
	IFS=$newline
	# Split once, before the function has its own way with words.
	for home in $service_homes; do
		unset IFS
		set +f
		case $home in
		/root | /root/* | /home/* | /) ;;
		/*) if [ -d "$home" ] && [ ! -L "$home" ]; then "$1"; fi ;;
		esac
	done
	unset IFS
	set +f
}
