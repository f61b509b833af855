//! Packages of apk's database, for an inventory: paragraphs of `X:value` lines (apk-db(5)).

use super::{
    license,
    package::{InventoryPackage, PackageKind, SourcePackage, plain},
};

/// Every package of the database, which has what is installed and nothing else.
pub(super) fn packages(installed: &str) -> Vec<InventoryPackage> {
    installed
        .split("\n\n")
        .filter_map(|paragraph| {
            let field = |letter: &str| {
                let lines = paragraph.lines();
                // `F:` begins the list of its files, in which letters mean other things.
                lines
                    .take_while(|line| !line.starts_with("F:"))
                    .find_map(|line| line.strip_prefix(letter)?.strip_prefix(':'))
                    .map(plain)
                    .filter(|value| !value.is_empty())
            };
            let (name, version) = (field("P")?, field("V")?);
            Some(InventoryPackage {
                kind: PackageKind::Apk,
                arch: field("A")?,
                purl: String::new(),
                source: SourcePackage {
                    name: field("o").unwrap_or_else(|| name.clone()),
                    version: version.clone(),
                },
                maintainer: field("m"),
                homepage: field("U"),
                summary: field("T"),
                license: field("L").and_then(|text| license::of_apk(&text)),
                sha256: None,
                name,
                version,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_apk_is_read() {
        let text = "C:Q1abc=\nP:busybox\nV:1.36.1-r29\nA:x86_64\nS:1\nT:Size optimized toolbox\nU:https://b.example/\n\
                    L:GPL-2.0-only\no:busybox\nm:A <a@example.org>\nF:bin\nR:busybox\na:0:0:755\n\n\
                    P:busybox-binsh\nV:1.36.1-r29\nA:x86_64\nL:custom AND MIT\no:busybox\n\nP:half\n";
        let found = packages(text);
        let shown: Vec<_> = found
            .iter()
            .map(|one| (one.name.as_str(), one.source.name.as_str(), one.license.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                ("busybox", "busybox", Some("GPL-2.0-only")),
                ("busybox-binsh", "busybox", Some("LicenseRef-custom AND MIT"))
            ]
        );
        assert_eq!(found[0].summary.as_deref(), Some("Size optimized toolbox"));
    }
}
