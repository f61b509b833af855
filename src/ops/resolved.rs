//! From a path to what the images of a project resolve to, without a store or a network.

use super::Exit;
use super::file_args::FileArgs;
use super::project::{self, Project};
use crate::catalog::{self, Catalog};
use crate::check::ImageSpec;
use crate::diagnostic::Diagnostic;
use crate::front;
use crate::lock::Lock;
use crate::resolve::{Preferences, ResolvedProject, Wanted, resolve_project};

/// A project with its catalogue and the lock beside it.
pub(super) struct Resolved {
    pub project: Project,
    pub catalog: Catalog,
    pub lock: Option<Lock>,
    pub images: ResolvedProject,
}

impl Resolved {
    /// What the solve prefers for an image.
    pub(super) fn preferences(&self, image: &str, base: Option<&str>) -> Preferences {
        preferences(self.lock.as_ref(), image, base)
    }

    /// What the solve takes of an image; nothing is known of a disk from outside the catalogue.
    pub(super) fn wanted(&self, image: &ImageSpec) -> Wanted {
        self.images.wanted(&self.project.checked.spec, image, |_| None)
    }
}

/// What the lock makes the solve prefer.
pub(super) fn preferences(lock: Option<&Lock>, image: &str, base: Option<&str>) -> Preferences {
    let locked = lock.map_or_else(Preferences::default, |lock| lock.preferences(image));
    Preferences { only_base: base.map(str::to_owned), ..locked }
}

/// Loads the catalogue of a checked project and resolves its images.
pub(super) fn resolve_opened(mut project: Project, base: Option<&str>) -> (Resolved, Vec<Diagnostic>) {
    let spec = &project.checked.spec;
    let (catalog, mistakes) = catalog::load_project(&spec.catalogs, &mut project.sources, &project.files);
    let mut found = front::of_catalogue(mistakes, spec, &catalog);
    // A lock that cannot be read is for the commands that use it to complain of.
    let lock = project.lock().ok().flatten();
    let mut images = resolve_project(
        &project.checked.spec,
        &catalog,
        |image| preferences(lock.as_ref(), image, base),
        |_| None,
    );
    let of_images = std::mem::take(&mut images.diagnostics);
    found.extend(front::of_resolution(of_images, &found, &project.checked.spec, &catalog));
    (Resolved { project, catalog, lock, images }, found)
}

/// Opens, checks and resolves; what is wrong is shown, and the exit status says so.
pub(super) fn open(file: &FileArgs) -> Result<Resolved, Exit> {
    let (resolved, found) = look(file)?;
    if found.iter().any(Diagnostic::is_error) {
        super::findings::show(&found, &resolved.project.sources);
        return Err(Exit::Files);
    }
    Ok(resolved)
}

/// The catalogue of a project whose ImageFile may be wrong: who looks an option up is in the middle of writing it.
pub(super) fn catalogue(file: &FileArgs) -> Result<Catalog, Exit> {
    let (resolved, found) = look(file)?;
    let wrong = found.iter().filter(|one| one.is_error()).count();
    if wrong > 0 {
        let errors = if wrong == 1 { "an error" } else { "errors" };
        super::screen::say!(
            "note: `{}` has {errors}; `imgfile check` tells",
            resolved.project.path.display()
        );
    }
    Ok(resolved.catalog)
}

/// Opens, checks and resolves, with what is wrong.
fn look(file: &FileArgs) -> Result<(Resolved, Vec<Diagnostic>), Exit> {
    let complain = |error: project::OpenError| {
        super::complain(&error.to_string());
        Exit::Files
    };
    let mut project =
        project::open(&project::find(&file.path).map_err(complain)?, &file.set).map_err(complain)?;
    let mut found = std::mem::take(&mut project.checked.diagnostics);
    let (resolved, more) = resolve_opened(project, None);
    found.extend(more);
    Ok((resolved, found))
}

impl Resolved {
    /// The image called `name`, or the only one; says so if there is none.
    pub(super) fn image(&self, name: Option<&str>) -> Result<&ImageSpec, Exit> {
        let images = &self.project.checked.spec.images;
        let found = match name {
            Some(name) => images.iter().find(|image| image.name.value == name),
            None if images.len() == 1 => images.first(),
            None => None,
        };
        found.ok_or_else(|| {
            let names: Vec<_> = images.iter().map(|image| image.name.value.as_str()).collect();
            super::complain(&match name {
                Some(name) => format!("there is no image `{name}`; the ImageFile has {}", names.join(", ")),
                None => format!("say which image with --image: the ImageFile has {}", names.join(", ")),
            });
            Exit::Usage
        })
    }
}
