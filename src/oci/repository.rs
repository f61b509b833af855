//! Where in a registry things are: `oci://registry.example/team/images`.

use std::fmt;

/// A repository of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Such as `registry.example:5000`.
    host: String,
    /// Such as `team/images`.
    path: String,
}

/// Bytes of a repository's name, by the specification of most registries.
const LONGEST: usize = 200;

impl Repository {
    /// Reads `oci://HOST[:PORT]/PATH`; none if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, path) = text.strip_prefix("oci://")?.trim_end_matches('/').split_once('/')?;
        let good = is_host(host) && path.len() <= LONGEST && path.split('/').all(is_part);
        good.then(|| Self { host: host.to_owned(), path: path.to_owned() })
    }

    /// The registry, with its port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository in it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it is on this host itself, where nobody listens on the way.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let name = match self.host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.host.split(':').next().unwrap_or_default(),
        };
        let address = name.parse::<std::net::IpAddr>();
        name == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.path)
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let name = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(known)
        }
    };
    name && port
}

/// Whether a part of a path is one by the specification: lower case, digits, and signs between them.
fn is_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(plain)
        && part.ends_with(plain)
        && part.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_registry_and_a_name_in_it() {
        for good in [
            "oci://registry.example/team",
            "oci://registry.example:5000/team/images",
            "oci://[::1]:5000/a",
            "oci://localhost/a-b.c__d",
        ] {
            assert_eq!(Repository::parse(good).map(|one| one.to_string()).as_deref(), Some(good));
        }
        for bad in [
            "registry.example/team",
            "https://registry.example/team",
            "oci://registry.example",
            "oci://registry.example/",
            "oci://registry.example/Team",
            "oci://registry.example/../a",
            "oci://registry.example/a//b",
            "oci://user:password@registry.example/a",
            "oci://registry.example:0/a",
            "oci://registry.example/a?b",
            "oci:///a",
        ] {
            assert_eq!(Repository::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_this_host_is_this_host() {
        let is = |host: &str| Repository::parse(&format!("oci://{host}/a")).unwrap().is_loopback();
        assert!(
            ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"].into_iter().all(is)
        );
        assert!(!["localhost.example", "127.0.0.1.example", "10.0.0.1", "[fe80::1]"].into_iter().any(is));
    }
}
