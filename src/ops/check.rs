//! Everything that can be known of ImageFiles without a network or a machine.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::error::Error;
use super::image_files::{self, image_files};
use super::listener::Listener;
use super::project::{self, OpenError};
use super::rewrite::rewrite;
use super::settings::{self, PROJECT_FILE};
use crate::check::Settings;
use crate::diagnostic::{Diagnostic, codes};
use crate::driver::DriverEntry;
use crate::front::{self, Project};
use crate::lock::Lock;
use crate::report;
use crate::store::project_root;
use crate::syntax::Item;

/// Checks ImageFiles, and those below folders; nothing is executed or downloaded. `set` has values of `param`s by name.
/// With `fix`, what is safe to repair is repaired first, and the listener is told of each file.
///
/// What is wrong with them is in the answer, once each; a file that another one includes is checked with that.
///
/// # Errors
/// `Files` if there is no ImageFile at a path, or it cannot be read or repaired.
pub fn check(
    paths: &[PathBuf],
    set: &Settings,
    fix: bool,
    listener: &dyn Listener,
) -> Result<Vec<Checked>, Error> {
    let mut files = Vec::new();
    for path in paths {
        match image_files(path)? {
            found if found.is_empty() => return Err(OpenError::NoImageFile(path.clone()).into()),
            found => files.extend(found),
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file: &PathBuf| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
    let mut projects = Vec::new();
    for file in &files {
        projects.push(checked(file, set, fix, listener)?);
    }
    drop_included(&mut projects);
    projects.iter_mut().for_each(Checked::excuse_parts);
    tell_once(&mut projects);
    keep_one_of_each_unknown_setting(&mut projects, set);
    let mut roots = BTreeSet::new();
    for one in &mut projects {
        let root = project_root(one.folder());
        // What is wrong with the settings of several ImageFiles is told once.
        if roots.insert(root) {
            one.check_settings();
        }
    }
    Ok(projects)
}

/// An ImageFile that was checked.
#[derive(Debug)]
pub struct Checked {
    /// As the user would write it.
    pub path: PathBuf,
    /// What it means, and all that is wrong with it.
    pub project: Project,
}

impl Checked {
    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// A file of profiles and params that was named itself, as a hook names what changed: it is a part of others.
    fn excuse_parts(&mut self) {
        let project = &mut self.project;
        if !project.diagnostics.iter().any(|one| one.code == codes::NO_IMAGE) {
            return;
        }
        let is_part = project.units.first().is_some_and(|unit| {
            let text = |item: &Item| match item {
                Item::Statement(one) => project.sources.slice(one.keyword) == "profile",
                _ => false,
            };
            unit.items.iter().any(text)
        });
        if is_part && self.path.file_name().is_some_and(|name| name != "ImageFile") {
            project.diagnostics.retain(|one| ![codes::NO_IMAGE, codes::UNUSED_PROFILE].contains(&one.code));
        }
    }

    /// Adds what is wrong in the project's `.imgfile.toml`. The user's own settings are not looked at: what is found is
    /// the same for everybody.
    fn check_settings(&mut self) {
        let folder = self.folder().to_owned();
        let around = settings::LookupContext { project: Some(&folder), env: |_: &str| None };
        let sources = &mut self.project.sources;
        let Err(mut found) = settings::Settings::load(&settings::Flags::default(), &around, sources) else {
            return;
        };
        // Nobody's home is none of the project.
        found.retain(|one| {
            one.span().is_some_and(|span| sources.get(span.source).name.ends_with(PROJECT_FILE))
        });
        self.project.diagnostics.extend(found);
    }
}

/// Checks one ImageFile, and if wanted repairs it as far as that helps.
fn checked(file: &Path, set: &Settings, fix: bool, listener: &dyn Listener) -> Result<Checked, OpenError> {
    let mut project = compiled(file, set)?;
    let own = project.units.first().map(|unit| &project.sources.get(unit.source).text);
    if fix && own.is_none_or(|text| image_files::foreign(file, text).is_ok()) {
        let (folder, files, _) = project::around(file)?;
        let mut repaired = BTreeSet::new();
        // A fix may bring another to light; a few rounds are plenty, and each must change something.
        for _ in 0..8 {
            let changed = report::fixed(&project.diagnostics, &project.sources);
            let mut written = false;
            for (id, text) in changed.into_iter().filter(|(id, _)| !project.is_builtin(*id)) {
                let name = PathBuf::from(&project.sources.get(id).name);
                rewrite(&files, &from(folder, &name).to_string_lossy(), &text)
                    .map_err(|why| OpenError::NotWritten { path: name.clone(), why })?;
                written = true;
                repaired.insert(name);
            }
            if !written {
                break;
            }
            project = compiled(file, set)?;
        }
        for name in repaired {
            listener.fixed(&name);
        }
    }
    Ok(Checked { path: file.to_owned(), project })
}

/// A path as it is from a folder; both are as the user would write them.
fn from(folder: &Path, path: &Path) -> PathBuf {
    let shared = folder.components().zip(path.components()).take_while(|(one, two)| one == two).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

fn compiled(file: &Path, set: &Settings) -> Result<Project, OpenError> {
    let (folder, files, name) = project::around(file)?;
    let mut project = front::compile(name, &files, set);
    // What is found is the same for everybody, whatever driver their settings choose.
    project.hold_to(DriverEntry::usual().capabilities);
    // An editor has others for it; here is who asks before a commit.
    if let Err(wrong) = Lock::beside(name, &files, &mut project.sources) {
        project.diagnostics.extend(wrong);
    }
    if !folder.as_os_str().is_empty() {
        project.sources.prefix_names(&folder.to_string_lossy(), project.builtin);
    }
    Ok(project)
}

/// Files that other files of the same walk include are checked with those, not alone.
fn drop_included(projects: &mut Vec<Checked>) {
    // `../common.imagefile` and `images/common.imagefile` may be one file.
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let included: BTreeSet<PathBuf> = projects
        .iter()
        .flat_map(|Checked { project, .. }| {
            project.units.iter().skip(1).map(|unit| real(Path::new(&project.sources.get(unit.source).name)))
        })
        .collect();
    if projects.len() > 1 && !included.is_empty() {
        projects.retain(|one| !included.contains(&real(&one.path)));
    }
}

/// What several ImageFiles bring along by the same file is told once.
fn tell_once(projects: &mut [Checked]) {
    let mut seen = BTreeSet::new();
    for Checked { project, .. } in projects {
        let sources = &project.sources;
        project.diagnostics.retain(|one| {
            let Some(span) = one.span() else { return true };
            let place = (sources.get(span.source).name.clone(), span.start, span.end);
            seen.insert((place, one.code.as_str(), one.message.clone()))
        });
    }
}

/// Of several files, one with the param is enough for a `--set`; where none has it, it is told once.
fn keep_one_of_each_unknown_setting(projects: &mut [Checked], set: &Settings) {
    for (name, _) in set {
        let about = format!("`--set {name}`");
        let complains =
            |one: &Diagnostic| one.code == codes::UNKNOWN_SETTING && one.message.starts_with(&about);
        let lack = projects.iter().filter(|one| one.project.diagnostics.iter().any(complains)).count();
        let keep = usize::from(lack == projects.len());
        for one in projects.iter_mut().filter(|one| one.project.diagnostics.iter().any(complains)).skip(keep)
        {
            one.project.diagnostics.retain(|found| !complains(found));
        }
    }
}
