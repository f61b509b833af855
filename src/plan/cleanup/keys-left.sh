# Of the files that were found, those that are still there, hold a private key, and were brought by no package, no copy
# and no application.
wait "$looking" || :
while IFS= read -r path; do
	if grep -qs -e '^-----BEGIN .*PRIVATE KEY-----' -- "$path" && ! spared "$path" &&
		! grep -qsFx -e "$path" @FILE_LISTS@; then
		printf '%s\n' "$path"
	fi
done </run/imgfile/key-candidates >/run/imgfile/keys-left
