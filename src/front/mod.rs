//! The front end as one call, for embedding: from texts and a catalogue to everything that can be
//! known without a network, a virtual machine or a clock.
//!
//! [`compile`] parses, checks, loads the catalogue and resolves; it reads through [`Files`] only, so
//! that [`MemoryFiles`](crate::check::MemoryFiles) is all it takes to compile a project that is on no
//! disk. It never fails as a whole: what was understood and what is wrong come back together.
//!
//! ```
//! use imgfile::check::MemoryFiles;
//!
//! let files = MemoryFiles::new().with("ImageFile", "image \"web\" {\n  os linux debian 13\n  app nginx\n}\n");
//! let project = imgfile::front::compile("ImageFile", &files, &[]);
//! assert!(!project.has_errors());
//! let image = project.resolutions["web"].apps.iter().find(|app| app.name == "nginx");
//! assert!(image.is_some());
//! ```
//!
//! A [`FrontCache`] keeps the catalogue for callers that compile again and again, such as editors.
//! [`Project::plan`] goes on to a plan; `examples/embed` is a whole program.

mod boot_mode;
mod cache;
mod copies;
mod driver;
mod keys;
mod needed;
mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::check::{Files, Settings, Spec, check, finished};
use crate::diagnostic::Diagnostic;
use crate::lock::Lock;
use crate::model::Capabilities;
use crate::resolve::{Preferences, Resolution, resolve_project};
use crate::syntax::Ast;
use crate::text::{SourceId, Sources};

pub use cache::FrontCache;
pub use driver::beyond;
pub use keys::{archive_keys, unusable_app_keys, unusable_keys};
pub use needed::{of_catalogue, of_resolution};
pub use plan::Pins;

/// A project as far as it was understood, and everything wrong with it.
#[derive(Debug, Clone)]
pub struct Project {
    /// Every text that diagnostics point into.
    pub sources: Sources,
    /// The ImageFile and what it includes, the ImageFile first; empty if it cannot be read.
    pub units: Vec<Ast>,
    /// What the ImageFile and its includes mean; images with errors have what was understood.
    pub spec: Spec,
    /// The built-in catalogue and the project's own folders over it.
    pub catalog: Catalog,
    /// By image name; images that are wrong, or whose base image is, are missing.
    pub resolutions: BTreeMap<String, Resolution>,
    /// The lock beside the ImageFile, if there is one that can be read.
    pub lock: Option<Arc<Lock>>,
    /// Each defect once, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// How many of the sources, the first ones, are compiled in and lie in no folder.
    pub builtin: u32,
}

impl Project {
    /// Adds what images ask for and the driver cannot do. Where something is wrong already, that comes first.
    pub fn hold_to(&mut self, driver: &Capabilities) {
        let beyond = beyond(&self.spec, &self.diagnostics, driver);
        if beyond.is_empty() {
            return;
        }
        self.diagnostics.extend(beyond);
        self.diagnostics = finished(std::mem::take(&mut self.diagnostics), &self.sources);
        // As `compile` has them: the catalogue was read before the ImageFile.
        let first = self.units.first().map_or(0, |unit| unit.source.0);
        self.diagnostics.sort_by_key(|found| found.span().is_some_and(|span| span.source.0 < first));
    }

    /// Whether a build must not go on.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Whether a source is compiled in, so that no file holds it.
    #[must_use]
    pub const fn is_builtin(&self, source: SourceId) -> bool {
        source.0 < self.builtin
    }
}

/// Compiles the ImageFile at `entry`, a path relative to the project's folder as `files` serves it.
/// `set` are values of params.
pub fn compile(entry: &str, files: &dyn Files, set: &Settings) -> Project {
    compile_with(entry, files, set, &mut None)
}

/// [`compile`], with the catalogue of the last time. Who knows that a catalogue file or the lock
/// changed empties the shelf.
pub fn compile_with(
    entry: &str,
    files: &dyn Files,
    set: &Settings,
    shelf: &mut Option<FrontCache>,
) -> Project {
    let _span = tracing::debug_span!("compile", entry).entered();
    let mut kept = shelf.take().unwrap_or_else(|| FrontCache::load(Vec::new(), entry, files));
    let mut sources = kept.sources().clone();
    let mut checked = check(entry, &mut sources, files, set);
    let folders: Vec<String> = checked.spec.catalogs.iter().map(|folder| folder.value.clone()).collect();
    if !kept.holds(&folders, entry) {
        kept = FrontCache::load(folders, entry, files);
        sources = kept.sources().clone();
        checked = check(entry, &mut sources, files, set);
    }
    let mut diagnostics = checked.diagnostics;
    let mistakes = kept.mistakes(&checked.spec.catalogs).collect();
    diagnostics.extend(of_catalogue(mistakes, &checked.spec, kept.catalog()));
    diagnostics.extend(copies::unreadable(&checked.spec, files));
    diagnostics.extend(unusable_keys(&checked.spec));
    diagnostics.extend(unusable_app_keys(&checked.spec, kept.catalog()));
    let preferences =
        |image: &str| kept.lock().map_or_else(Preferences::default, |lock| lock.preferences(image));
    let resolved = resolve_project(&checked.spec, kept.catalog(), preferences, |_| None);
    tracing::debug!(images = checked.spec.images.len(), resolved = resolved.images.len(), "checked");
    let resolution = of_resolution(resolved.diagnostics, &diagnostics, &checked.spec, kept.catalog());
    diagnostics.extend(resolution);
    diagnostics.extend(boot_mode::surprises(&checked.spec, &resolved.images));
    let mut diagnostics = finished(diagnostics, &sources);
    // The ImageFile comes first, though the catalogue was read before it.
    diagnostics.sort_by_key(|found| found.span().is_some_and(|span| span.source.0 < kept.files()));
    let project = Project {
        sources,
        units: checked.units,
        spec: checked.spec,
        catalog: kept.catalog().clone(),
        resolutions: resolved.images,
        lock: kept.lock().cloned(),
        diagnostics,
        builtin: kept.builtin(),
    };
    *shelf = Some(kept);
    project
}
