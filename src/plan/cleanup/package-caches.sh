wipe /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/* /var/cache/apt/pkgcache.bin /var/cache/apt/srcpkgcache.bin
wipe /var/cache/dnf/* /var/cache/yum/* /var/cache/zypp/* /var/cache/apk/*
wipe /var/cache/debconf/*-old /var/lib/dpkg/*-old
wipe /root/.cache/pip /home/*/.cache/pip
