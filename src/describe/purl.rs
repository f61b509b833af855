//! Package URLs, by the purl specification (ECMA-427): `pkg:deb/debian/jq@1.7.1-6?arch=amd64&distro=trixie`.

use std::collections::BTreeMap;

use super::package::{InventoryPackage, PackageKind};

/// The URL of a package in a system with this os-release.
pub(super) fn of_package(package: &InventoryPackage, os_release: &BTreeMap<String, String>) -> String {
    let os = |key: &str| os_release.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let (kind, vendor, release) = match package.kind {
        PackageKind::Deb => ("deb", "debian", os("VERSION_CODENAME").or(os("VERSION_ID"))),
        PackageKind::Apk => ("apk", "alpine", os("VERSION_ID")),
    };
    let parts = [&package.name, &package.version, &package.arch].map(String::as_str);
    package_url(kind, os("ID").unwrap_or(vendor), parts, release)
}

/// The URL of a package: name, version and architecture.
pub(super) fn package_url(
    kind: &str,
    vendor: &str,
    [name, version, arch]: [&str; 3],
    release: Option<&str>,
) -> String {
    let distro = release.map(|release| format!("&distro={}", encoded(release))).unwrap_or_default();
    let (vendor, name) = (vendor.to_ascii_lowercase(), name.to_ascii_lowercase());
    let [vendor, name, version, arch] = [&vendor, &name, version, arch].map(encoded);
    format!("pkg:{kind}/{vendor}/{name}@{version}?arch={arch}{distro}")
}

/// Letters, digits and `.-_~` as they are, and the colon, which the specification takes out; all else by its bytes.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::package_url;

    #[test]
    fn what_means_something_in_a_url_is_encoded() {
        let cases = [
            (
                ["libstdc++6", "14.2.0-19", "amd64"],
                "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64&distro=trixie",
            ),
            (["attr", "1:2.5.1-4~x+y", "all"], "pkg:deb/debian/attr@1:2.5.1-4~x%2By?arch=all&distro=trixie"),
            (["a/b?c#d@e", "1&2", "x y"], "pkg:deb/debian/a%2Fb%3Fc%23d%40e@1%262?arch=x%20y&distro=trixie"),
        ];
        for (parts, url) in cases {
            assert_eq!(package_url("deb", "Debian", parts, Some("trixie")), url);
        }
        assert_eq!(
            package_url("apk", "alpine", ["a", "1", "x86_64"], None),
            "pkg:apk/alpine/a@1?arch=x86_64"
        );
    }
}
