//! Files that no package brought, compared between two builds of one ImageFile: what differs was generated while
//! building, and all instances of an image would share it.

use std::collections::BTreeMap;

/// A test of an ImageFile that lists them: small files that neither a package nor a manager of packages keeps.
pub const LISTING: &str = r#"
  test "generated" <<-SH { offline = true, user = root }
    #!/bin/bash -e
    find /etc /var/lib /root /home /opt -xdev -type f -size -64k ! -path '/var/lib/dpkg/*' ! -path '/var/lib/apt/*' |
      sort > /run/all
    cat /var/lib/dpkg/info/*.list | sort -u > /run/listed
    comm -23 /run/all /run/listed | xargs -r -d '\n' sha256sum | sed 's/^/generated: /'
  SH
"#;

/// What may differ without being anybody's secret or name: data of databases, whose files hold times. The aliases of
/// mail are one of Berkeley DB, which puts the second and the process of its making into the head of a file.
const DATA: [&str; 4] =
    ["/var/lib/mysql/", "/var/lib/postgresql/", "/etc/ssl/certs/java/cacerts", "/etc/aliases.db"];

/// Digests by path, from what the test printed.
pub fn listed(log: &str) -> BTreeMap<String, String> {
    log.lines()
        .filter_map(|line| line.split_once("generated: ")?.1.split_once("  "))
        .map(|(digest, path)| (path.to_owned(), digest.to_owned()))
        .collect()
}

/// Paths whose content is another one in each build.
pub fn differing(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    one.iter()
        .filter(|(path, digest)| other.get(*path).is_some_and(|there| there != *digest))
        .map(|(path, _)| path.clone())
        .filter(|path| !DATA.iter().any(|data| path.starts_with(data)))
        .collect()
}
