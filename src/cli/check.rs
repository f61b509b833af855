//! `imgfile check`: everything that can be known without a network or a VM.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use clap::ValueEnum;

use super::image_files::{self, image_files};
use super::project::{self, OpenError};
use super::settings::{self, PROJECT_FILE};
use super::{Exit, rewrite::rewrite, screen};
use crate::check::Settings;
use crate::diagnostic::{Diagnostic, codes};
use crate::driver::DriverEntry;
use crate::front::{self, Project};
use crate::lock::Lock;
use crate::report;
use crate::store::project_root;
use crate::syntax::Item;

/// Check ImageFiles.
///
/// Reports everything that is wrong in one run, without network or virtual machine, and executes
/// and downloads nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ImageFiles, or folders to walk for them.
    #[arg(default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// Give a `param` a value.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::key_value)]
    pub set: Vec<(String, String)>,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Apply the fixes that are safe, then check again.
    #[arg(long)]
    pub fix: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people, on stderr.
    Human,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, which code-scanning services read.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let mut files = Vec::new();
    for path in &args.paths {
        match image_files(path) {
            Ok(found) if found.is_empty() => {
                super::complain(&OpenError::NoImageFile(path.clone()).to_string());
                return Exit::Files;
            }
            Ok(found) => files.extend(found),
            Err(error) => {
                super::complain(&error.to_string());
                return Exit::Files;
            }
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file: &PathBuf| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
    let mut projects = Vec::new();
    for file in &files {
        match checked(file, args) {
            Ok(one) => projects.push(one),
            Err(error) => {
                super::complain(&error.to_string());
                return Exit::Files;
            }
        }
    }
    drop_included(&mut projects);
    projects.iter_mut().for_each(Checked::excuse_parts);
    tell_once(&mut projects);
    settle_set(&mut projects, &args.set);
    let mut roots = BTreeSet::new();
    for one in &mut projects {
        let root = project_root(one.folder());
        // What is wrong with the settings of several ImageFiles is told once.
        if roots.insert(root) {
            one.check_settings();
        }
    }
    let failed = projects.iter().any(|one| one.project.has_errors());
    // What is lost is told at the end.
    let _ = write(&projects, args.format);
    // The process ends here; to take a large catalogue apart first would be a tenth of its time.
    std::mem::forget(projects);
    if failed { Exit::Files } else { Exit::Done }
}

/// An ImageFile, as the user would write its path, and what became of it.
struct Checked {
    path: PathBuf,
    project: Project,
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
        let around = settings::Surroundings { project: Some(&folder), env: |_: &str| None };
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

/// Checks one ImageFile, and with `--fix` repairs it as far as that helps.
fn checked(file: &Path, args: &Args) -> Result<Checked, OpenError> {
    let mut project = compiled(file, &args.set)?;
    let own = project.units.first().map(|unit| &project.sources.get(unit.source).text);
    if args.fix && own.is_none_or(|text| image_files::foreign(file, text).is_ok()) {
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
            project = compiled(file, &args.set)?;
        }
        for name in repaired {
            screen::say!("fixed {}", name.display());
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
fn settle_set(projects: &mut [Checked], set: &Settings) {
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

fn write(projects: &[Checked], format: Format) -> std::io::Result<()> {
    let all =
        || projects.iter().map(|Checked { project, .. }| (project.diagnostics.as_slice(), &project.sources));
    match format {
        Format::Human => {
            let mut stderr = screen::err();
            for Checked { project, .. } in projects {
                let text = report::human(&project.diagnostics, &project.sources, screen::err_colour());
                stderr.write_all(super::console::drawable(text).as_bytes())?;
            }
            let every: Vec<Diagnostic> =
                projects.iter().flat_map(|one| one.project.diagnostics.iter().cloned()).collect();
            match report::summary(&every) {
                Some(summary) => writeln!(stderr, "{summary}"),
                None => {
                    let images: usize = projects.iter().map(|one| one.project.spec.images.len()).sum();
                    writeln!(
                        stderr,
                        "{images} image{} checked, nothing wrong",
                        if images == 1 { "" } else { "s" }
                    )
                }
            }
        }
        Format::Json => screen::json().write_all(report::json(all()).as_bytes()),
        Format::Sarif => screen::json().write_all(report::sarif(all()).as_bytes()),
        Format::Github => screen::annotations().write_all(report::github(all()).as_bytes()),
    }
}
