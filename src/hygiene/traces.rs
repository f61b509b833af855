//! What a build leaves behind.

use super::finding::Findings;
use super::rules::BUILD_TRACES;
use super::system::{System, Wanted};

/// What the agent brings, and what hides services from packages that are installed while nothing runs.
const PLACES: [(&str, &str); 8] = [
    ("/run/imgfile", "is where a build's agent works"),
    ("/usr/lib/imgfile-agent", "is a build's agent"),
    ("/etc/systemd/system/imgfile-agent.service", "starts a build's agent"),
    ("/etc/systemd/system/multi-user.target.wants/imgfile-agent.service", "starts a build's agent"),
    ("/etc/init.d/imgfile-agent", "starts a build's agent"),
    ("/etc/runlevels/default/imgfile-agent", "starts a build's agent"),
    ("/run/secrets", "is where a build shows secrets"),
    ("/.imgfile", "is a build's"),
];
const POLICY: &str = "/usr/sbin/policy-rc.d";

pub(super) fn wants(_: &System<'_>) -> Vec<Wanted> {
    vec![Wanted::text(POLICY)]
}

pub(super) fn look(system: &System<'_>, findings: &mut Findings) {
    for (path, is) in PLACES {
        if system.tree.find(path).is_some() {
            findings.file(BUILD_TRACES, path, is);
        }
    }
    let policy = system.text(POLICY).unwrap_or_default();
    if policy.lines().any(|line| line.trim() == "exit 101") {
        findings.file(BUILD_TRACES, POLICY, "keeps packages from starting their services");
    }
}
