//! Why a step's key is not the one it had in an earlier build: the first difference on the way to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{BuildError, PlanSummary, StepSummary};
use crate::{
    plan::{ImagePlan, KeyPart, TreeEntry},
    store::{Facts, Store},
};

/// Values of key parts, by their digest.
const KIND: &str = "key-part-v1";
/// So many differences are told of one part; what comes after is counted.
const SHOWN: usize = 8;

/// Keeps what the keys of a plan were made of, so that a later `why` can show more than that it differs.
/// Of the value of a secret there is nothing to keep.
pub(super) fn remember(store: &Store, image: &ImagePlan) -> Result<(), BuildError> {
    let facts = store.facts();
    for part in image.steps.iter().flat_map(|step| &step.parts) {
        if !part.value.is_empty() && !facts.has(KIND, &part.digest) {
            facts.put(KIND, &part.digest, &part.value)?;
        }
    }
    Ok(())
}

/// What made a step's key another one. Steps are numbers in the plan of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key is the same.
    None,
    /// Another base, or another version or package set of it.
    Base,
    /// Something in the step `at` changed, which is the step asked for or one before it.
    Step {
        /// Number of the first step that differs, from 0.
        at: usize,
        /// What of it differs; what is the same is left out.
        parts: Vec<PartChange>,
    },
    /// The step `at` was not there, or not at this place.
    New {
        /// Number of that step, from 0.
        at: usize,
    },
    /// Before the step `at` there was one that is gone.
    Gone {
        /// Number of the step that is in its place now, from 0.
        at: usize,
        /// Name of the step that is gone, such as `script announce`.
        name: String,
    },
}

/// One part of a step's key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartChange {
    /// In the user's words, see [`KeyPart::name`].
    pub name: String,
    /// What exactly, one line each; empty where nothing more is known.
    pub details: Vec<String>,
}

/// The first difference between an earlier plan and this one, up to the step number `target`.
#[must_use]
pub fn since(before: &PlanSummary, now: &PlanSummary, target: usize, facts: Facts<'_>) -> Change {
    if before.base_key != now.base_key {
        return Change::Base;
    }
    for (at, step) in now.steps.iter().enumerate().take(target + 1) {
        let Some(old) = before.steps.get(at) else { return Change::New { at } };
        if old.key == step.key {
            continue;
        }
        if old.name == step.name {
            return Change::Step { at, parts: parts(old, step, before, now, facts) };
        }
        let is_there = now.steps.iter().any(|one| one.name == old.name);
        return if is_there { Change::New { at } } else { Change::Gone { at, name: old.name.clone() } };
    }
    Change::None
}

fn parts(
    old: &StepSummary,
    new: &StepSummary,
    before: &PlanSummary,
    now: &PlanSummary,
    facts: Facts<'_>,
) -> Vec<PartChange> {
    let find = |step: &StepSummary, name: &str| step.parts.iter().find(|part| part.name == name).cloned();
    let mut names: Vec<&str> = new.parts.iter().map(|part| part.name.as_str()).collect();
    names.extend(old.parts.iter().map(|part| part.name.as_str()).filter(|name| find(new, name).is_none()));
    let mut changes = Vec::new();
    for name in names {
        let (old, new) = (find(old, name), find(new, name));
        if old.as_ref().map(|part| part.digest) == new.as_ref().map(|part| part.digest) {
            continue;
        }
        let details = if name == "locked packages" {
            packages(before, now)
        } else {
            details(value(old.as_ref(), facts), value(new.as_ref(), facts))
        };
        changes.push(PartChange { name: name.to_owned(), details: shortened(details) });
    }
    changes
}

/// What a part's digest is of: known for parts of a plan made now, remembered for those of a record.
fn value(part: Option<&KeyPart>, facts: Facts<'_>) -> Option<Value> {
    let part = part?;
    let text = if part.value.is_empty() { facts.get(KIND, &part.digest)? } else { part.value.clone() };
    serde_json::from_str(&text).ok()
}

fn details(old: Option<Value>, new: Option<Value>) -> Vec<String> {
    match (old, new) {
        (Some(Value::String(old)), Some(Value::String(new))) => lines(&old, &new),
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let map = |map: serde_json::Map<String, Value>| map.into_iter().collect::<BTreeMap<_, _>>();
            entries(&map(old), &map(new))
        }
        (Some(old), Some(new)) => match (tree(&old), tree(&new)) {
            (Some(old), Some(new)) => files(&old, &new),
            _ => vec![format!("{} → {}", short(&old), short(&new))],
        },
        _ => Vec::new(),
    }
}

/// Lines of a text, as a difference shows them.
fn lines(old: &str, new: &str) -> Vec<String> {
    let diff = similar::TextDiff::from_lines(old, new);
    diff.iter_all_changes()
        .filter_map(|change| {
            let (sign, line) = match change.tag() {
                similar::ChangeTag::Equal => return None,
                similar::ChangeTag::Delete => ('-', change.old_index()),
                similar::ChangeTag::Insert => ('+', change.new_index()),
            };
            let number = line.map_or(0, |line| line + 1);
            Some(format!("{sign} line {number}: {}", change.value().trim_end()))
        })
        .collect()
}

/// Variables and other named values.
fn entries(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> Vec<String> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) if old == new => None,
            (Some(old), Some(new)) => Some(format!("{name}: {} → {}", short(old), short(new))),
            (Some(old), None) => Some(format!("{name} is gone (it was {})", short(old))),
            (None, Some(new)) => Some(format!("{name} is new: {}", short(new))),
            (None, None) => None,
        })
        .collect()
}

fn tree(value: &Value) -> Option<BTreeMap<String, TreeEntry>> {
    let entries: Vec<TreeEntry> = serde_json::from_value(value.clone()).ok()?;
    Some(entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
}

/// Files of a copied tree; the tree itself may be a single file, whose path is empty.
fn files(old: &BTreeMap<String, TreeEntry>, new: &BTreeMap<String, TreeEntry>) -> Vec<String> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter_map(|path| {
            let shown = if path.is_empty() { "it" } else { path };
            match (old.get(path), new.get(path)) {
                (Some(old), Some(new)) if old == new => None,
                (Some(_), Some(_)) => Some(format!("{shown} changed")),
                (Some(_), None) => Some(format!("{shown} is gone")),
                (None, _) => Some(format!("{shown} is new")),
            }
        })
        .collect()
}

fn packages(before: &PlanSummary, now: &PlanSummary) -> Vec<String> {
    let versions = |plan: &PlanSummary| {
        plan.packages
            .iter()
            .map(|package| (package.name.clone(), Value::String(package.version.clone())))
            .collect::<BTreeMap<_, _>>()
    };
    entries(&versions(before), &versions(now))
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let cut = text.chars().count() > 60;
    let start: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if cut { start + "…" } else { start }
}

fn shortened(mut details: Vec<String>) -> Vec<String> {
    if details.len() > SHOWN {
        let more = details.len() - SHOWN + 1;
        details.truncate(SHOWN - 1);
        details.push(format!("and {more} more"));
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::Key, text::Digest};

    fn part(name: &str, value: &Value) -> KeyPart {
        let value = value.to_string();
        KeyPart { name: name.into(), digest: Digest::of(&value), value }
    }

    /// A plan of steps, each with its parts, on one base.
    fn plan(steps: &[(&str, Vec<KeyPart>)]) -> PlanSummary {
        let mut parent = Key(Digest::of("base"));
        let mut plan = PlanSummary { base_key: Some(parent.0), ..PlanSummary::default() };
        for (name, parts) in steps {
            parent = Key::of(parent, parts);
            plan.steps.push(StepSummary { name: (*name).into(), key: parent.0, parts: parts.clone() });
        }
        plan
    }

    fn script(text: &str) -> Vec<KeyPart> {
        vec![part("script text", &Value::from(text)), part("env", &serde_json::json!({ "A": text }))]
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    #[test]
    fn the_first_step_that_differs_is_named_with_its_parts() {
        let (_dir, store) = store();
        let before = plan(&[("one", script("echo 1\n")), ("two", script("echo 2\n"))]);
        let now = plan(&[("one", script("echo 1\n")), ("two", script("echo 3\n"))]);
        assert_eq!(since(&before, &now, 0, store.facts()), Change::None);
        let expected = vec![
            PartChange {
                name: "script text".into(),
                details: vec!["- line 1: echo 2".into(), "+ line 1: echo 3".into()],
            },
            PartChange { name: "env".into(), details: vec![r"A: echo 2\n → echo 3\n".into()] },
        ];
        assert_eq!(since(&before, &now, 1, store.facts()), Change::Step { at: 1, parts: expected });
    }

    #[test]
    fn what_changed_before_a_step_is_why_it_runs_again() {
        let (_dir, store) = store();
        let before = plan(&[("one", script("a")), ("two", script("b"))]);
        let now = plan(&[("one", script("c")), ("two", script("b"))]);
        assert!(matches!(since(&before, &now, 1, store.facts()), Change::Step { at: 0, .. }));
        let inserted = plan(&[("new", script("n")), ("one", script("a")), ("two", script("b"))]);
        assert_eq!(since(&before, &inserted, 2, store.facts()), Change::New { at: 0 });
        let removed = plan(&[("two", script("b"))]);
        let gone = Change::Gone { at: 0, name: "one".into() };
        assert_eq!(since(&before, &removed, 0, store.facts()), gone);
        let other = PlanSummary { base_key: Some(Digest::of("other")), ..before.clone() };
        assert_eq!(since(&other, &before, 0, store.facts()), Change::Base);
    }

    #[test]
    fn a_record_keeps_digests_and_the_store_what_they_are_of() {
        let (_dir, store) = store();
        let tree = |digest: &str| {
            let entry = |path: &str, text: &str| serde_json::json!({ "path": path, "type": "file", "sha256": Digest::of(text), "size": 1, "executable": false });
            vec![part("copied files of site", &Value::from(vec![entry("a", "a"), entry("b", digest)]))]
        };
        let (before, now) = (plan(&[("copy", tree("1"))]), plan(&[("copy", tree("2"))]));
        let recorded: PlanSummary = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
        let change = |before: &PlanSummary| match since(before, &now, 0, store.facts()) {
            Change::Step { parts, .. } => parts[0].details.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(change(&recorded), Vec::<String>::new(), "nobody kept the old value");
        let old = &before.steps[0].parts[0];
        store.facts().put(KIND, &old.digest, &old.value).unwrap();
        assert_eq!(change(&recorded), ["b changed"]);
    }

    #[test]
    fn a_long_list_of_differences_is_cut() {
        let details: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let short = shortened(details);
        assert_eq!((short.len(), short.last().unwrap().as_str()), (SHOWN, "and 93 more"));
    }
}
