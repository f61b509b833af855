//! What a plan pins, as the lock keeps it.

use std::{collections::BTreeMap, sync::Arc};

use super::{Action, CopyFrom, ImagePlan, ScriptStep, TestCheck};
use crate::{
    catalog,
    check::{ArchiveSource, BaseSource, ImageSpec},
    lock::{LockedApp, LockedBase, LockedImage, LockedRepository, LockedSource, OptionValue},
    packages::{Manager, Solution},
    resolve::{BaseOrigin, Resolution, ResolvedApp},
    text::{Checksum, Digest, Spanned, Version},
};

/// The packages that were chosen for an image.
#[derive(Debug, Clone, Copy)]
pub struct ChosenPackages<'a> {
    /// Whose packages they are.
    pub manager: Manager,
    /// What is installed on top of the base, and what of it is removed.
    pub solution: &'a Solution,
    /// Packages that are there for the scripts only, by name.
    pub temporary: &'a [String],
}

/// The lock's entry of one image.
#[must_use]
pub fn locked_image(
    spec: &ImageSpec,
    resolution: &Resolution,
    plan: &ImagePlan,
    base: LockedSource,
    ChosenPackages { manager, solution, temporary }: ChosenPackages<'_>,
) -> LockedImage {
    LockedImage {
        os: resolution.os.distro.clone(),
        os_version: resolution.os.version.to_string(),
        arch: resolution.arch,
        base: LockedBase {
            name: resolution.base.name.clone(),
            version: resolution.base.version.to_string(),
            source: base,
        },
        apps: apps(resolution),
        inputs: inputs(plan).into_iter().map(|(name, digest)| (name, digest.to_string())).collect(),
        repositories: repositories(spec, resolution),
        requested: requested(spec, resolution),
        upgrade: spec.base.upgrade,
        manager,
        packages: Arc::clone(&solution.install),
        removed: solution.remove.clone(),
        now_manual: solution.now_manual.clone(),
        temporary: temporary.to_vec(),
        artifact: None,
    }
}

fn apps(resolution: &Resolution) -> BTreeMap<String, LockedApp> {
    let one = |app: &ResolvedApp| {
        let options = app.options.iter().map(|(name, value)| (name.clone(), option(value))).collect();
        let version = app.version.to_string();
        (app.name.clone(), LockedApp { version, definition: app.definition.to_string(), options })
    };
    resolution.own_apps().map(one).collect()
}

/// Whether the lock's entry of an image still is what its statements ask for: system, base, applications and
/// packages are compared. What only a plan knows, such as the content of scripts, is not.
#[must_use]
pub fn is_current(spec: &ImageSpec, resolution: &Resolution, locked: &LockedImage) -> bool {
    let Some((source, given)) = base_now(spec, resolution, locked) else { return false };
    // The version of a disk from outside the catalogue is known once it was looked into.
    let requirement = spec.os.as_ref().and_then(|os| os.version.as_ref());
    let allowed = |version: Version| requirement.is_none_or(|required| required.value.matches(&version));
    let found = given && locked.os_version.parse().is_ok_and(allowed);
    let wanted = LockedImage {
        os: resolution.os.distro.clone(),
        os_version: if found { locked.os_version.clone() } else { resolution.os.version.to_string() },
        arch: resolution.arch,
        base: LockedBase {
            name: resolution.base.name.clone(),
            version: resolution.base.version.to_string(),
            source,
        },
        apps: apps(resolution),
        inputs: locked.inputs.clone(),
        repositories: repositories(spec, resolution),
        requested: requested(spec, resolution),
        upgrade: spec.base.upgrade,
        manager: locked.manager,
        packages: Arc::default(),
        removed: Vec::new(),
        now_manual: Vec::new(),
        temporary: Vec::new(),
        artifact: None,
    };
    locked.stale(&wanted).is_empty()
}

/// The base that is asked for as the lock would have it, and whether it is from outside the catalogue; `None` if
/// the locked one is of another kind.
fn base_now(spec: &ImageSpec, resolution: &Resolution, locked: &LockedImage) -> Option<(LockedSource, bool)> {
    let named = || {
        let version = resolution.base.version.to_string();
        locked.base.name == resolution.base.name && locked.base.version == version
    };
    Some(match (&spec.base.source, &locked.base.source, &resolution.base.origin) {
        (BaseSource::File { path, sha256: asked }, LockedSource::File { sha256, size, .. }, _) => {
            let sha256 = asked.as_ref().map_or_else(|| sha256.clone(), |digest| digest.value.to_string());
            (LockedSource::File { path: path.value.clone(), sha256, size: *size }, true)
        }
        (BaseSource::Url { url, checksum }, LockedSource::Url { sha256, size, .. }, _) => {
            let sha256 = match &checksum.value {
                Checksum::Sha256(digest) => digest.to_string(),
                // Of which file that is the checksum, only a download tells.
                Checksum::Sha512(_) => sha256.clone(),
            };
            (LockedSource::Url { url: url.value.clone(), sha256, size: *size }, true)
        }
        (BaseSource::Image { .. }, source @ LockedSource::Image { .. }, _) => (source.clone(), false),
        (
            BaseSource::Auto | BaseSource::Named { .. },
            LockedSource::Bootstrap { .. },
            BaseOrigin::Catalog { definition, .. },
        ) => (LockedSource::Bootstrap { recipe: definition.to_string(), packages: Arc::default() }, false),
        (
            BaseSource::Auto | BaseSource::Named { .. },
            source @ (LockedSource::File { .. } | LockedSource::Url { .. }),
            BaseOrigin::Catalog { .. },
        ) if named() => (source.clone(), false),
        _ => return None,
    })
}

/// What the ImageFile and its applications ask for by name, as the package manager takes it.
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
