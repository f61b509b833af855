gone /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid- /etc/.pwd.lock
# Hashes of the passwords that accounts had before. PAM wants the file.
if [ -s /etc/security/opasswd ] && ! spared /etc/security/opasswd && ! through_link /etc/security/opasswd; then
	rm /etc/security/opasswd
	: >/etc/security/opasswd
	chmod 0600 /etc/security/opasswd
fi
