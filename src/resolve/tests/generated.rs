//! Large and hard cases, made by rule.

use std::fmt::Write as _;

use super::brute_force::Random;
use super::{BASES, parse, show_resolution};
use crate::catalog::{Catalog, Layer};
use crate::resolve::{Preferences, Wanted, resolve};
use crate::text::{SourceId, Sources};

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

/// 2,000 applications with 20 versions each; version N needs version N or above of two that come
/// later in the catalogue.
fn large() -> Vec<String> {
    let mut random = Random(1);
    let count = 2000;
    (0..count)
        .map(|index| {
            let mut text = String::from("versions:\n");
            for version in 1..=20 {
                let _ = write!(text, "  - {{version: \"{version}.0\", os: [debian 12, debian 13]");
                let later = count - index - 1;
                if later > 10 && version % 2 == 0 {
                    let (a, b) = (index + 1 + random.below(later), index + 1 + random.below(later.min(50)));
                    let _ = write!(text, ", requires: [\"a{a} >={version}\", \"a{b} ^{version}\"]");
                }
                text.push_str("}\n");
            }
            let _ = write!(
                text,
                "claims: [\"tcp/{{{{ port }}}}\"]\noptions: {{port: {{type: port, default: {}}}}}",
                1000 + index
            );
            app(&format!("a{index}"), &text)
        })
        .collect()
}

#[test]
fn thirty_applications_of_a_large_catalogue() {
    let catalog = load(&large());
    let wanted = image((0..30).map(|index| format!("a{}", index * 60 + 7)));
    let first = resolve(&wanted, &catalog, &Preferences::default()).map(|found| show_resolution(&found));
    let again = resolve(&wanted, &catalog, &Preferences::default()).map(|found| show_resolution(&found));
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(first, again, "same inputs, same answer");
}

/// `holes` + 1 applications each need one of `holes` places, and a place holds one: no solution, and
/// the classical hard case for solvers that learn by resolution.
fn pigeons(holes: usize) -> (Vec<String>, Wanted) {
    let mut apps = Vec::new();
    for pigeon in 0..=holes {
        for hole in 0..holes {
            let text = format!("versions: [{{version: 1}}]\nprovides: [place{pigeon}]\nclaims: [hole{hole}]");
            apps.push(app(&format!("in{pigeon}x{hole}"), &text));
        }
        apps.push(app(
            &format!("pigeon{pigeon}"),
            &format!("versions: [{{version: 1}}]\nrequires: [place{pigeon}]"),
        ));
    }
    (apps, image((0..=holes).map(|pigeon| format!("pigeon{pigeon}"))))
}

/// A chain of applications in which every version needs the one above of the next: the end breaks it.
fn ladder(length: usize) -> (Vec<String>, Wanted) {
    let apps = (0..length).map(|index| {
        let mut text = String::from("versions:\n");
        for version in 1..=20 {
            let need =
                if index + 1 < length { format!("\"l{} >{version}\"", index + 1) } else { String::new() };
            let need = if version == 20 { String::new() } else { need };
            let _ = writeln!(text, "  - {{version: {version}, requires: [{need}]}}");
        }
        app(&format!("l{index}"), &text)
    });
    let names = (0..length).map(|index| format!("l{index} <{}", 19 - index % 2));
    (apps.collect(), image(names))
}

/// A ring of applications, each with two kinds of which neighbours must differ: odd rings have no
/// solution.
fn ring(length: usize) -> (Vec<String>, Wanted) {
    let apps = (0..length).map(|index| {
        let next = (index + 1) % length;
        let text = format!("versions: [{{version: 1}}, {{version: 2}}]\nconflicts: [\"r{next} 1\"]");
        let one = app(&format!("r{index}"), &text);
        one.replace("{version: 2}", "{version: 2, os: [debian 13]}")
    });
    (apps.collect(), image((0..length).map(|index| format!("r{index}"))))
}

/// Every verdict comes within the work budget or says that it did not: nothing runs on.
#[test]
fn hard_conflicts_end() {
    let families: Vec<(String, (Vec<String>, Wanted))> = (2..=5)
        .map(|holes| (format!("pigeons {holes}"), pigeons(holes)))
        .chain([20, 100].map(|length| (format!("ladder {length}"), ladder(length))))
        .chain([3, 50, 99, 100].map(|length| (format!("ring {length}"), ring(length))))
        .collect();
    for (name, (apps, wanted)) in families {
        let catalog = load(&apps);
        let result = resolve(&wanted, &catalog, &Preferences::default());
        if let Err(errors) = &result {
            let known = ["E0311", "E0312", "E0313", "E0304"];
            assert!(errors.iter().all(|error| known.contains(&error.code.as_str())), "{name}: {errors:#?}");
        }
        assert_eq!(result.is_err(), name.starts_with("pigeons") || name.starts_with("ladder"), "{name}");
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
