//! What advisories mean for an image, as an OpenVEX document: <https://github.com/openvex/spec>, version 0.2.0.

use serde_json::{Value, json};

use super::{Finding, Status};
use crate::text::Digest;

/// The document about products, each an artifact with its digest. `created` is a time as RFC 3339 has it.
#[must_use]
pub fn document(products: &[(&str, Digest)], created: &str, findings: &[Finding]) -> Value {
    let statements: Vec<Value> = findings.iter().map(|finding| statement(products, finding)).collect();
    let content = serde_json::to_string(&statements).unwrap_or_default();
    let id = Digest::of(format!("{products:?}{created}{content}"));
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": format!("urn:imgfile:vex:{id}"),
        "author": "imgfile",
        "timestamp": created,
        "version": 1,
        "statements": statements,
    })
}

fn statement(products: &[(&str, Digest)], finding: &Finding) -> Value {
    let packages: Vec<Value> = finding
        .packages
        .iter()
        .map(|package| {
            let id = package.purl.clone().unwrap_or_else(|| format!("{}@{}", package.name, package.version));
            json!({ "@id": id })
        })
        .collect();
    let products: Vec<Value> = products
        .iter()
        .map(|(name, digest)| {
            let id = format!("pkg:generic/{name}?checksum=sha256:{digest}");
            json!({ "@id": id, "hashes": { "sha-256": digest }, "subcomponents": packages })
        })
        .collect();
    let mut value = json!({
        "vulnerability": { "name": finding.id, "aliases": finding.aliases },
        "products": products,
        "status": match finding.status {
            Status::Affected => "affected",
            Status::UnderInvestigation => "under_investigation",
            Status::Fixed => "fixed",
        },
    });
    if finding.status == Status::Affected {
        value["action_statement"] = json!(match &finding.fixed {
            Some(fixed) => format!("update {} to {fixed}", finding.source),
            None => format!("no fixed version of {} is known", finding.source),
        });
    }
    value
}
