//! The definitions compiled in.

use super::Layer;
use crate::text::{Digest, Sources};

/// Name and text of each file under `builtin/`.
macro_rules! files {
    ($($path:literal)*) => {
        const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("builtin/", $path)))),*];
    };
}

files! {
    "apps/apache2.yaml"
    "apps/bind9.yaml"
    "apps/caddy.yaml"
    "apps/chrony.yaml"
    "apps/curl.yaml"
    "apps/dnsmasq.yaml"
    "apps/docker.yaml"
    "apps/etcd.yaml"
    "apps/fail2ban.yaml"
    "apps/git.yaml"
    "apps/haproxy.yaml"
    "apps/lighttpd.yaml"
    "apps/mariadb.yaml"
    "apps/memcached.yaml"
    "apps/mosquitto.yaml"
    "apps/nftables.yaml"
    "apps/nginx.yaml"
    "apps/nodejs.yaml"
    "apps/openjdk.yaml"
    "apps/php-fpm.yaml"
    "apps/podman.yaml"
    "apps/postfix.yaml"
    "apps/postgresql.yaml"
    "apps/prometheus-node-exporter.yaml"
    "apps/prometheus.yaml"
    "apps/python.yaml"
    "apps/qemu-guest-agent.yaml"
    "apps/rabbitmq.yaml"
    "apps/redis.yaml"
    "apps/rsyslog.yaml"
    "apps/system.yaml"
    "apps/tomcat.yaml"
    "apps/ufw.yaml"
    "apps/unattended-upgrades.yaml"
    "apps/unbound.yaml"
    "apps/valkey.yaml"
    "bases/almalinux-10.yaml"
    "bases/almalinux-9.yaml"
    "bases/alpine-3.22.yaml"
    "bases/debian-12-cloud.yaml"
    "bases/debian-12.yaml"
    "bases/debian-13-cloud.yaml"
    "bases/debian-13.yaml"
    "bases/fedora-42.yaml"
    "bases/opensuse-leap-15.6.yaml"
    "bases/rocky-10.yaml"
    "bases/rocky-9.yaml"
    "bases/ubuntu-22.04.yaml"
    "bases/ubuntu-24.04.yaml"
}

/// How many files are compiled in.
pub const BUILTIN_FILES: usize = FILES.len();

/// Whether a text of this digest is compiled in.
pub(super) fn is_one(digest: &Digest) -> bool {
    FILES.iter().any(|(_, text)| Digest::of(text) == *digest)
}

/// Adds the compiled-in files to `sources`, as the lowest layer.
pub fn builtin(sources: &mut Sources) -> Layer {
    let files = FILES.iter().map(|(path, text)| sources.add(*path, *text)).collect();
    Layer { name: "built-in".to_owned(), files }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // the test looks at the source tree
mod tests {
    use std::collections::BTreeSet;

    use super::FILES;

    #[test]
    fn every_file_of_the_folder_is_compiled_in() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/builtin");
        let mut found = BTreeSet::new();
        for folder in ["apps", "bases"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                found.insert(format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        let listed: BTreeSet<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, found);
    }
}
