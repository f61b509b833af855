//! Large and hard cases, made by rule.

use std::collections::BTreeSet;

use super::{BASES, parse, show_resolution};
use crate::catalog::{Catalog, Layer};
use crate::resolve::{Preferences, Wanted, resolve};
use crate::text::{SourceId, Sources};

#[path = "../../../benches/resolve/families.rs"]
mod families;

fn load(apps: &[String]) -> Catalog {
    let mut sources = Sources::default();
    sources.add("ImageFile", "");
    let mut files: Vec<SourceId> = BASES.iter().map(|(name, text)| sources.add(*name, *text)).collect();
    files.extend(
        apps.iter().enumerate().map(|(index, text)| sources.add(format!("apps/{index}.yaml"), text.clone())),
    );
    let (catalog, mistakes) = Catalog::load(&[Layer { name: "catalog".to_owned(), files }], &sources);
    assert_eq!(mistakes, []);
    catalog
}

fn app(name: &str, rest: &str) -> String {
    format!("schema: imgfile/app/v1\nname: {name}\nsummary: s\n{rest}\n")
}

fn image(names: impl IntoIterator<Item = String>) -> Wanted {
    let text: String = names.into_iter().map(|name| format!("app {name}\n")).collect();
    parse(SourceId(0), &text)
}

#[test]
fn thirty_applications_of_a_large_catalogue() {
    let family = families::large(2000, 30);
    let catalog = load(&family.apps);
    let wanted = image(family.wanted);
    let first = resolve(&wanted, &catalog, &Preferences::default()).map(|found| show_resolution(&found));
    let again = resolve(&wanted, &catalog, &Preferences::default()).map(|found| show_resolution(&found));
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(first, again, "same inputs, same answer");
}

/// Every verdict is right, or says that the work allowed was not enough: nothing runs on.
#[test]
fn hard_conflicts_end() {
    for family in families::hard().into_iter().chain([families::hidden(40, 39)]) {
        let catalog = load(&family.apps);
        let result = resolve(&image(family.wanted), &catalog, &Preferences::default());
        let codes: BTreeSet<&str> =
            result.as_ref().err().into_iter().flatten().map(|error| error.code.as_str()).collect();
        assert!(codes.is_subset(&BTreeSet::from(["E0304", "E0311", "E0312", "E0313"])), "{codes:?}");
        if let (Some(solvable), false) = (family.solvable, codes.contains("E0313")) {
            assert_eq!(result.is_ok(), solvable, "{}", family.name);
        }
    }
}

/// Chains of requirements as long as the catalogue, and depth that recursion would not survive.
#[test]
fn long_chains_end() {
    let length = 3000;
    let apps: Vec<String> = (0..length)
        .map(|index| {
            let need = if index + 1 < length { format!("c{}", index + 1) } else { String::new() };
            app(&format!("c{index}"), &format!("versions: [{{version: 1}}]\nrequires: [{need}]"))
        })
        .collect();
    let catalog = load(&apps);
    let found = resolve(&image(["c0".to_owned()]), &catalog, &Preferences::default()).unwrap();
    assert_eq!(found.apps.len(), length);
    assert_eq!((found.apps[0].name.as_str(), found.apps[length - 1].name.as_str()), ("c2999", "c0"));
}
