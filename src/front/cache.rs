//! What stays between two compilations of one project: its catalogue and its lock.

use std::sync::Arc;

use crate::catalog::{self, Catalog};
use crate::check::Files;
use crate::diagnostic::{Diagnostic, Label};
use crate::lock::Lock;
use crate::text::{SourceId, Sources, Span, Spanned};

/// Marks the places of `catalog "DIR"` in what is kept: each compilation has its own.
const LATER: SourceId = SourceId(u32::MAX);

/// A loaded catalogue and lock, kept until one of their files changes.
#[derive(Debug, Clone)]
pub struct FrontCache {
    /// The folders of `catalog "DIR"` that it was loaded with.
    folders: Vec<String>,
    /// The ImageFile whose lock it holds.
    image_file: String,
    /// The catalogue's files, which come first in the sources of each compilation.
    sources: Sources,
    catalog: Catalog,
    mistakes: Vec<Diagnostic>,
    builtin: u32,
    lock: Option<Arc<Lock>>,
}

impl FrontCache {
    /// Loads the catalogue with the folders of `catalog "DIR"`, and the lock of the ImageFile.
    pub fn load(folders: Vec<String>, image_file: &str, files: &dyn Files) -> Self {
        let mut sources = Sources::default();
        let named: Vec<_> = folders
            .iter()
            .zip(0u32..)
            .map(|(folder, at)| Spanned::new(folder.clone(), Span::new(LATER, at, at)))
            .collect();
        let (catalog, mistakes) = catalog::load_project(&named, &mut sources, files);
        // A text of its own: nothing points into it here.
        let lock = Lock::beside(image_file, files, &mut Sources::default()).ok().flatten().map(Arc::new);
        let builtin = u32::try_from(catalog::BUILTIN_FILES).unwrap_or(u32::MAX);
        let image_file = image_file.to_owned();
        Self { folders, image_file, sources, catalog, mistakes, builtin, lock }
    }

    /// Whether it was loaded with these folders, and for this ImageFile.
    pub(super) fn holds(&self, folders: &[String], image_file: &str) -> bool {
        self.folders == folders && self.image_file == image_file
    }

    /// The catalogue's texts.
    #[must_use]
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Its applications and bases, all folders merged.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(super) const fn lock(&self) -> Option<&Arc<Lock>> {
        self.lock.as_ref()
    }

    /// How many of the sources, the first ones, are compiled in.
    #[must_use]
    pub const fn builtin(&self) -> u32 {
        self.builtin
    }

    /// How many sources the catalogue has.
    pub(super) fn files(&self) -> u32 {
        u32::try_from(self.sources.iter().count()).unwrap_or(u32::MAX)
    }

    /// The mistakes, those about a folder placed at the statement that names it.
    pub(super) fn mistakes(&self, named: &[Spanned<String>]) -> impl Iterator<Item = Diagnostic> {
        self.mistakes.iter().filter_map(|mistake| {
            let labels = mistake.labels.iter().map(|label| {
                let span = match label.span {
                    Span { source: LATER, start, .. } => named.get(start as usize)?.span,
                    span => span,
                };
                Some(Label { span, ..label.clone() })
            });
            Some(Diagnostic { labels: labels.collect::<Option<_>>()?, ..mistake.clone() })
        })
    }

    /// The mistakes that lie in a catalogue file.
    pub fn mistakes_in_files(&self) -> impl Iterator<Item = &Diagnostic> {
        self.mistakes.iter().filter(|mistake| mistake.labels.iter().all(|label| label.span.source != LATER))
    }
}
