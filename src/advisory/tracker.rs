//! The Debian security tracker's JSON: source packages, in each the flaws, in each the releases
//! (<https://security-tracker.debian.org/tracker/>, "JSON data").

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Affected, Entry, Severity, System, line};

#[derive(Deserialize)]
struct Flaw {
    #[serde(default)]
    description: Option<String>,
    releases: BTreeMap<String, Release>,
}

#[derive(Deserialize)]
struct Release {
    status: String,
    #[serde(default)]
    fixed_version: Option<String>,
    #[serde(default)]
    urgency: Option<String>,
}

pub(super) fn read(
    bytes: &[u8],
    system: System<'_>,
) -> Result<BTreeMap<String, Vec<Entry>>, serde_json::Error> {
    let all: BTreeMap<String, BTreeMap<String, Flaw>> = serde_json::from_slice(bytes)?;
    let mut found = BTreeMap::new();
    let Some(codename) = system.codename.filter(|_| system.os == "debian") else { return Ok(found) };
    for (source, flaws) in all {
        let entries: Vec<Entry> =
            flaws.into_iter().filter_map(|(id, flaw)| entry(id, &flaw, codename)).collect();
        if !entries.is_empty() {
            found.insert(source, entries);
        }
    }
    Ok(found)
}

fn entry(id: String, flaw: &Flaw, codename: &str) -> Option<Entry> {
    let release = flaw.releases.get(codename)?;
    let affected = match (release.status.as_str(), release.fixed_version.as_deref()) {
        // Version 0 says that the release never had it.
        ("resolved", Some("0")) => return None,
        ("resolved", Some(fixed)) => Affected::Range { from: None, fixed: fixed.parse().ok() },
        ("open", _) => Affected::All,
        ("undetermined", _) => Affected::Undetermined,
        _ => return None,
    };
    Some(Entry {
        id,
        aliases: Vec::new(),
        summary: flaw.description.as_deref().and_then(line),
        severity: release.urgency.as_deref().and_then(Severity::named).unwrap_or(Severity::Unknown),
        affected: vec![affected],
    })
}
