# Of accounts; what packages brought is in /etc/cron.d and its like.
for folder in /var/spool/cron /var/spool/cron/crontabs /var/spool/cron/tabs; do
	if [ -L "$folder" ]; then
		echo "left: what is in $folder, which is a symbolic link" >&2
		continue
	fi
	for file in "$folder"/*; do
		if [ -f "$file" ]; then gone "$file"; fi
	done
done
