//! No file uses another that uses it, by whatever way: what two need stands in a third.
//!
//! A folder's own file and those in it count as one another's, since a folder is one thing to those outside.

use std::collections::{BTreeMap, BTreeSet};

use crate::architecture::{code, rust_files, source};

/// The path of a module, without `crate`.
type Module = Vec<String>;

fn modules() -> BTreeMap<Module, String> {
    let source = source("");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    files.retain(|file| !file.components().any(|part| part.as_os_str() == "tests"));
    files
        .into_iter()
        .filter_map(|file| {
            let inside = file.strip_prefix(&source).unwrap().with_extension("");
            let mut module: Module = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|name| name == "mod") {
                module.pop();
            }
            let is_test = module.last().is_some_and(|name| name == "tests");
            let is_root = module.len() == 1 && matches!(module[0].as_str(), "lib" | "main");
            (!is_test && !is_root).then(|| (module, code(&file)))
        })
        .collect()
}

/// All paths that a `use` stands for: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expanded(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        return if path.is_empty() { Vec::new() } else { vec![path.to_owned()] };
    };
    let (start, list) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())]);
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[from..]);
    parts.into_iter().flat_map(expanded).map(|part| format!("{start}{part}")).collect()
}

/// Paths that a text names, as they are written: those of `use`, and those that begin with `crate` or `super`.
fn named(text: &str) -> Vec<String> {
    let mut paths: Vec<String> = text
        .match_indices("use ")
        .filter(|(at, _)| {
            let line = text[..*at].rsplit('\n').next().unwrap_or_default().trim();
            // The end of a longer word is none.
            let whole = !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            whole && (line.is_empty() || line.starts_with("pub"))
        })
        .filter_map(|(at, word)| text[at + word.len()..].split_once(';'))
        .flat_map(|(tree, _)| expanded(&tree.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect();
    for start in ["crate::", "super::"] {
        paths.extend(text.match_indices(start).map(|(at, _)| {
            text[at..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect::<String>()
        }));
    }
    paths
}

/// The module that a path leads into, as seen from another.
fn target(path: &str, from: &Module, modules: &BTreeMap<Module, String>) -> Option<Module> {
    let mut parts: Vec<&str> = path.split("::").map(str::trim).collect();
    let mut at: Module = match parts.first() {
        Some(&"crate") => Vec::new(),
        Some(&"super") => from[..from.len() - 1].to_vec(),
        _ => from.clone(),
    };
    if matches!(parts.first(), Some(&"crate" | &"super" | &"self")) {
        parts.remove(0);
    }
    while parts.first() == Some(&"super") {
        at.pop();
        parts.remove(0);
    }
    at.extend(parts.into_iter().map(str::to_owned));
    while !at.is_empty() && !modules.contains_key(&at) {
        at.pop();
    }
    (!at.is_empty()).then_some(at)
}

/// What each module reaches by others, itself among them where there is a circle.
fn circles(uses: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<BTreeSet<Module>> {
    let reached = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            open.extend(uses.get(module).into_iter().flatten().filter(|next| seen.insert((*next).clone())));
        }
        seen
    };
    let all: BTreeMap<&Module, BTreeSet<Module>> =
        uses.keys().map(|module| (module, reached(module))).collect();
    let mut found = BTreeSet::new();
    for (module, reaches) in all.iter().filter(|(module, reaches)| reaches.contains(**module)) {
        let back = |other: &&Module| all.get(*other).is_some_and(|theirs| theirs.contains(*module));
        found.insert(reaches.iter().filter(back).cloned().collect());
    }
    found
}

#[test]
fn no_file_uses_one_that_uses_it() {
    let modules = modules();
    let within = |one: &Module, other: &Module| one.starts_with(other) || other.starts_with(one);
    let uses = modules
        .iter()
        .map(|(module, text)| {
            let targets = named(text).into_iter().filter_map(|path| target(&path, module, &modules));
            (module.clone(), targets.filter(|other| !within(module, other)).collect())
        })
        .collect();
    let found: BTreeSet<BTreeSet<String>> = circles(&uses)
        .into_iter()
        .map(|circle| circle.into_iter().map(|module| module.join("::")).collect())
        .collect();
    assert_eq!(found, BTreeSet::new());
}

#[test]
fn the_look_for_circles_would_notice() {
    assert_eq!(expanded("super::{a, b::{c, d as e}}"), ["super::a", "super::b::c", "super::b::d"]);
    let files = ["x::a", "x::b", "x"]
        .map(|path| (path.split("::").map(str::to_owned).collect::<Module>(), String::new()));
    let modules: BTreeMap<Module, String> = files.into_iter().collect();
    let a: Module = vec!["x".into(), "a".into()];
    assert_eq!(target("super::b::Thing", &a, &modules), Some(vec!["x".into(), "b".into()]));
    assert_eq!(target("crate::x::Thing", &a, &modules), Some(vec!["x".into()]));
    assert_eq!(target("std::fs", &a, &modules), Some(a.clone()), "its own, which does not count");
    let one = |name: &str| vec![name.to_owned()];
    let uses = BTreeMap::from([
        (one("a"), BTreeSet::from([one("b")])),
        (one("b"), BTreeSet::from([one("c")])),
        (one("c"), BTreeSet::from([one("a"), one("d")])),
        (one("d"), BTreeSet::new()),
    ]);
    assert_eq!(circles(&uses), BTreeSet::from([BTreeSet::from([one("a"), one("b"), one("c")])]));
}
