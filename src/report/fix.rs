//! Applying fixes.

use std::collections::BTreeMap;

use crate::diagnostic::{Applicability, Diagnostic, Edit, Fix};
use crate::text::{SourceId, Sources};

/// The texts that change when every safe fix is applied. A fix whose edits overlap those of an
/// earlier one is left for the next round.
#[must_use]
pub fn fixed(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<(SourceId, String)> {
    let mut taken: BTreeMap<SourceId, Vec<&Edit>> = BTreeMap::new();
    for diagnostic in diagnostics {
        let Some(fix) = diagnostic.fixes.iter().find(|fix| fix.applicability == Applicability::Safe) else {
            continue;
        };
        if fits(fix, &taken) {
            for edit in &fix.edits {
                taken.entry(edit.span.source).or_default().push(edit);
            }
        }
    }
    taken
        .into_iter()
        .map(|(id, mut edits)| {
            edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
            (id, apply(&sources.get(id).text, &edits))
        })
        .filter(|(id, text)| sources.get(*id).text != *text)
        .collect()
}

fn fits(fix: &Fix, taken: &BTreeMap<SourceId, Vec<&Edit>>) -> bool {
    fix.edits.iter().all(|edit| {
        taken.get(&edit.span.source).into_iter().flatten().all(|other| {
            let apart = edit.span.end <= other.span.start || other.span.end <= edit.span.start;
            // Two insertions at one place have no order between them.
            apart && edit.span != other.span
        })
    })
}

/// `text` with edits that are sorted and do not overlap.
fn apply(text: &str, edits: &[&Edit]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        out.push_str(&text[at..edit.span.start as usize]);
        out.push_str(&edit.text);
        at = edit.span.end as usize;
    }
    out.push_str(&text[at..]);
    out
}
