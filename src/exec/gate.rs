//! The gate in front of the artifacts: a disk that breaks a rule for finished disks becomes no image. What was found on it
//! is judged by what the ImageFile allows each time.

use super::{BuildError, Reporter, secret::Mask};
use crate::{
    diagnostic::{Diagnostic, codes},
    hygiene::{Finding, Rule, Severity},
    plan::{BaseSource, ImagePlan},
};

/// A private key that was made while building: clean-up tells of it (W0601).
const TOLD_BY_CLEANUP: &str = "H0007";
/// Errors that are shown; each is one that has to be dealt with.
const SHOWN: usize = 20;

/// Lets the disk pass, with a warning for what may be a mistake.
pub(super) fn judge(
    findings: &[Finding],
    image: &ImagePlan,
    mask: &Mask,
    reporter: &Reporter,
) -> Result<(), BuildError> {
    let mut errors = Vec::new();
    for finding in findings.iter().filter(|finding| finding.rule != TOLD_BY_CLEANUP) {
        let Some(rule) = finding.rule() else { continue };
        match image.gate.severity(rule) {
            Some(Severity::Error) => errors.push(error(finding, rule, image, mask)),
            Some(Severity::Warning) => {
                let message = mask.text(&finding.message);
                reporter.note(format!("warning[{}]: {message}; `imgfile explain {}`", rule.id, rule.id));
            }
            // For whoever asks.
            Some(Severity::Note) | None => {}
        }
    }
    errors.truncate(SHOWN);
    if errors.is_empty() { Ok(()) } else { Err(BuildError::Diagnosed(errors)) }
}

fn error(finding: &Finding, rule: &Rule, image: &ImagePlan, mask: &Mask) -> Diagnostic {
    let message = format!("the disk of `{}` is not fit for instances: {}", image.image, rule.title);
    let mut diagnostic = Diagnostic::new(codes::DISK_UNFIT, message);
    let writer = finding.path.as_ref().and_then(|path| image.writer(path));
    let found = format!("{}: {}", rule.id, mask.text(&finding.message));
    diagnostic = match writer.and_then(|step| step.span) {
        Some(span) => {
            let written = diagnostic.label(span, found);
            match image.gate.span {
                Some(cleanup) => written.label(cleanup, "cleaned by this"),
                None => written,
            }
        }
        None => match image.gate.span {
            Some(span) => diagnostic.label(span, found),
            None => diagnostic.note(found),
        },
    };
    // Of an image that is captured no ImageFile says what it may break.
    let allowed = match &image.base.source {
        BaseSource::Captured { .. } => format!("--allow {}", rule.id),
        _ => format!("cleanup {} {{ allow = [\"{}\"] }}", image.gate.preset.as_str(), rule.id),
    };
    diagnostic
        .help(format!("`imgfile explain {}` tells what to do about it", rule.id))
        .help(format!("if it is meant: `{allowed}`"))
}
