# Each instance would run them. A job is named by its queue, number and time, in 14 characters.
for folder in /var/spool/cron/atjobs /var/spool/at /var/spool/atjobs; do
	if [ ! -L "$folder" ]; then gone "$folder"/[a-zA-Z=]?????????????; fi
done
empty /var/spool/cron/atspool /var/spool/at/spool /var/spool/atspool
