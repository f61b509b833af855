//! What the lock pins, shown behind the statements that leave it open.

use std::collections::BTreeMap;

use super::Analysis;
use super::analysis::as_statement;
use crate::check::{BaseSource, ImageSpec};
use crate::lock::LockedImage;
use crate::plan;
use crate::resolve::Resolution;
use crate::syntax::{OperandKind, Statement};
use crate::text::{SourceId, Span};

/// A text that an editor shows behind a place, and that is not in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Where it stands: an empty span.
    pub at: Span,
    /// What stands there, such as `locked 1.26.3-3`; several images, each with its name, if they differ.
    pub label: String,
    /// Markdown; may be empty.
    pub tooltip: String,
}

/// The locked versions of systems, bases, applications and packages in one of the project's ImageFiles, in
/// order. An image has none unless its entry in the lock is what its statements ask for.
#[must_use]
pub fn hints(analysis: &Analysis, source: SourceId) -> Vec<Hint> {
    let Some((lock, unit)) = analysis.lock.as_ref().zip(analysis.unit(source)) else { return Vec::new() };
    let mut pinned = Pinned::default();
    for image in &analysis.spec.images {
        let name = &image.name.value;
        let Some((resolution, locked)) = analysis.resolutions.get(name).zip(lock.images.get(name)) else {
            continue;
        };
        if plan::is_current(image, resolution, locked) {
            pinned.image(image, resolution, locked);
        }
    }
    let mut found = Vec::new();
    let inner = unit.items.iter().filter_map(as_statement).filter_map(|statement| statement.body.as_ref());
    for statement in inner.flat_map(|body| body.items.iter().filter_map(as_statement)) {
        if let Some(hint) = pinned.hint(statement.span, head_end(statement)) {
            found.push(hint);
        }
        for element in elements(statement) {
            found.extend(pinned.hint(element, Span { start: element.end, ..element }));
        }
    }
    found
}

/// Behind the last operand that is no option, comment or heredoc.
fn head_end(statement: &Statement) -> Span {
    let plain = |kind: &OperandKind| {
        matches!(kind, OperandKind::Word | OperandKind::String | OperandKind::Param | OperandKind::List(_))
    };
    let last = statement.operands.iter().rev().find(|operand| plain(&operand.kind));
    let end = last.map_or(statement.keyword.end, |operand| operand.span.end);
    Span { start: end, end, ..statement.span }
}

/// The elements of a statement's lists.
fn elements(statement: &Statement) -> impl Iterator<Item = Span> + '_ {
    let lists = statement.operands.iter().filter_map(|operand| match &operand.kind {
        OperandKind::List(list) => Some(list),
        _ => None,
    });
    lists.flat_map(|list| list.elements().map(|element| element.span))
}

/// What is locked for a place by one image.
#[derive(Debug)]
struct Pin {
    image: String,
    version: String,
    tooltip: String,
}

/// By the place of the statement or list element. One of a profile may be of several images.
#[derive(Debug, Default)]
struct Pinned(BTreeMap<Span, Vec<Pin>>);

impl Pinned {
    fn image(&mut self, image: &ImageSpec, resolution: &Resolution, locked: &LockedImage) {
        let mut add = |span: Span, version: String, tooltip: String| {
            self.0.entry(span).or_default().push(Pin { image: image.name.value.clone(), version, tooltip });
        };
        let base = match &image.base.source {
            // The ImageFile says itself which one that is.
            BaseSource::Image { .. } | BaseSource::File { .. } | BaseSource::Url { .. } => None,
            BaseSource::Auto | BaseSource::Named { .. } => {
                Some(format!("{} {}", locked.base.name, locked.base.version))
            }
        };
        let own_statement = image.base.span != image.name.span;
        if let Some(os) = &image.os {
            let written = os.version.as_ref().map(|version| version.value.to_string());
            let version = (written.as_deref() != Some(&locked.os_version)).then(|| locked.os_version.clone());
            let base = base.clone().filter(|_| !own_statement);
            let all: Vec<String> = version.into_iter().chain(base).collect();
            if !all.is_empty() {
                add(os.span, all.join(", "), String::new());
            }
        }
        if let Some(base) = base.filter(|_| own_statement) {
            add(image.base.span, base, String::new());
        }
        for app in &image.apps {
            let Some(pin) = locked.apps.get(&app.name.value) else { continue };
            let resolved = resolution.apps.iter().find(|resolved| resolved.name == app.name.value);
            let packages = resolved.iter().flat_map(|resolved| &resolved.packages).filter_map(|package| {
                Some(format!("- `{}` {}", package.name, version_of(locked, &package.name)?))
            });
            let packages: Vec<String> = packages.collect();
            add(app.span, pin.version.clone(), packages.join("\n"));
        }
        for package in &image.packages {
            let version = version_of(locked, &package.name);
            if let Some(version) = version.filter(|version| package.version.as_ref() != Some(version)) {
                add(package.span, version, String::new());
            }
        }
    }

    fn hint(&self, place: Span, at: Span) -> Option<Hint> {
        let pins = self.0.get(&place)?;
        let first = pins.first()?;
        let label = if pins.iter().all(|pin| pin.version == first.version) {
            format!("locked {}", first.version)
        } else {
            let each: Vec<_> =
                pins.iter().map(|pin| format!("{} in \"{}\"", pin.version, pin.image)).collect();
            format!("locked {}", each.join(", "))
        };
        Some(Hint { at, label, tooltip: first.tooltip.clone() })
    }
}

/// The version of a package on top of the base, or in it.
fn version_of(locked: &LockedImage, name: &str) -> Option<String> {
    let mut packages = locked.packages.iter().chain(locked.base.packages());
    packages.find(|package| package.name == name).map(|package| package.version.to_string())
}
