wipe /var/cache/dnf/* /var/cache/yum/* /var/cache/zypp/* /var/cache/apk/*
wipe /root/.cache/pip /home/*/.cache/pip
