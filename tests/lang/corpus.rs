//! What fuzzing found worth keeping, once more through the functions that were fuzzed (`fuzz/`).

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

fn replay(name: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "the corpus is gone");
    for input in inputs {
        // Shown if it fails.
        println!("{}", input.display());
        run(&fs::read(&input).unwrap());
    }
}

#[test]
fn parse() {
    replay("parse", targets::parse);
}

#[test]
fn check() {
    replay("check", targets::check);
}

#[test]
fn fmt() {
    replay("fmt", targets::fmt);
}

#[test]
fn lsp() {
    replay("lsp", targets::lsp);
}

#[test]
fn guest() {
    replay("guest", targets::guest);
}

#[test]
fn disk() {
    replay("disk", targets::disk);
}

#[test]
fn image() {
    replay("image", targets::image);
}

#[test]
fn index() {
    replay("index", targets::index);
}

#[test]
fn lock() {
    replay("lock", targets::lock);
}
