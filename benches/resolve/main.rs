//! How long the resolver takes: a large catalogue, loading included, and hard cases.
//!
//! `cargo bench --bench resolve` prints milliseconds, the worst of five runs each.

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]

mod families;

use std::time::Instant;

use families::Family;
use imgfile::catalog::load_project;
use imgfile::check::{MemoryFiles, check};
use imgfile::resolve::{Preferences, resolve_project};
use imgfile::text::Sources;

const RUNS: u32 = 5;

fn main() {
    let mut worst_hard = (0.0, String::new());
    measure(&families::large(2000, 30));
    // What takes longest: nothing here can be counted, and each decision has many consequences.
    let hidden = [(8, 7), (14, 13), (40, 39)].map(|(birds, holes)| families::hidden(birds, holes));
    for family in families::hard().into_iter().chain(hidden) {
        let took = measure(&family);
        if took > worst_hard.0 {
            worst_hard = (took, family.name);
        }
    }
    println!("worst of the hard ones: {:.1} ms, {}", worst_hard.0, worst_hard.1);
}

/// From text to resolution; milliseconds.
fn measure(family: &Family) -> f64 {
    let mut image = String::from("image \"bench\" {\n  os linux debian\n");
    for app in &family.wanted {
        image.push_str(&format!("  app {app}\n"));
    }
    image.push_str("}\n");
    let mut files = MemoryFiles::new().with("ImageFile", image);
    for (number, app) in family.apps.iter().enumerate() {
        files = files.with(format!("catalog/apps/{number}.yaml"), app.clone());
    }
    let (mut worst, mut loading, mut verdict) = (0.0, 0.0, String::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        let mut sources = Sources::default();
        let checked = check("ImageFile", &mut sources, &files, &Vec::new());
        let (catalog, mistakes) = load_project(&[], &mut sources, &files);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let loaded = began.elapsed().as_secs_f64() * 1000.0;
        let resolved = resolve_project(&checked.spec, &catalog, |_| Preferences::default(), |_| None);
        let took = began.elapsed().as_secs_f64() * 1000.0;
        if took > worst {
            (worst, loading) = (took, loaded);
        }
        verdict = match resolved.diagnostics.first() {
            None => "solved".to_owned(),
            Some(first) => first.code.to_string(),
        };
        if let (Some(solvable), true) = (family.solvable, verdict != "E0313") {
            assert_eq!(solvable, verdict == "solved", "{}", family.name);
        }
    }
    println!("{:40} {worst:8.1} ms, {loading:.1} of it loading: {verdict}", family.name);
    worst
}
