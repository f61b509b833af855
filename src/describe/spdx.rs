//! The bill of materials in SPDX 2.3: <https://spdx.github.io/spdx-spec/v2.3/>.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Inventory, InventoryPackage, Manifest, SbomFormat, license, manifest::Origin};
use crate::text::Digest;

const NONE: &str = "NOASSERTION";
const IMAGE: &str = "SPDXRef-image";

/// The document of an image.
#[must_use]
pub fn document(manifest: &Manifest, inventory: &Inventory) -> Value {
    let mut packages = vec![image(manifest)];
    let mut relationships = vec![relationship("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)];
    let mut licenses = BTreeSet::new();
    // The first artifact stands for the image itself.
    for artifact in manifest.artifacts.iter().skip(1) {
        let id = id("artifact", &artifact.file);
        let mut other = bare(&id, &artifact.file);
        other["packageFileName"] = json!(artifact.file);
        other["checksums"] = json!([sha256(&artifact.sha256.to_string())]);
        packages.push(other);
        relationships.push(relationship(&id, "VARIANT_OF", IMAGE));
    }
    for package in &inventory.packages {
        let id = id(&package.name, &package.purl);
        relationships.push(relationship(IMAGE, "CONTAINS", &id));
        licenses.extend(package.license.iter().flat_map(|text| license::references(text)));
        packages.push(installed(&id, package));
    }
    for download in &manifest.downloads {
        let name = download.url.rsplit('/').next().unwrap_or_default();
        let id = id("download", &format!("{}{:?}", download.url, download.digest));
        if packages.iter().any(|package| package["SPDXID"] == id.as_str()) {
            continue;
        }
        packages.push(downloaded(&id, name, download));
        relationships.push(relationship(IMAGE, "CONTAINS", &id));
    }
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": manifest.image,
        "documentNamespace": manifest.uuid(SbomFormat::Spdx),
        "creationInfo": {
            "created": manifest.created,
            "creators": [format!("Tool: imgfile-{}", manifest.imgfile)],
        },
        "packages": packages,
        "relationships": relationships,
    });
    if !licenses.is_empty() {
        let infos = licenses.into_iter().map(|license| {
            let name = license.trim_start_matches("LicenseRef-");
            json!({
                "licenseId": license,
                "name": name,
                "extractedText": format!("The package calls it {name}; its text is in the package's copyright file."),
            })
        });
        document["hasExtractedLicensingInfos"] = infos.collect();
    }
    document
}

/// The image as a package of packages.
fn image(manifest: &Manifest) -> Value {
    let mut image = bare(IMAGE, &manifest.image);
    image["primaryPackagePurpose"] = json!("OPERATING-SYSTEM");
    image["comment"] = json!(format!(
        "A machine image with {} {} for {}, virtual size {} bytes",
        manifest.os, manifest.os_version, manifest.arch, manifest.disk_size
    ));
    if let Some(description) = &manifest.description {
        image["description"] = json!(description);
    }
    if let Some(first) = manifest.artifacts.first() {
        image["packageFileName"] = json!(first.file);
        image["checksums"] = json!([sha256(&first.sha256.to_string())]);
    }
    image
}

fn installed(id: &str, package: &InventoryPackage) -> Value {
    let mut value = bare(id, &package.name);
    value["versionInfo"] = json!(package.version);
    value["licenseDeclared"] = json!(package.license.as_deref().unwrap_or(NONE));
    value["sourceInfo"] =
        json!(format!("built from the source package {} {}", package.source.name, package.source.version));
    value["supplier"] = json!(package.maintainer.as_deref().map_or_else(|| NONE.to_owned(), supplier));
    value["externalRefs"] = json!([{
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": package.purl,
    }]);
    if let Some(summary) = &package.summary {
        value["summary"] = json!(summary);
    }
    if let Some(homepage) = package.homepage.as_deref().filter(|homepage| is_address(homepage)) {
        value["homepage"] = json!(homepage);
    }
    if let Some(digest) = &package.sha256 {
        value["checksums"] = json!([sha256(&digest.to_string())]);
    }
    value
}

fn downloaded(id: &str, name: &str, download: &Origin) -> Value {
    let mut value = bare(id, if name.is_empty() { "download" } else { name });
    value["primaryPackagePurpose"] = json!("FILE");
    if is_address(&download.url) {
        value["downloadLocation"] = json!(download.url);
    }
    value["checksums"] = checksums(&download.digest);
    value
}

fn checksums(digest: &BTreeMap<String, String>) -> Value {
    let one = |(algorithm, value): (&String, &String)| json!({ "algorithm": algorithm.to_ascii_uppercase(), "checksumValue": value });
    digest.iter().map(one).collect()
}

fn bare(id: &str, name: &str) -> Value {
    json!({
        "SPDXID": id,
        "name": name,
        "downloadLocation": NONE,
        "filesAnalyzed": false,
        "licenseConcluded": NONE,
        "licenseDeclared": NONE,
        "copyrightText": NONE,
    })
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

fn sha256(value: &str) -> Value {
    json!({ "algorithm": "SHA256", "checksumValue": value })
}

/// An identifier that nothing else in the document has: letters, digits, `.` and `-`.
fn id(name: &str, unique: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    format!("SPDXRef-{name}-{}", Digest::of(unique).short())
}

/// `NAME <ADDRESS>` as SPDX has it. Which maintainers are teams, their names tell; the format wants to know.
fn supplier(maintainer: &str) -> String {
    const TEAMS: [&str; 7] = ["team", "group", "maintainers", "developers", "project", "packagers", "debian"];
    let (name, address) = maintainer.split_once('<').unwrap_or((maintainer, ""));
    let clean = |text: &str| text.trim().trim_matches(['"', '>']).replace(['(', ')'], "").trim().to_owned();
    let (name, address) = (clean(name), clean(address));
    if name.is_empty() {
        return NONE.to_owned();
    }
    let lower = name.to_lowercase();
    let kind = if TEAMS.iter().any(|word| lower.contains(word)) { "Organization" } else { "Person" };
    if address.is_empty() { format!("{kind}: {name}") } else { format!("{kind}: {name} ({address})") }
}

/// Whether a text of the guest is a web address, and nothing besides.
pub(super) fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'*+,;=%".contains(c);
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let host_plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    let escapes = text.match_indices('%').all(|(at, _)| {
        text.as_bytes().get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let one_fragment = text.matches('#').count() < 2;
    !host.is_empty() && host.chars().all(host_plain) && text.chars().all(plain) && escapes && one_fragment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maintainer_is_a_person_or_a_team() {
        assert_eq!(supplier("A B <a@b.example>"), "Person: A B (a@b.example)");
        assert_eq!(
            supplier("GNU Libc Maintainers <l@d.example>"),
            "Organization: GNU Libc Maintainers (l@d.example)"
        );
        assert_eq!(supplier("A (x) B"), "Person: A x B");
        assert_eq!(supplier("<a@b>"), NONE);
    }

    #[test]
    fn only_web_addresses_are_taken_for_such() {
        for good in ["https://example.org", "http://a.example/b?c=d#e", "https://a.example/%20"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "ftp://a",
            "https://",
            "https://a b",
            "https://a/<b>",
            "javascript:x",
            "https://a/%2",
            "https://a#b#c",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn identifiers_have_only_what_they_may_and_are_unique() {
        let [a, b] = ["pkg:a", "pkg:b"].map(|purl| id("libstdc++6", purl));
        assert_ne!(a, b);
        assert!(
            a.strip_prefix("SPDXRef-")
                .unwrap()
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
        );
    }
}
