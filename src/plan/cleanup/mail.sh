gone /var/mail/* /var/spool/mail/*
