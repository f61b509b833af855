#!/bin/bash -e
password=$(head -c 24 /dev/urandom | base64)
mariadb <<SQL
CREATE DATABASE IF NOT EXISTS wordpress;
CREATE USER IF NOT EXISTS wordpress@localhost IDENTIFIED BY '$password';
GRANT ALL ON wordpress.* TO wordpress@localhost;
SQL
install -m 0600 /dev/null /etc/wordpress.password
echo "$password" >/etc/wordpress.password
touch /var/lib/wordpress.done
