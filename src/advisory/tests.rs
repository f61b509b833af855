use super::*;

const TRIXIE: System<'static> = System { os: "debian", version: "13", codename: Some("trixie") };

fn component(name: &str, source: &str, version: &str) -> Component {
    Component {
        name: name.to_owned(),
        version: version.to_owned(),
        purl: None,
        source: source.to_owned(),
        source_version: version.to_owned(),
        is_assumed: false,
    }
}

/// Identifier, status, severity and fixed version of each finding.
fn shown(found: &[Finding]) -> Vec<(&str, Status, Severity, Option<&str>)> {
    found.iter().map(|one| (one.id.as_str(), one.status, one.severity, one.fixed.as_deref())).collect()
}

const TRACKER: &str = r#"{
  "openssl": {
    "CVE-2026-1": { "description": "a flaw", "scope": "remote", "releases": {
      "trixie": { "status": "resolved", "fixed_version": "3.5.1-1+deb13u2", "urgency": "high**" },
      "bookworm": { "status": "open", "urgency": "low" } } },
    "CVE-2026-2": { "releases": { "trixie": { "status": "open", "urgency": "unimportant" } } },
    "CVE-2026-3": { "releases": { "trixie": { "status": "resolved", "fixed_version": "0", "urgency": "high" } } },
    "CVE-2026-4": { "releases": { "trixie": { "status": "undetermined", "urgency": "not yet assigned" } } },
    "CVE-2026-5": { "releases": { "bookworm": { "status": "open", "urgency": "high" } } }
  },
  "other": { "CVE-2026-6": { "releases": { "trixie": { "status": "open", "urgency": "high" } } } }
}"#;

#[test]
fn the_trackers_statuses_are_understood() {
    let advisories = Advisories::read(TRACKER.as_bytes(), TRIXIE).unwrap();
    let old = component("libssl3t64", "openssl", "3.5.1-1+deb13u1");
    let new = component("openssl", "openssl", "3.5.1-1+deb13u2");
    assert_eq!(
        shown(&advisories.findings(std::slice::from_ref(&old))),
        [
            ("CVE-2026-1", Status::Affected, Severity::High, Some("3.5.1-1+deb13u2")),
            ("CVE-2026-2", Status::Affected, Severity::Negligible, None),
            ("CVE-2026-4", Status::UnderInvestigation, Severity::Unknown, None),
        ]
    );
    let both = advisories.findings(&[old, new]);
    let first = |status| both.iter().find(|one| one.id == "CVE-2026-1" && one.status == status).unwrap();
    assert_eq!(first(Status::Affected).packages[0].name, "libssl3t64");
    assert_eq!(first(Status::Fixed).packages[0].name, "openssl");
    let bookworm = System { version: "12", codename: Some("bookworm"), ..TRIXIE };
    let advisories = Advisories::read(TRACKER.as_bytes(), bookworm).unwrap();
    assert_eq!(advisories.findings(&[component("openssl", "openssl", "3")]).len(), 2);
    let ubuntu = System { os: "ubuntu", ..TRIXIE };
    assert!(Advisories::read(TRACKER.as_bytes(), ubuntu).unwrap().0.is_empty());
}

const OSV: &str = r#"[
  { "id": "DSA-1", "aliases": ["CVE-2026-1"], "summary": "bad\nmore", "affected": [
    { "package": { "ecosystem": "Debian:13", "name": "curl" },
      "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "8.14.1-2+deb13u1" }] }],
      "ecosystem_specific": { "urgency": "not yet assigned" } },
    { "package": { "ecosystem": "Debian:12", "name": "curl" },
      "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }] }] }],
    "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }] },
  { "id": "X-2", "affected": [{ "package": { "ecosystem": "Debian", "name": "curl" }, "ranges": [
      { "type": "ECOSYSTEM", "events": [{ "introduced": "8.0" }, { "last_affected": "8.14.1-2" }] },
      { "type": "GIT", "events": [{ "introduced": "0" }] }] }], "database_specific": { "severity": "MODERATE" } },
  { "id": "X-3", "withdrawn": "2026-01-01T00:00:00Z",
    "affected": [{ "package": { "ecosystem": "Debian:13", "name": "curl" }, "versions": ["8.14.1-2"] }] },
  { "id": "X-4", "affected": [{ "package": { "ecosystem": "Debian:13", "name": "curl" }, "versions": ["8.14.1-2"] }] },
  { "id": "X-5", "affected": [{ "package": { "ecosystem": "Alpine:v3.20", "name": "curl" }, "versions": ["8.14.1-2"] }] }
]"#;

#[test]
fn ranges_and_versions_of_osv_are_understood() {
    let advisories = Advisories::read(OSV.as_bytes(), TRIXIE).unwrap();
    let found = |version: &str| {
        let found = advisories.findings(&[component("libcurl4t64", "curl", version)]);
        found.iter().map(|one| format!("{} {:?} {}", one.id, one.status, one.severity)).collect::<Vec<_>>()
    };
    assert_eq!(found("8.14.1-2"), ["DSA-1 Affected critical", "X-2 Affected medium", "X-4 Affected unknown"]);
    assert_eq!(found("7.0-1"), ["DSA-1 Affected critical"]);
    assert_eq!(found("8.14.1-2+deb13u1"), ["DSA-1 Fixed critical"]);
    let all = advisories.findings(&[component("curl", "curl", "8.14.1-2")]);
    assert_eq!(
        (all[0].summary.as_deref(), all[0].aliases.as_slice()),
        (Some("bad"), &["CVE-2026-1".to_owned()][..])
    );
    let alpine = System { os: "alpine", version: "3.20.3", codename: None };
    assert_eq!(
        Advisories::read(OSV.as_bytes(), alpine)
            .unwrap()
            .findings(&[component("curl", "curl", "8.14.1-2")])
            .len(),
        1
    );
}

#[test]
fn one_record_and_an_answer_of_the_api_are_read_too() {
    let record = r#"{ "id": "A", "affected": [{ "package": { "ecosystem": "Debian:13", "name": "a" }, "versions": ["1"] }] }"#;
    for text in [record.to_owned(), format!("{{ \"vulns\": [{record}] }}")] {
        let advisories = Advisories::read(text.as_bytes(), TRIXIE).unwrap();
        assert_eq!(advisories.findings(&[component("a", "a", "1")]).len(), 1, "{text}");
    }
    for text in ["", "[1]", "<html>", "{\"a\": 1}"] {
        assert!(Advisories::read(text.as_bytes(), TRIXIE).is_err(), "{text}");
    }
}

#[test]
fn an_epoch_that_only_the_binary_package_has_hides_nothing() {
    let compared = |version: &str, limit: &str, assumed| {
        compare(&version.parse().unwrap(), &limit.parse().unwrap(), assumed)
    };
    assert!(compared("1:2.41-4", "2.41-5", true).is_lt());
    assert!(compared("1:2.41-4", "2.41-5", false).is_gt());
    assert!(compared("1:2.41-4", "1:2.41-5", true).is_lt());
}

#[test]
fn the_document_for_others_says_what_to_do() {
    let advisories = Advisories::read(TRACKER.as_bytes(), TRIXIE).unwrap();
    let findings = advisories.findings(&[component("libssl3t64", "openssl", "3.5.1-1+deb13u1")]);
    let value = super::vex(&[("web.qcow2", crate::text::Digest::of("x"))], "2026-01-01T00:00:00Z", &findings);
    let statements = value["statements"].as_array().unwrap();
    assert_eq!(statements[0]["status"], "affected");
    assert_eq!(statements[0]["action_statement"], "update openssl to 3.5.1-1+deb13u2");
    assert_eq!(statements[1]["action_statement"], "no fixed version of openssl is known");
    assert_eq!(statements[2]["status"], "under_investigation");
    assert_eq!(
        value,
        super::vex(&[("web.qcow2", crate::text::Digest::of("x"))], "2026-01-01T00:00:00Z", &findings)
    );
}

#[test]
fn a_locked_package_is_of_the_source_in_whose_folder_it_lies() {
    let selected = |path: &str, version: &str| Selected {
        name: "libssl3t64".into(),
        version: version.parse().unwrap(),
        arch: "amd64".into(),
        sha256: crate::text::Digest::of("deb"),
        size: 1,
        installed_size: 1,
        origin: crate::packages::Origin { archive: "debian".into(), path: path.into() },
        stage: 0,
        auto: false,
    };
    let source = |path: &str, version: &str| {
        let found = super::component(&selected(path, version));
        (found.source, found.source_version, found.is_assumed)
    };
    let own = |name: &str, version: &str| (name.to_owned(), version.to_owned(), true);
    assert_eq!(
        source("pool/main/o/openssl/libssl3t64_3.5.1-1+b2_amd64.deb", "3.5.1-1+b2"),
        own("openssl", "3.5.1-1")
    );
    assert_eq!(source("pool/updates/main/o/openssl/x.deb", "3.5.1-1+beta"), own("openssl", "3.5.1-1+beta"));
    assert_eq!(source("x.deb", "1"), own("libssl3t64", "1"));
}
