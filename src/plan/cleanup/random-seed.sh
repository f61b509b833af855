gone /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/random-seed /var/lib/misc/random-seed
gone /var/lib/seedrng/seed* /boot/efi/loader/random-seed /efi/loader/random-seed /boot/loader/random-seed
# With it systemd-creds encrypts what only this machine is to read; made anew when it is first needed.
gone /var/lib/systemd/credential.secret
# Of services that draw keys from a file of their own between two starts.
gone /var/lib/munge/munged.seed /var/lib/postfix/prng_exch
