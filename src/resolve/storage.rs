//! What an image is known to need on its disk, before anything boots.

use std::fmt::Write as _;

use super::{BaseOrigin, Resolution};
use crate::catalog::BaseSource;
use crate::check::Size;
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{Span, Spanned};

/// Kept free on top of everything known: file system overhead, logs, the first boot.
const RESERVE: u64 = 256 << 20;

/// A sum whose parts can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageNeed {
    /// What, and how many bytes.
    pub rows: Vec<(String, u64)>,
    /// The base's disk, which the image's cannot be smaller than; none if the base can be made to fit.
    pub base_disk: Option<(String, u64)>,
}

impl StorageNeed {
    /// The base and the applications; packages and copies are for the caller to add.
    #[must_use]
    pub fn new(resolution: &Resolution) -> Self {
        let base = &resolution.base;
        let bootstrapped =
            matches!(&base.origin, BaseOrigin::Catalog { source: BaseSource::Bootstrap(_), .. });
        let base_disk = base.virtual_size.filter(|_| !bootstrapped).map(|size| (base.name.clone(), size));
        let mut rows = Vec::new();
        rows.extend(base.used.map(|used| (format!("base {}", base.name), used)));
        let apps = resolution.apps.iter().filter(|app| app.storage > 0);
        rows.extend(apps.map(|app| (format!("app {}", app.name), app.storage)));
        Self { rows, base_disk }
    }

    /// Adds a part, such as the packages' installed sizes, in bytes.
    pub fn add(&mut self, what: impl Into<String>, bytes: u64) {
        self.rows.push((what.into(), bytes));
    }

    /// The sum, in bytes, with the reserve.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rows.iter().map(|(_, bytes)| *bytes).fold(RESERVE, u64::saturating_add)
    }

    /// Whether a disk of `size` bytes, asked for at `span`, is too small, and why.
    #[must_use]
    pub fn check(&self, size: Spanned<u64>) -> Option<Diagnostic> {
        let shown = Size(size.value);
        if let Some((base, disk)) = &self.base_disk
            && size.value < *disk
        {
            let message = format!("`min_storage {shown}` is smaller than the base's own disk");
            return Some(
                Diagnostic::new(codes::STORAGE_TOO_SMALL, message)
                    .label(size.span, format!("the disk of `{base}` has {}", Size(*disk)))
                    .help(format!("write `min_storage {}` or more", Size(*disk))),
            );
        }
        (size.value < self.total()).then(|| self.too_small(size.span, shown))
    }

    fn too_small(&self, span: Span, shown: Size) -> Diagnostic {
        let reserve = ("kept free".to_owned(), RESERVE);
        let total = ("together".to_owned(), self.total());
        let rows: Vec<_> = self.rows.iter().chain([&reserve, &total]).collect();
        let width = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        let mut table = String::from("what is known to be needed:");
        for (what, bytes) in rows {
            let _ = write!(table, "\n{what:width$}  {:>7} MiB", bytes.div_ceil(1 << 20));
        }
        let enough = self.total().div_ceil(1 << 30);
        Diagnostic::new(
            codes::STORAGE_TOO_SMALL,
            format!("`min_storage {shown}` is too small for this image"),
        )
        .label(span, "too small")
        .note(table)
        .help(format!("write `min_storage {enough}GiB` or more"))
    }
}
