# What the account that was taken away still owns: whoever gets its number next would get these too.
if [ -n "${removed_uid-}" ]; then
	set -- -user "$removed_uid"
	if [ -n "$removed_gid" ]; then set -- "$@" -o -group "$removed_gid"; fi
	find / -xdev \( "$@" \) -print 2>/dev/null | head -n 100 >/run/imgfile/user-left
fi
