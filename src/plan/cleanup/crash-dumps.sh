empty /var/crash /var/log/dump /var/spool/abrt /var/spool/abrt-upload /var/lib/systemd/coredump /var/lib/systemd/pstore
empty /var/lib/apport/coredump
gone /var/tmp/abrt
