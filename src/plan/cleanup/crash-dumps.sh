wipe /var/crash/* /var/log/dump/* /var/spool/abrt/* /var/tmp/abrt /var/lib/systemd/coredump/* /var/lib/systemd/pstore/*
