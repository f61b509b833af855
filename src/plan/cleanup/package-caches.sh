rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/* /var/cache/apt/pkgcache.bin /var/cache/apt/srcpkgcache.bin
rm -rf /var/cache/dnf/* /var/cache/yum/* /var/cache/zypp/* /var/cache/apk/*
rm -rf /var/cache/debconf/*-old /var/lib/dpkg/*-old
rm -rf /root/.cache/pip /home/*/.cache/pip
