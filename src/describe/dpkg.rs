//! Packages of dpkg's status file, for an inventory.

use super::package::{InventoryPackage, PackageKind, SourcePackage, plain};
use crate::packages::stanzas;

/// Every package that is wholly installed.
pub(super) fn packages(status: &str) -> Vec<InventoryPackage> {
    stanzas(status)
        .filter_map(|stanza| {
            if stanza.get("Status")?.split_whitespace().nth(2) != Some("installed") {
                return None;
            }
            let (name, version) = (plain(stanza.get("Package")?), plain(stanza.get("Version")?));
            let line = |field| stanza.get(field).and_then(|text| text.lines().next()).map(plain);
            Some(InventoryPackage {
                kind: PackageKind::Deb,
                arch: plain(stanza.get("Architecture")?),
                purl: String::new(),
                source: source(stanza.get("Source"), &name, &version),
                maintainer: line("Maintainer"),
                homepage: line("Homepage"),
                summary: line("Description"),
                license: None,
                sha256: None,
                name,
                version,
            })
        })
        .collect()
}

/// `Source: NAME` or `NAME (VERSION)`; without it the binary package is called as its source.
fn source(field: Option<&str>, name: &str, version: &str) -> SourcePackage {
    let (source, other) = match field.map(|text| text.split_once(" (").unwrap_or((text, ""))) {
        Some((source, other)) => (source.trim(), other.trim_end_matches(')')),
        None => (name, ""),
    };
    let version = if other.is_empty() { version } else { other };
    SourcePackage { name: plain(source), version: plain(version) }
}
