//! Which projects may set what is the user's, and read outside of their folders.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    error::{Class, Error},
    image_files::image_files,
    project::{self, OpenError},
    settings::{PROJECT_FILE, Record, Trust, TrustedProjects, of_project},
};
use crate::catalog::BaseSource;
use crate::exec::{Request, disk_outside, secrets_outside};
use crate::front;
use crate::resolve::BaseOrigin;
use crate::store::project_root;
use crate::text::Digest;

/// A project that is trusted from now on.
#[derive(Debug, Clone)]
pub struct TrustedNow {
    /// What is remembered of it.
    pub record: Record,
    /// The text of its settings; empty if it has none.
    pub settings: String,
}

/// A project that is trusted no longer.
#[derive(Debug, Clone)]
pub struct Revoked {
    /// Its folder, absolute.
    pub project: PathBuf,
    /// Whether it was trusted.
    pub was_trusted: bool,
}

/// A project of the list.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Its folder, absolute.
    pub project: PathBuf,
    /// Whether it is trusted as it is now; none if its settings cannot be read.
    pub trust: Option<Trust>,
}

fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The records of the user, if there is a place for them.
fn records() -> Result<TrustedProjects, Error> {
    let trusted = TrustedProjects::of_user(&env);
    if trusted.have_a_place() {
        Ok(trusted)
    } else {
        let text = "nothing says where your configuration is: `HOME` is not set";
        Err(Error::message(Class::Host, text))
    }
}

/// Trusts the project around a path as it is now: its settings, and what its ImageFiles read outside of it.
///
/// # Errors
/// `Files` if the project cannot be read; `Host` if its record cannot be written.
pub fn trust(path: &Path) -> Result<TrustedNow, Error> {
    let trusted = records()?;
    let files = |text| Error::message(Class::Files, text);
    let folder = folder(path);
    let folder = folder
        .canonicalize()
        .map_err(|error| files(format!("`{}` cannot be opened: {error}", folder.display())))?;
    let project = project_root(&folder);
    let settings = of_project(&project)
        .map_err(|reason| files(format!("cannot read the settings in {PROJECT_FILE}: {reason}")))?;
    let settings = settings.unwrap_or_default();
    let sources = sources_outside(&project)?;
    let record = Record { project, settings: Digest::of(&settings), sources };
    trusted
        .add(&record)
        .map_err(|error| Error::message(Class::Host, format!("cannot remember that: {error}")))?;
    Ok(TrustedNow { record, settings })
}

/// Trusts the project around a path no longer.
///
/// # Errors
/// `Host` if its record cannot be removed.
pub fn revoke(path: &Path) -> Result<Revoked, Error> {
    let trusted = records()?;
    let folder = folder(path);
    // A project that is gone can still be forgotten, by the path that the list has.
    let project = match folder.canonicalize() {
        Ok(folder) => project_root(&folder),
        Err(_) => std::path::absolute(folder).unwrap_or_else(|_| folder.into()),
    };
    match trusted.remove(&project) {
        Ok(was_trusted) => Ok(Revoked { project, was_trusted }),
        Err(error) => {
            Err(Error::message(Class::Host, format!("cannot forget {}: {error}", project.display())))
        }
    }
}

/// The projects that the user has trusted, by path.
///
/// # Errors
/// `Host` if the records cannot be read.
pub fn trusted() -> Result<Vec<Listing>, Error> {
    let trusted = TrustedProjects::of_user(&env);
    let records = trusted.all().map_err(|error| {
        Error::message(Class::Host, format!("the trusted projects cannot be listed: {error}"))
    })?;
    let listing = |record: Record| {
        let settings = of_project(&record.project).ok();
        let trust =
            settings.map(|settings| trusted.trust(&record.project, settings.as_deref().unwrap_or_default()));
        Listing { project: record.project, trust }
    };
    Ok(records.into_iter().map(listing).collect())
}

/// The folder that a path means: of an ImageFile the one it is in.
fn folder(path: &Path) -> &Path {
    if path.is_dir() || !path.is_file() {
        return path;
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What the ImageFiles of the project in this folder would read outside of it, such as `env:TOKEN`, as far as they can be
/// understood.
fn sources_outside(project: &Path) -> Result<BTreeSet<String>, OpenError> {
    let mut sources = BTreeSet::new();
    for path in image_files(project)? {
        // A folder below may be a project of its own.
        if path.parent().map(project_root).is_none_or(|root| root != project) {
            continue;
        }
        let (_, files, name) = project::around(&path)?;
        let compiled = front::compile(name, &files, &Vec::new());
        for image in &compiled.spec.images {
            let listed = compiled.resolutions.get(&image.name.value).and_then(|resolution| match &resolution
                .base
                .origin
            {
                BaseOrigin::Catalog { source: BaseSource::File { path, .. }, .. } => {
                    Request::disk(path, image.base.span, &files)
                }
                _ => None,
            });
            let requests =
                secrets_outside(image, &files).into_iter().chain(disk_outside(image, &files)).chain(listed);
            sources.extend(requests.map(|request| request.source.to_string()));
        }
    }
    Ok(sources)
}
