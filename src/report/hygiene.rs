//! What breaks the rules for finished disks, for programs.

use serde_json::json;

use super::machine::{sarif_log, uri};
use crate::hygiene::{Finding, RULES, Severity};

/// Findings about a disk as a SARIF 2.1.0 log: each is at the disk's file, with the path inside it as a logical location.
#[must_use]
pub fn disk_sarif(disk: &str, findings: &[&Finding]) -> String {
    let level = |severity: Severity| severity.as_str();
    let rules: Vec<_> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "help": { "text": format!("imgfile explain {}", rule.id) },
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .collect();
    let results: Vec<_> = findings
        .iter()
        .filter_map(|finding| {
            let rule = finding.rule()?;
            let mut location = json!({ "physicalLocation": { "artifactLocation": { "uri": uri(disk) } } });
            if let Some(path) = &finding.path {
                location["logicalLocations"] = json!([{ "fullyQualifiedName": path, "kind": "resource" }]);
            }
            Some(json!({
                "ruleId": rule.id,
                "ruleIndex": RULES.iter().position(|one| one == rule),
                "level": level(rule.severity),
                "message": { "text": finding.message },
                "locations": [location],
            }))
        })
        .collect();
    sarif_log(&rules, &results)
}
