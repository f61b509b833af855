//! Each example with each token in turn deleted, doubled or replaced: never a panic, and what is
//! wrong is said where it is wrong, once.

use std::fs;
use std::path::{Path, PathBuf};

use imgfile::check::MemoryFiles;
use imgfile::front::Project;
use imgfile::text::Sources;

use crate::common;

/// Every ImageFile below `examples/`, with the files beside it.
fn examples() -> Vec<(PathBuf, MemoryFiles, String)> {
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), &mut found);
    assert!(found.len() >= 3, "the examples are gone");
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, MemoryFiles, String)>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found);
        } else if path.file_name().is_some_and(|name| name == "ImageFile") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, beside(MemoryFiles::new(), folder, ""), text));
        }
    }
}

fn beside(mut files: MemoryFiles, folder: &Path, prefix: &str) -> MemoryFiles {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        files = if entry.file_type().unwrap().is_dir() {
            beside(files, &entry.path(), &format!("{name}/"))
        } else {
            files.with(name, fs::read(entry.path()).unwrap())
        };
    }
    files
}

/// Byte ranges of the tokens outside of heredocs and comments, by the plainest reading.
fn tokens(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut offset = 0;
    let mut heredoc: Option<String> = None;
    for line in text.split_inclusive('\n') {
        if let Some(tag) = &heredoc {
            if line.trim() == *tag {
                heredoc = None;
            }
            offset += line.len();
            continue;
        }
        let bytes = line.as_bytes();
        let mut at = 0;
        while at < line.len() {
            let start = at;
            match bytes[at] {
                b' ' | b'\n' | b'\t' => {
                    at += 1;
                    continue;
                }
                b'#' => break,
                b'"' => {
                    at += 1;
                    while bytes[at] != b'"' {
                        at += 1;
                    }
                    at += 1;
                }
                b'{' | b'}' | b'[' | b']' | b'=' | b',' => at += 1,
                b'$' => at += line[at..].find('}').unwrap() + 1,
                _ => {
                    while at < line.len() && !b" \n{}[]=,\"#".contains(&bytes[at]) {
                        at += 1;
                    }
                    if let Some(tag) = line[start..at].strip_prefix("<<") {
                        heredoc = Some(tag.trim_start_matches('-').to_owned());
                    }
                }
            }
            found.push((offset + start, offset + at));
        }
        offset += line.len();
    }
    found
}

fn run(files: &MemoryFiles, text: &str) -> (Project, Sources) {
    common::compiled(&files.clone().with("ImageFile", text), &[])
}

#[test]
fn mutated_examples_say_one_thing_in_the_right_place() {
    let (mut wrong, mut one, mut strayed, mut several) = (0u32, 0u32, Vec::new(), Vec::new());
    for (path, files, text) in examples() {
        let (sound, sources) = run(&files, &text);
        assert!(
            sound.diagnostics.is_empty(),
            "{}",
            imgfile::report::human(&sound.diagnostics, &sources, false)
        );
        for (start, end) in tokens(&text) {
            let token = &text[start..end];
            let line = u32::try_from(text[..start].matches('\n').count()).unwrap();
            for (what, changed) in [
                ("deleted", String::new()),
                ("doubled", format!("{token} {token}")),
                ("replaced", "zzz".to_owned()),
            ] {
                let mutated = format!("{}{changed}{}", &text[..start], &text[end..]);
                let (checked, sources) = run(&files, &mutated);
                // Warnings tell of a file that is valid.
                if !checked.has_errors() {
                    continue;
                }
                wrong += 1;
                let shown = || {
                    format!(
                        "── {} line {}: `{token}` {what}\n{}",
                        path.display(),
                        line + 1,
                        imgfile::report::human(&checked.diagnostics, &sources, false)
                    )
                };
                let near = checked
                    .diagnostics
                    .iter()
                    .flat_map(|found| &found.labels)
                    .any(|label| (line..=line + 1).contains(&sources.line_col(label.span).line));
                if !near {
                    strayed.push(shown());
                }
                if checked.diagnostics.len() == 1 {
                    one += 1;
                } else {
                    several.push(shown());
                }
            }
        }
    }
    assert!(wrong > 200, "only {wrong} mutations were wrong: the test is not looking");
    assert!(strayed.is_empty(), "{} of {wrong} point elsewhere:\n{}", strayed.len(), strayed.join("\n"));
    assert!(
        one * 100 >= wrong * 98,
        "{one} of {wrong} have exactly one finding; the others:\n{}",
        several.join("\n")
    );
    println!("{one} of {wrong} wrong mutations have exactly one finding");
}

#[test]
fn examples_are_formatted() {
    for (path, _, text) in examples() {
        let ast = imgfile::syntax::parse(imgfile::text::SourceId(0), &text);
        assert_eq!(imgfile::syntax::format(&ast, &text), text, "{}", path.display());
    }
}
