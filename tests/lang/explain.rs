//! The examples of `imgfile explain` say the truth.
//!
//! A block labelled `imagefile` is compiled as `imgfile check` would, one labelled `yaml` as a file of the
//! catalogue, and one labelled `lock` is read as a lock. `fails` means that it shows the page's code, once,
//! and nothing else; `yaml,with` is a catalogue file that the ImageFiles of the page need, and
//! `yaml,part` no whole file. In an `escaped` example `\xE9` is the byte that it names; `set:NAME=VALUE` is
//! compiled with that setting. The files of the project are those of `tests/ui/files`.

use imgfile::diagnostic::{Diagnostic, codes_with_titles, page};
use imgfile::exec::base::listed;
use imgfile::hygiene::RULES;
use imgfile::lock::Lock;
use imgfile::text::Sources;

use crate::common;

/// The code blocks of a page whose label starts with `language`, with the rest of their label.
fn examples(page: &str, language: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(label)) => open = Some((label.to_owned(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found.into_iter().filter(|(label, _)| label.split(',').next() == Some(language)).collect()
}

/// Whether the compiler alone, without a network or a machine, reports a code.
fn of_compiler(code: &str) -> bool {
    // Told by the search's budget, by the archive's indexes, and by a project file that changes.
    const LATER: [&str; 3] = ["E0313", "E0341", "E0290"];
    // Two locks are compared by E0402, one by one is read by its neighbours.
    const LOCK: [&str; 4] = ["E0401", "E0403", "E0404", "E0405"];
    ["E01", "E02", "E03", "W02"].iter().any(|range| code.starts_with(range)) && !LATER.contains(&code)
        || LOCK.contains(&code)
}

/// The bytes of an example.
fn written(label: &str, example: &str) -> Vec<u8> {
    let mut parts = example.split("\\x");
    if !label.split(',').any(|part| part == "escaped") {
        return example.as_bytes().to_vec();
    }
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].bytes());
    }
    bytes
}

/// The settings that a label names.
fn settings(label: &str) -> Vec<(String, String)> {
    let set = label.split(',').filter_map(|part| part.strip_prefix("set:")?.split_once('='));
    set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

const PLAIN: &str = "image \"web\" {\n  os linux debian 13\n}\n";

/// What came of an example: whether it is to fail, its text, what was found, and the sources of that.
type Outcome = (bool, String, Vec<Diagnostic>, Sources);

fn read_as_lock((label, text): (String, String)) -> Outcome {
    let mut sources = Sources::default();
    let source = sources.add("ImageFile.lock", &*text);
    let found = Lock::read(source, &sources).err().unwrap_or_default();
    (label.contains("fails"), text, found, sources)
}

/// Every example of a page, compiled.
fn compiled(text: &str) -> Vec<Outcome> {
    let catalogue: Vec<(bool, bool, String)> = examples(text, "yaml")
        .into_iter()
        .filter(|(label, _)| !label.contains("with") && !label.contains("part"))
        .map(|(label, example)| (label.contains("fails"), label.contains("needed"), example))
        .collect();
    let with: Vec<String> = examples(text, "yaml")
        .into_iter()
        .filter(|(label, _)| label.contains("with"))
        .map(|(_, example)| example)
        .collect();
    let of_files = examples(text, "imagefile").into_iter().map(|(label, example)| {
        let files = common::Fixture::new(written(&label, &example));
        let files = with
            .iter()
            .enumerate()
            .fold(files, |files, (nth, text)| files.with(&format!("catalog/apps/example-{nth}.yaml"), text));
        let (project, sources) = common::compiled(&files, &settings(&label));
        // `build` asks for more than `check`.
        let unproven = project
            .spec
            .images
            .iter()
            .filter_map(|image| listed::unproven(image, project.resolutions.get(&image.name.value)?));
        let found = project.diagnostics.iter().cloned().chain(unproven).collect();
        (label.contains("fails"), example, found, sources)
    });
    let of_catalogue = catalogue.into_iter().map(|(fails, needed, example)| {
        // An image that names the application, where that makes the difference.
        let name = example.lines().find_map(|line| line.strip_prefix("name: ")).filter(|_| needed);
        let plain = name.map_or(PLAIN.to_owned(), |name| PLAIN.replace('}', &format!("  app {name}\n}}")));
        let files = common::Fixture::new(plain).with("catalog/apps/example.yaml", &example);
        let (project, sources) = common::compiled(&files, &[]);
        (fails, example, project.diagnostics, sources)
    });
    let of_lock = examples(text, "lock").into_iter().map(read_as_lock);
    of_files.chain(of_catalogue).chain(of_lock).collect()
}

#[test]
fn wrong_examples_show_their_code_and_right_ones_are_sound() {
    let mut lies = Vec::new();
    for (code, _) in codes_with_titles() {
        let (_, _, text) = page(code.as_str()).unwrap();
        let strict = of_compiler(code.as_str());
        for (fails, example, found, sources) in compiled(text) {
            let lie = if fails {
                strict && (found.len() != 1 || found[0].code != code)
            } else {
                found.iter().any(Diagnostic::is_error) || strict && !found.is_empty()
            };
            if lie {
                let shown = imgfile::report::human(&found, &sources, false);
                lies.push(format!("── {code} (fails: {fails})\n{example}{shown}"));
            }
        }
    }
    assert!(lies.is_empty(), "{}", lies.join("\n"));
}

#[test]
fn every_code_of_the_compiler_has_a_wrong_and_a_right_example() {
    let mut lacking = Vec::new();
    for (code, _) in codes_with_titles().filter(|(code, _)| of_compiler(code.as_str())) {
        let (_, _, text) = page(code.as_str()).unwrap();
        let all = compiled(text);
        for fails in [true, false] {
            if !all.iter().any(|(one, ..)| *one == fails) {
                lacking.push(format!("{code}: no example that {}", if fails { "fails" } else { "is right" }));
            }
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
}

#[test]
fn what_the_pages_of_rules_for_disks_show_is_sound() {
    let mut lies = Vec::new();
    for rule in RULES {
        let all = compiled(rule.page);
        assert!(!all.is_empty(), "{}: no example", rule.id);
        for (_, example, found, sources) in all.into_iter().filter(|(_, _, found, _)| !found.is_empty()) {
            let shown = imgfile::report::human(&found, &sources, false);
            lies.push(format!("── {}\n{example}{shown}", rule.id));
        }
    }
    assert!(lies.is_empty(), "{}", lies.join("\n"));
}

#[test]
fn every_page_says_something() {
    for (code, title) in codes_with_titles() {
        let (_, _, text) = page(code.as_str()).unwrap();
        assert!(text.len() > 40, "the page of {code} ({title}) is too short to help");
    }
}
