# A key distribution centre's database and the key that it is encrypted with. Configuration stays.
for file in /var/kerberos/krb5kdc/* /var/kerberos/krb5kdc/.k5.* /var/lib/krb5kdc/* /var/lib/krb5kdc/.k5.*; do
	case ${file##*/} in kadm5.acl | kdc.conf) ;; *) if [ -f "$file" ]; then gone "$file"; fi ;; esac
done
gone /etc/krb5kdc/stash /etc/krb5kdc/.k5.*
