//! From a path to what the images of a project resolve to, without a store or a network.

use std::path::Path;

use super::{
    error::{Class, Error},
    listener::Listener,
    project::{self, Project},
};
use crate::catalog::{self, Catalog};
use crate::check::{ImageSpec, Settings};
use crate::diagnostic::Diagnostic;
use crate::front;
use crate::lock::Lock;
use crate::resolve::{Preferences, ResolvedProject, Wanted, resolve_project};
use crate::text::Sources;

/// A project with its catalogue and the lock beside it.
#[derive(Debug)]
pub struct Resolved {
    /// Its files and what `check` makes of them.
    pub project: Project,
    /// The built-in catalogue with the project's own.
    pub catalog: Catalog,
    /// None also where it cannot be read: that is for those to complain of who use it.
    pub lock: Option<Lock>,
    /// What its images resolve to, with all diagnostics.
    pub images: ResolvedProject,
}

impl Resolved {
    /// What the solve prefers for an image.
    #[must_use]
    pub fn preferences(&self, image: &str, base: Option<&str>) -> Preferences {
        preferences(self.lock.as_ref(), image, base)
    }

    /// What the solve takes of an image; nothing is known of a disk from outside the catalogue.
    #[must_use]
    pub fn wanted(&self, image: &ImageSpec) -> Wanted {
        self.images.wanted(&self.project.checked.spec, image, |_| None)
    }

    /// The image called `name`, or the only one.
    ///
    /// # Errors
    /// `Usage` if there is none, or if there are several and none is named.
    pub fn image(&self, name: Option<&str>) -> Result<&ImageSpec, Error> {
        let images = &self.project.checked.spec.images;
        let found = match name {
            Some(name) => images.iter().find(|image| image.name.value == name),
            None if images.len() == 1 => images.first(),
            None => None,
        };
        found.ok_or_else(|| {
            let names: Vec<_> = images.iter().map(|image| image.name.value.as_str()).collect();
            let names = names.join(", ");
            let text = match name {
                Some(name) => format!("there is no image `{name}`; the ImageFile has {names}"),
                None => format!("say which image with --image: the ImageFile has {names}"),
            };
            Error::message(Class::Usage, text)
        })
    }
}

/// What the lock makes the solve prefer; `base` is the only base that may be chosen.
#[must_use]
pub fn preferences(lock: Option<&Lock>, image: &str, base: Option<&str>) -> Preferences {
    let locked = lock.map_or_else(Preferences::default, |lock| lock.preferences(image));
    Preferences { only_base: base.map(str::to_owned), ..locked }
}

/// The catalogue of a checked project; `found` takes what is wrong in it.
pub(super) fn load_catalog(project: &mut Project, found: &mut Vec<Diagnostic>) -> Catalog {
    let (catalog, mistakes) =
        catalog::load_project(&project.checked.spec.catalogs, &mut project.sources, &project.files);
    found.extend(front::of_catalogue(mistakes, &project.checked.spec, &catalog));
    catalog
}

/// Reads, checks and resolves the project at a path. Mistakes in it end nothing: they are returned too.
///
/// # Errors
/// `Files` if there is no ImageFile there, or it cannot be read.
pub fn look(path: &Path, set: &Settings) -> Result<(Resolved, Vec<Diagnostic>), Error> {
    let mut project = project::open(&project::find(path)?, set)?;
    let mut found = std::mem::take(&mut project.checked.diagnostics);
    let mut more = Vec::new();
    let catalog = load_catalog(&mut project, &mut more);
    let lock = project.lock().ok().flatten();
    let mut images = resolve_project(
        &project.checked.spec,
        &catalog,
        |image| preferences(lock.as_ref(), image, None),
        |_| None,
    );
    let of_images = std::mem::take(&mut images.diagnostics);
    more.extend(front::of_resolution(of_images, &more, &project.checked.spec, &catalog));
    found.extend(more);
    Ok((Resolved { project, catalog, lock, images }, found))
}

/// As [`look`], of a project without mistakes.
///
/// # Errors
/// `Files` also if something is wrong in it.
pub fn open(path: &Path, set: &Settings) -> Result<Resolved, Error> {
    let (resolved, found) = look(path, set)?;
    if found.iter().any(Diagnostic::is_error) {
        return Err(Error::diagnosed(Class::Files, found, resolved.project.sources));
    }
    Ok(resolved)
}

/// The catalogue of the project at a path, whose ImageFile may be wrong: who looks an option up is in the middle of
/// writing it. Where the working folder is meant and has no project, the built-in one.
pub fn catalogue(path: &Path, set: &Settings, listener: &dyn Listener) -> Result<Catalog, Error> {
    if project::is_nowhere(path) {
        return Ok(built_in());
    }
    let (resolved, found) = look(path, set)?;
    let wrong = found.iter().filter(|one| one.is_error()).count();
    if wrong > 0 {
        let errors = if wrong == 1 { "an error" } else { "errors" };
        let path = resolved.project.path.display();
        listener.note(&format!("`{path}` has {errors}; `imgfile check` tells"));
    }
    Ok(resolved.catalog)
}

/// The built-in catalogue.
#[must_use]
pub fn built_in() -> Catalog {
    let mut sources = Sources::default();
    let layer = catalog::builtin(&mut sources);
    Catalog::load(&[layer], &sources).0
}
