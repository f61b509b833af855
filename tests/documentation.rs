//! What the documentation shows is checked like anything else: each ImageFile in it compiles.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

use std::path::Path;
use std::process::Command;

/// The blocks of a Markdown text that are marked as ImageFiles, with the lines they begin at.
fn image_files(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut block, line.trim_end()) {
            (None, "```imagefile") => block = Some((number + 2, String::new())),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some((_, body)), line) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn every_image_file_that_is_shown_compiles_without_a_warning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> =
        std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.push(root.join("README.md"));
    let mut checked = 0;
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        for (line, block) in image_files(&std::fs::read_to_string(page).unwrap()) {
            let project = tempfile::tempdir().unwrap();
            std::fs::write(project.path().join("ImageFile"), block).unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_imgfile"))
                .arg("check")
                .arg(project.path())
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && !told.contains("warning"),
                "{}:{line}:\n{told}",
                page.display()
            );
            checked += 1;
        }
    }
    assert!(checked >= 4, "only {checked} examples were found");
}
