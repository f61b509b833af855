//! Images that were revoked are not built again as they were, nor is anything made from them.

use std::collections::HashMap;

use crate::{
    check::Spec,
    diagnostic::{Diagnostic, codes},
    exec::prepare::Prepared,
    plan::{BaseSource, ImagePlan},
    report::utc,
    store::records::Revocation,
    text::Span,
};

/// Those of these plans whose content was revoked, or the content that they stand on; `revocations` are by its key.
pub(super) fn of_plans(
    spec: &Spec,
    prepared: &[Prepared],
    revocations: &HashMap<String, Revocation>,
) -> Vec<Diagnostic> {
    let of_plan = |plan: &ImagePlan| {
        let of = |key: crate::plan::Key| revocations.get(&key.0.to_string());
        let below = match &plan.base.source {
            BaseSource::Image { key, .. } => of(*key),
            _ => None,
        };
        let found = of(plan.key()).or(below)?;
        Some(refused(&plan.image, spec.image(&plan.image)?.name.span, found))
    };
    prepared.iter().filter_map(|one| of_plan(&one.plan)).collect()
}

/// Refuses the image of this name, written at `span`.
#[must_use]
pub fn refused(image: &str, span: Span, revocation: &Revocation) -> Diagnostic {
    let Revocation { image: revoked, at_ms, why } = revocation;
    let (message, label) = if revoked == image {
        (format!("the image `{image}` was revoked"), "would be made as it was")
    } else {
        (format!("the image `{image}` is made from `{revoked}`, which was revoked"), "made from it")
    };
    let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Diagnostic::new(codes::IMAGE_REVOKED, message)
        .label(span, label)
        .note(format!("`{revoked}` was revoked on {}{why}", utc(*at_ms)))
        .help("change what is wrong with it, or take newer packages by `imgfile lock --update`: then it is another image")
        .help(format!("`imgfile image revoke --undo {revoked}` takes it back"))
}
