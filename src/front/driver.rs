//! What the driver cannot do, among everything else that is wrong.

use crate::check::{self, Spec};
use crate::diagnostic::Diagnostic;
use crate::model::Capabilities;

/// What images ask for and `driver` cannot do, but for what something else is wrong with already: `found` says so at
/// the same words.
#[must_use]
pub fn beyond(spec: &Spec, found: &[Diagnostic], driver: &Capabilities) -> Vec<Diagnostic> {
    let mut beyond = check::beyond(spec, driver);
    beyond.retain(|one| {
        let errors = found.iter().filter(|other| other.is_error());
        !errors.flat_map(|other| &other.labels).any(|label| Some(label.span) == one.span())
    });
    beyond
}
