//! What a finished disk says it consists of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    apk, dpkg, license,
    package::{InventoryPackage, plain},
    purl,
};
use crate::{
    model::{APK, DPKG, PackageDatabase},
    packages::SystemFiles,
    text::Digest,
};

/// Bytes of a copyright file that are read; the longest of Debian have some hundred thousand.
pub const COPYRIGHT_LIMIT: u64 = 1 << 20;

/// The system of a disk and its packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// `ID`, `VERSION_ID`, `VERSION_CODENAME` and `PRETTY_NAME` of os-release, where it has them.
    pub os_release: BTreeMap<String, String>,
    /// The package databases that were found: `dpkg`, `apk`.
    pub databases: Vec<String>,
    /// By name, architecture and version.
    pub packages: Vec<InventoryPackage>,
    /// When the disk was finished, in seconds since 1970.
    pub finished: u64,
}

/// How what a database lists as installed is read.
type Reader = fn(&str) -> Vec<InventoryPackage>;

static READERS: [(&PackageDatabase, Reader); 2] = [(&DPKG, dpkg::packages), (&APK, apk::packages)];

/// Fields of os-release that are kept.
const OS_RELEASE: [&str; 4] = ["ID", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME"];

impl Inventory {
    /// Reads what was brought out of a disk: the databases, os-release, and copyright files.
    #[must_use]
    pub fn read(files: &SystemFiles, finished: u64) -> Self {
        let text = ["/etc/os-release", "/usr/lib/os-release"].into_iter().find_map(|path| files.text(path));
        let os_release = os_release(&text.unwrap_or_default());
        let mut inventory = Self { os_release, finished, ..Self::default() };
        for (database, packages) in READERS {
            if let Some(installed) = database.installed.iter().find_map(|path| files.text(path)) {
                inventory.databases.push(database.program.to_owned());
                inventory.packages.extend(packages(&installed));
            }
        }
        for package in &mut inventory.packages {
            package.purl = purl::of_package(package, &inventory.os_release);
            if package.license.is_none() {
                let copyright = files.text(&copyright_path(&package.name));
                package.license = copyright.and_then(|text| license::of_copyright(&text));
            }
        }
        inventory.packages.sort();
        inventory
    }

    /// The names of packages whose copyright files are wanted, each once: a database is text of the guest.
    #[must_use]
    pub fn with_copyright_files(status: &str) -> Vec<String> {
        let mut names: Vec<String> = dpkg::packages(status).into_iter().map(|package| package.name).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Takes over the digests of package files: `known` has them by name, version and architecture.
    pub fn vouch(&mut self, known: &BTreeMap<(&str, &str, &str), Digest>) {
        for package in &mut self.packages {
            let key = (package.name.as_str(), package.version.as_str(), package.arch.as_str());
            if let Some(digest) = known.get(&key) {
                package.sha256 = Some(*digest);
            }
        }
    }

    /// Digests of package files, for an image that stands on this one.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<(&str, &str, &str), Digest> {
        self.packages
            .iter()
            .filter_map(|package| {
                let key = (package.name.as_str(), package.version.as_str(), package.arch.as_str());
                package.sha256.map(|digest| (key, digest))
            })
            .collect()
    }
}

/// Where Debian's policy has a package say its licence.
#[must_use]
pub fn copyright_path(package: &str) -> String {
    format!("/usr/share/doc/{package}/copyright")
}

/// `KEY=value` lines, as a shell would read them (os-release(5)).
fn os_release(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
    let kept = pairs.filter(|(key, _)| OS_RELEASE.contains(key));
    kept.map(|(key, value)| {
        let value = value.trim();
        let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        (key.to_owned(), plain(quoted.unwrap_or(value)))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::package::LONGEST, *};

    fn files(list: &[(&str, &str)]) -> SystemFiles {
        let mut files = SystemFiles::default();
        for (path, text) in list {
            files.insert(*path, *text);
        }
        files
    }

    #[test]
    fn packages_come_from_the_database_with_licences_and_digests() {
        let status = "Package: jq\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.7.1-6+b1\n\
                      Source: jq-src (1.7.1-6)\nMaintainer: A <a@example.org>\nHomepage: https://jq.example\n\
                      Description: a tool\n and more\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n";
        let copyright = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
                         Files: *\nLicense: Expat\n";
        let os = "ID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\nBUG=1\n";
        let mut inventory = Inventory::read(
            &files(&[
                (DPKG.installed[0], status),
                ("/usr/share/doc/jq/copyright", copyright),
                ("/etc/os-release", os),
            ]),
            7,
        );
        let digest = Digest::of("jq");
        inventory.vouch(&BTreeMap::from([(("jq", "1.7.1-6+b1", "amd64"), digest)]));
        assert_eq!(inventory.packages.len(), 1, "what is not installed is not there");
        let jq = &inventory.packages[0];
        assert_eq!(jq.purl, "pkg:deb/debian/jq@1.7.1-6%2Bb1?arch=amd64&distro=trixie");
        assert_eq!((jq.source.name.as_str(), jq.source.version.as_str()), ("jq-src", "1.7.1-6"));
        assert_eq!((jq.license.as_deref(), jq.sha256), (Some("MIT"), Some(digest)));
        assert_eq!(jq.summary.as_deref(), Some("a tool"));
        assert_eq!(inventory.digests().len(), 1);
        assert_eq!(inventory.os_release.len(), 3);
    }

    #[test]
    fn a_disk_without_a_database_says_so() {
        let inventory = Inventory::read(&files(&[("/etc/os-release", "ID='x'\n")]), 0);
        assert_eq!((inventory.databases.len(), inventory.packages.len()), (0, 0));
        assert_eq!(inventory.os_release["ID"], "x");
    }

    #[test]
    fn what_the_guest_says_is_bounded_and_printable() {
        let status = format!(
            "Package: a\u{1b}[31m\nStatus: install ok installed\nArchitecture: all\nVersion: {}\n",
            "9".repeat(5000)
        );
        let inventory = Inventory::read(&files(&[(DPKG.installed[0], &status)]), 0);
        let package = &inventory.packages[0];
        assert_eq!((package.name.as_str(), package.version.len()), ("a[31m", LONGEST));
    }
}
