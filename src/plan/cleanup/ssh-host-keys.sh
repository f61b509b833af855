gone /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /etc/ssh/ssh_host_*_key-cert.pub
gone /etc/dropbear/dropbear_*_host_key /etc/tinyssh/sshkeydir
