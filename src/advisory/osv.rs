//! OSV's format (<https://ossf.github.io/osv-schema/>): one record, a list of them, or what its API answers
//! (`{"vulns": […]}`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Affected, Entry, Severity, System, cvss, line};

#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Answer { vulns: Vec<Record> },
    One(Record),
    List(Vec<Record>),
}

#[derive(Deserialize)]
struct Record {
    id: String,
    affected: Vec<Package>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    upstream: Vec<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    severity: Vec<Score>,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct Score {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

#[derive(Deserialize)]
struct Package {
    #[serde(rename = "package")]
    named: Named,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    severity: Vec<Score>,
    #[serde(default)]
    ecosystem_specific: Value,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct Named {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    events: Vec<BTreeMap<String, String>>,
}

pub(super) fn read(
    bytes: &[u8],
    system: System<'_>,
) -> Result<BTreeMap<String, Vec<Entry>>, serde_json::Error> {
    let records = match serde_json::from_slice(bytes)? {
        File::Answer { vulns } => vulns,
        File::One(record) => vec![record],
        File::List(records) => records,
    };
    let mut found: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.withdrawn.is_none()) {
        for package in record.affected.iter().filter(|package| is_of(&package.named.ecosystem, system)) {
            found.entry(package.named.name.clone()).or_default().push(entry(record, package));
        }
    }
    Ok(found)
}

/// Whether an ecosystem is that of a system: `Debian:13`, `Debian`, `Ubuntu:24.04:LTS`, `Alpine:v3.20`.
fn is_of(ecosystem: &str, system: System<'_>) -> bool {
    let mut parts = ecosystem.split(':');
    let name = parts.next().unwrap_or_default();
    let release = parts.next().map(|release| release.trim_start_matches('v'));
    // Alpine's releases are named by their first two numbers.
    let is_release = |release: &str| {
        release == system.version
            || system
                .version
                .strip_prefix(release)
                .is_some_and(|rest| system.os == "alpine" && rest.starts_with('.'))
    };
    name.eq_ignore_ascii_case(system.os) && release.is_none_or(is_release)
}

fn entry(record: &Record, package: &Package) -> Entry {
    let of_ranges = package.ranges.iter().filter(|range| range.kind == "ECOSYSTEM");
    let mut affected: Vec<Affected> = of_ranges.flat_map(|range| ranges(&range.events)).collect();
    affected
        .extend(package.versions.iter().filter_map(|version| Some(Affected::Exactly(version.parse().ok()?))));
    let mut aliases: Vec<String> = record.aliases.iter().chain(&record.upstream).cloned().collect();
    aliases.sort();
    aliases.dedup();
    Entry {
        id: record.id.clone(),
        aliases,
        summary: record.summary.as_deref().or(record.details.as_deref()).and_then(line),
        severity: severity(record, package),
        affected,
    }
}

/// Events in their order: each `introduced` begins a range, which the next `fixed` or `last_affected` ends.
fn ranges(events: &[BTreeMap<String, String>]) -> Vec<Affected> {
    let (mut found, mut begun) = (Vec::new(), None);
    for (kind, version) in events.iter().flatten() {
        match (kind.as_str(), begun.take()) {
            ("introduced", before) => {
                found.extend(before.map(|from| Affected::Range { from, fixed: None }));
                begun = Some(version.parse().ok().filter(|_| version != "0"));
            }
            ("fixed", from) => {
                found.push(Affected::Range { from: from.flatten(), fixed: version.parse().ok() });
            }
            ("last_affected", from) => {
                found.extend(version.parse().ok().map(|last| Affected::Until { from: from.flatten(), last }));
            }
            (_, before) => begun = before,
        }
    }
    found.extend(begun.map(|from| Affected::Range { from, fixed: None }));
    found
}

/// What the publisher says in words, else what the worst score is worth.
fn severity(record: &Record, package: &Package) -> Severity {
    let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).and_then(Severity::named);
    let said = [
        word(&package.ecosystem_specific, "urgency"),
        word(&package.ecosystem_specific, "severity"),
        word(&package.database_specific, "severity"),
        word(&record.database_specific, "severity"),
    ];
    let scores = package.severity.iter().chain(&record.severity);
    let scored = scores.filter_map(|score| match score.kind.as_str() {
        "CVSS_V3" => cvss::severity(&score.score),
        _ => Severity::named(&score.score),
    });
    said.into_iter().flatten().next().or_else(|| scored.max()).unwrap_or(Severity::Unknown)
}
