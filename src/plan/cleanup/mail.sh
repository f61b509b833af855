empty /var/mail /var/spool/mail
# What waits would be sent by each instance. The folders are their program's.
for queue in active bounce corrupt defer deferred flush hold incoming maildrop saved trace; do
	empty "/var/spool/postfix/$queue"
done
empty /var/spool/exim4/input /var/spool/exim4/msglog /var/spool/exim/input /var/spool/exim/msglog
empty /var/spool/mqueue /var/spool/clientmqueue /var/spool/smtpd/queue /var/spool/nullmailer/queue /var/spool/dma
