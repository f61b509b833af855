//! What an image is known to need on its disk, before anything boots.

use std::fmt::Write as _;

use super::{BaseOrigin, Resolution};
use crate::catalog::BaseSource;
use crate::check::Size;
use crate::diagnostic::{Diagnostic, codes};
use crate::text::Span;

/// Kept free on top of everything known: file system overhead, logs, the first boot.
const RESERVE: u64 = 256 << 20;
/// Parts smaller than this are not pointed at, and no reason to refuse a base's own disk.
const WORTH_A_LABEL: u64 = 1 << 20;

/// A sum whose parts can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageNeed {
    parts: Vec<Part>,
    /// The base's disk, which the image's cannot be smaller than; none if the base can be made to fit.
    base_disk: Option<u64>,
    /// Bytes of the base's files.
    base_used: u64,
    base: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    what: String,
    bytes: u64,
    /// The statement that asks for it.
    span: Option<Span>,
}

/// The disk that the sum is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskWish {
    /// What `min_storage` says: bytes, and where.
    Asked(u64, Span),
    /// The base's own size, as nothing else is asked for: bytes, and where the base is chosen.
    OfBase(u64, Span),
}

impl StorageNeed {
    /// The base and the applications; packages and copies are for the caller to add.
    #[must_use]
    pub fn new(resolution: &Resolution) -> Self {
        let base = &resolution.base;
        let bootstrapped =
            matches!(&base.origin, BaseOrigin::Catalog { source: BaseSource::Bootstrap(_), .. });
        let base_disk = base.virtual_size.filter(|_| !bootstrapped);
        let base_used = base.used.unwrap_or(0);
        let mut need = Self { parts: Vec::new(), base_disk, base_used, base: base.name.clone() };
        need.add(format!("base {}", base.name), base_used, None);
        for app in &resolution.apps {
            let what = format!("app {}", app.name);
            if app.inherited {
                need.add_below(what, app.storage, app.span);
            } else {
                need.add(what, app.storage, app.span);
            }
        }
        need
    }

    /// Adds a part, in bytes; one of nothing is not shown.
    pub fn add(&mut self, what: impl Into<String>, bytes: u64, span: Option<Span>) {
        if bytes > 0 {
            self.parts.push(Part { what: what.into(), bytes, span });
        }
    }

    /// Adds what is on the base's disk beside the base's own files.
    pub fn add_below(&mut self, what: impl Into<String>, bytes: u64, span: Option<Span>) {
        self.base_used = self.base_used.saturating_add(bytes);
        self.add(what, bytes, span);
    }

    /// The sum, in bytes, with the reserve.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).fold(RESERVE, u64::saturating_add)
    }

    /// Whether the disk is too small, and why.
    #[must_use]
    pub fn check(&self, disk: DiskWish) -> Option<Diagnostic> {
        if let (DiskWish::Asked(size, span), Some(disk)) = (disk, self.base_disk)
            && size < disk
        {
            let message = format!("`min_storage {}` is smaller than the base's own disk", Size(size));
            return Some(
                Diagnostic::new(codes::STORAGE_TOO_SMALL, message)
                    .label(span, format!("the disk of `{}` has {}", self.base, Size(disk)))
                    .help(format!("write `min_storage {}` or more", Size(disk))),
            );
        }
        // A base fits its own disk, however little room it leaves.
        let added = self.total().saturating_sub(RESERVE).saturating_sub(self.base_used);
        if matches!(disk, DiskWish::OfBase(..)) && added < WORTH_A_LABEL {
            return None;
        }
        let (DiskWish::Asked(size, _) | DiskWish::OfBase(size, _)) = disk;
        (size < self.total()).then(|| self.too_small(disk))
    }

    fn too_small(&self, disk: DiskWish) -> Diagnostic {
        let diagnostic = |message| Diagnostic::new(codes::STORAGE_TOO_SMALL, message);
        let mut diagnostic = match disk {
            DiskWish::Asked(size, span) => {
                diagnostic(format!("`min_storage {}` is too small for this image", Size(size)))
                    .label(span, "too small")
            }
            DiskWish::OfBase(size, span) => {
                diagnostic(format!("the disk of `{}` is too small for this image", self.base))
                    .label(span, format!("it has {}, and no `min_storage` asks for more", Size(size)))
            }
        };
        for part in self.parts.iter().filter(|part| part.bytes >= WORTH_A_LABEL) {
            if let Some(span) = part.span {
                diagnostic = diagnostic.label(span, format!("{}: {} MiB", part.what, mebibytes(part.bytes)));
            }
        }
        let enough = self.total().div_ceil(1 << 30);
        diagnostic.note(self.table()).help(format!("write `min_storage {enough}GiB` or more"))
    }

    fn table(&self) -> String {
        let parts = self.parts.iter().map(|part| (part.what.as_str(), part.bytes));
        let rows: Vec<_> = parts.chain([("kept free", RESERVE), ("together", self.total())]).collect();
        let width = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        let mut table = String::from("what is known to be needed:");
        for (what, bytes) in rows {
            let _ = write!(table, "\n{what:width$}  {:>7} MiB", mebibytes(bytes));
        }
        table
    }
}

const fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
