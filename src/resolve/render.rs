//! Templates of the chosen applications, rendered: the plan shows the very scripts that will run.

use std::collections::BTreeMap;

use minijinja::Value;

use super::problem::{Item, mistake};
use super::{AppPackage, AppRepository, RenderedFile, WantedApp};
use crate::catalog::{AppVersion, Os, Template, TemplateError, check_path};
use crate::diagnostic::{Diagnostic, codes};
use crate::model::{Arch, ManagerFacts};

/// What the templates of one application come to.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    pub packages: Vec<AppPackage>,
    pub repositories: Vec<AppRepository>,
    pub files: Vec<RenderedFile>,
    pub install: Option<String>,
    pub verify: Option<String>,
}

/// Renders all templates of an application; every mistake is reported.
pub(super) fn render(
    item: &Item<'_>,
    version: &AppVersion,
    os: &Os,
    arch: Arch,
    wanted: Option<&WantedApp>,
    mistakes: &mut Vec<Diagnostic>,
) -> Rendered {
    let def = item.def;
    let context = context(item, version, os, arch);
    let mut text = |template: &Template| match template.render(&context) {
        Ok(text) => Some(text),
        Err(error) => {
            mistakes.push(mistake(def, wanted, &error));
            None
        }
    };
    let mut wrong: Vec<(TemplateError, &'static str)> = Vec::new();
    let mut packages = Vec::new();
    let manager = ManagerFacts::of_distribution(&os.distro);
    for template in version.packages.as_ref().unwrap_or(&def.packages).of(manager) {
        let Some(written) = text(template) else { continue };
        // One entry can come to several packages, or by an option to none.
        for word in written.split_whitespace() {
            match package(word) {
                Some(package) => packages.push(package),
                None => wrong.push((
                    TemplateError { message: format!("`{word}` is not a package"), span: template.span() },
                    "expected packages such as `jq`, or `kubelet=1.36.1-1.1`",
                )),
            }
        }
    }
    let mut files = Vec::new();
    for file in &def.files {
        let (Some(path), Some(content)) = (text(&file.path), text(&file.content)) else { continue };
        if let Err(reason) = check_path(&path) {
            let message = format!("`{path}` is not a path for a file");
            wrong.push((TemplateError { message, span: file.path.span() }, reason));
        }
        let (owner, group, mode) = (file.owner.clone(), file.group.clone(), file.mode);
        files.push(RenderedFile { path, content, owner, group, mode });
    }
    let mut repositories = Vec::new();
    for archive in &def.repositories {
        let (Some(url), Some(suite)) = (text(&archive.url), text(&archive.suite)) else { continue };
        repositories.push(AppRepository {
            url,
            suite,
            components: archive.components.clone(),
            key: archive.key.value.clone(),
            fingerprint: archive.fingerprint.value.clone(),
        });
    }
    let install = def.install.as_ref().and_then(&mut text).map(|body| script(&body));
    let verify = def.verify.as_ref().and_then(&mut text).map(|body| script(&body));
    for (error, label) in wrong {
        mistakes.push(Diagnostic::new(codes::CATALOG_TEMPLATE, error.message).label(error.span, label));
    }
    Rendered { packages, repositories, files, install, verify }
}

/// A script of the catalogue runs under a strict POSIX shell unless it names another.
fn script(text: &str) -> String {
    if text.starts_with("#!") { text.to_owned() } else { format!("#!/bin/sh -e\n{text}") }
}

/// `NAME` or `NAME=VERSION`.
fn package(text: &str) -> Option<AppPackage> {
    let (name, version) = match text.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let named = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    let versioned = version.is_none_or(|version| {
        !version.is_empty() && version.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:~*?".contains(c))
    });
    (named && versioned).then(|| AppPackage { name: name.to_owned(), version: version.map(str::to_owned) })
}

/// What templates see: the options by name, and `name`, `version`, `arch`, `os`.
fn context(item: &Item<'_>, version: &AppVersion, os: &Os, arch: Arch) -> Value {
    let mut values: BTreeMap<&str, Value> =
        item.options.iter().map(|(name, value)| (name.as_str(), Value::from(value))).collect();
    values.insert("name", Value::from(item.def.name.value.as_str()));
    values.insert("version", Value::from(version.version.value.as_str()));
    values.insert("arch", Value::from(arch.as_str()));
    let system = BTreeMap::from([
        ("distro", os.distro.as_str()),
        ("version", os.version.as_str()),
        ("codename", os.codename.as_deref().unwrap_or_default()),
    ]);
    values.insert("os", Value::from_pairs(system));
    Value::from_pairs(values)
}
