//! Files that an image is to get, looked at without being read: what a plan would stop at is known before.

use crate::check::{CopySource, Files, ImageSpec, Spec, StepSpec};
use crate::diagnostic::Diagnostic;
use crate::plan::Walker;
use crate::text::Spanned;

/// Most entries of all copied folders together that are looked at: an editor does it after each keystroke.
const MOST: usize = 20_000;

/// What cannot be copied: a name that is not UTF-8, a device, what may not be read.
pub(super) fn unreadable(spec: &Spec, files: &dyn Files) -> Vec<Diagnostic> {
    let walker = Walker::new(files);
    let mut left = MOST;
    let mut found = Vec::new();
    for path in spec.images.iter().flat_map(folders) {
        if let Err(error) = walker.names(&path.value, &mut left) {
            found.push(error.diagnostic(path.span));
        }
    }
    found
}

/// What the statements of an image bring in.
fn folders(image: &ImageSpec) -> Vec<&Spanned<String>> {
    let mut all = Vec::new();
    for step in &image.steps {
        match step {
            StepSpec::Copy(copy) => match &copy.source {
                CopySource::Folder { path } | CopySource::Glob { folder: path, .. } => all.push(path),
                _ => {}
            },
            StepSpec::Script(script) => all.extend(&script.with),
            StepSpec::Reboot(_) => {}
        }
    }
    all.extend(image.tests.iter().flat_map(|test| &test.script.with));
    all
}
