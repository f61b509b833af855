//! What a plan pins, as the lock keeps it.

use std::collections::BTreeMap;

use super::{Action, CopyFrom, ImagePlan, ScriptStep, TestCheck};
use crate::{
    catalog,
    check::{ArchiveSource, ImageSpec},
    lock::{LockedApp, LockedBase, LockedImage, LockedRepository, LockedSource, OptionValue},
    packages::Solution,
    resolve::Resolution,
    text::{Digest, Spanned},
};

/// The lock's entry of one image.
#[must_use]
pub fn locked_image(
    spec: &ImageSpec,
    resolution: &Resolution,
    plan: &ImagePlan,
    base: LockedSource,
    solution: &Solution,
    temporary: &[String],
) -> LockedImage {
    LockedImage {
        os: resolution.os.distro.clone(),
        os_version: resolution.os.version.to_string(),
        arch: resolution.arch.clone(),
        base: LockedBase {
            name: resolution.base.name.clone(),
            version: resolution.base.version.to_string(),
            source: base,
        },
        apps: resolution
            .own_apps()
            .map(|app| {
                let options = app.options.iter().map(|(name, value)| (name.clone(), option(value))).collect();
                let locked = LockedApp {
                    version: app.version.to_string(),
                    definition: app.definition.to_string(),
                    options,
                };
                (app.name.clone(), locked)
            })
            .collect(),
        inputs: inputs(plan).into_iter().map(|(name, digest)| (name, digest.to_string())).collect(),
        repositories: repositories(spec, resolution),
        requested: requested(spec, resolution),
        upgrade: spec.base.upgrade,
        packages: solution.install.clone(),
        removed: solution.remove.clone(),
        now_manual: solution.now_manual.clone(),
        temporary: temporary.to_vec(),
        artifact: None,
    }
}

/// What the ImageFile and its applications ask for by name, as apt takes it.
#[must_use]
pub fn requested(spec: &ImageSpec, resolution: &Resolution) -> Vec<String> {
    let written = spec.packages.iter().map(|package| {
        let marks = [(package.recommends, " (recommends)"), (!package.keep, " (temporary)")];
        let marks: String = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect();
        request(&package.name, package.version.as_deref()) + &marks
    });
    let apps = resolution.own_apps().flat_map(|app| &app.packages);
    let apps = apps.map(|package| request(&package.name, package.version.as_deref()));
    let removed = spec.removed_packages.iter().map(|package| format!("{}-", package.name));
    let replaced = resolution.own_apps().flat_map(|app| &app.replaces).map(|name| format!("{name}-"));
    let mut all: Vec<String> = written.chain(apps).chain(removed).chain(replaced).collect();
    all.sort();
    all.dedup();
    all
}

fn request(name: &str, version: Option<&str>) -> String {
    match version {
        None => name.to_owned(),
        Some(version) if version.starts_with(['<', '>', '!']) => format!("{name} {version}"),
        Some(version) => format!("{name}={version}"),
    }
}

fn repositories(spec: &ImageSpec, resolution: &Resolution) -> Vec<LockedRepository> {
    let brought =
        resolution.own_apps().flat_map(|app| &app.repositories).map(|repository| LockedRepository {
            url: repository.url.clone(),
            suite: repository.suite.clone(),
            components: repository.components.clone(),
            fingerprint: repository.fingerprint.clone(),
        });
    let values = |of: &[Spanned<String>]| of.iter().map(|one| one.value.clone()).collect::<Vec<_>>();
    let asked = spec.archives.iter().map(|archive| match &archive.source {
        ArchiveSource::Own { components, suites } => LockedRepository {
            url: "debian".to_owned(),
            suite: values(suites).join(" "),
            components: values(components),
            fingerprint: "the distribution's".to_owned(),
        },
        ArchiveSource::Other(other) => LockedRepository {
            url: other.url.value.trim_end_matches('/').to_owned(),
            suite: other.suite.value.clone(),
            components: values(&other.components),
            fingerprint: match &other.fingerprint {
                Some(fingerprint) => fingerprint.value.to_uppercase(),
                // Whatever the key is that the project has.
                None => format!("of the key with sha256 {}", Digest::of(&other.key.content)),
            },
        },
    });
    let mut all: Vec<LockedRepository> = brought.chain(asked).collect();
    all.sort();
    all.dedup();
    all
}

/// Every script and tree by digest, under the words of its statement.
fn inputs(plan: &ImagePlan) -> BTreeMap<String, Digest> {
    let mut inputs = BTreeMap::new();
    for step in &plan.steps {
        match &step.action {
            Action::Script(script) => script_inputs(&step.name, script, &mut inputs),
            Action::Copy(copy) => {
                let digest = match &copy.from {
                    CopyFrom::Tree(tree) => tree.digest(),
                    CopyFrom::Text { content } => Digest::of(content),
                    CopyFrom::Download { checksum, .. } => checksum.id(),
                };
                inputs.insert(step.name.clone(), digest);
            }
            _ => {}
        }
    }
    for test in &plan.tests {
        if let (TestCheck::Script(script), false) = (&test.check, test.name.starts_with("verify ")) {
            script_inputs(&format!("test {}", test.name), script, &mut inputs);
        }
    }
    inputs
}

fn script_inputs(name: &str, script: &ScriptStep, inputs: &mut BTreeMap<String, Digest>) {
    inputs.insert(name.to_owned(), Digest::of(&script.content));
    for tree in &script.with {
        inputs.insert(format!("{name} with {}", tree.path), tree.digest());
    }
}

fn option(value: &catalog::OptionValue) -> OptionValue {
    match value {
        catalog::OptionValue::Boolean(value) => OptionValue::Bool(*value),
        catalog::OptionValue::Integer(value) => OptionValue::Integer(*value),
        catalog::OptionValue::Text(value) => OptionValue::Text(value.clone()),
        catalog::OptionValue::List(values) => {
            OptionValue::List(values.iter().cloned().map(OptionValue::Text).collect())
        }
    }
}
