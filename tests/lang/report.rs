//! The renderings for programs, as golden files in `tests/ui/report`. `SNAPSHOTS=overwrite` writes them
//! anew.

use std::path::Path;

use imgfile::diagnostic::Diagnostic;
use imgfile::report::{HumanHandler, Report, SCHEMA, github, human, json, sarif};
use imgfile::text::Sources;

use crate::common;

const BROKEN: &str = "image \"wéb\" {\n  os linux debian 13\n  description \"é\"; min_storage = 8Gigs\n  env A = \"1\"\n  env A = \"2\"\n  script \"crlf.sh\"\n}\n";

fn golden(name: &str, shown: &str) {
    common::golden::assert_golden([(Path::new("ui/report").join(name), shown.to_owned())]);
}

fn rendered(render: impl Fn(Vec<(&[Diagnostic], &Sources)>) -> String) -> String {
    let (checked, sources) = common::checked(BROKEN, &[]);
    assert!(checked.diagnostics.len() > 2);
    render(vec![(checked.diagnostics.as_slice(), &sources)])
}

#[test]
fn json_reads_back_and_counts_in_characters() {
    let text = rendered(|found| json(found.into_iter()));
    let report: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(report.schema, SCHEMA);
    for finding in &report.diagnostics {
        for place in finding.labels.iter().filter(|place| place.file == "ImageFile") {
            let line = BROKEN.lines().nth(place.start.line as usize - 1).unwrap();
            let column =
                BROKEN[..place.start.offset as usize].rsplit('\n').next().unwrap().chars().count() + 1;
            assert_eq!(place.start.column as usize, column, "in `{line}`");
        }
    }
    golden("findings.json", &text);
}

#[test]
fn sarif_has_what_its_readers_need() {
    let text = rendered(|found| sarif(found.into_iter()));
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    for result in run["results"].as_array().unwrap() {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert!(region["startLine"].as_u64().unwrap() >= 1 && region["startColumn"].as_u64().unwrap() >= 1);
    }
    golden("findings.sarif", &text);
}

#[test]
fn github_gets_one_command_a_finding() {
    let text = rendered(|found| github(found.into_iter()));
    assert!(text.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning ")));
    golden("findings.github", &text);
}

/// With a place in another file, a note, several helps, one of several lines.
fn elaborate() -> (Diagnostic, Sources) {
    let (project, sources) =
        common::checked("image \"web\" {\n  os linux debian 13\n  app nginx { port = http }\n}\n", &[]);
    let [found] = project.diagnostics.as_slice() else { panic!("{:?}", project.diagnostics) };
    let found = found.clone().note("a note").help("one way\nin two lines").help("another way");
    (found, sources)
}

#[test]
fn every_diagnostic_is_one_of_miettes() {
    use miette::Diagnostic as _;

    let (found, sources) = elaborate();
    let found = found.with_sources(&sources);
    assert_eq!(found.code().unwrap().to_string(), "E0306");
    assert_eq!(found.severity(), Some(miette::Severity::Error));
    assert_eq!(found.labels().unwrap().count(), 1);
    assert_eq!(found.related().unwrap().count(), 2, "the declaration in the catalogue, and the note");
    let mut shown = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .with_links(false)
        .with_width(100)
        .render_report(&mut shown, &found)
        .unwrap();
    golden("findings.miette", &shown);
    shown.clear();
    miette::JSONReportHandler::new().render_report(&mut shown, &found).unwrap();
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    golden("findings.miette.json", &(serde_json::to_string_pretty(&json).unwrap() + "\n"));
}

/// As a program sees it that installs the handler: the one text, for the command and for it.
#[test]
fn the_drawing_is_a_handler_of_miettes() {
    let (found, sources) = elaborate();
    let human = human(std::slice::from_ref(&found), &sources, false);
    golden("findings.human", &human);
    miette::set_hook(Box::new(|_| Box::new(HumanHandler::new(false)))).unwrap();
    let report = miette::Report::new(found.with_sources(&sources));
    assert_eq!(format!("{report:?}\n"), human);
}

/// A diagnostic of the program that embeds this crate.
#[test]
fn the_handler_draws_what_others_complain_of() {
    let shown = |report: miette::Report| Drawn(&report).to_string();
    let text = "one\ntwo\u{1b}[31m thrëe\r\n".to_owned();
    let source = || miette::NamedSource::new("notes.txt", text.clone());
    let odd = miette::miette!(
        code = "notes::odd",
        severity = miette::Severity::Warning,
        help = "leave it out",
        labels = vec![miette::LabeledSpan::at(13..19, "this word")],
        "an odd word"
    );
    let beyond = miette::miette!(labels = vec![miette::LabeledSpan::at(400..410, "nowhere")], "lost");
    let cause = miette::IntoDiagnostic::into_diagnostic("x".parse::<u8>()).unwrap_err();
    golden(
        "others.human",
        &[odd.with_source_code(source()), beyond.with_source_code(source()), cause.wrap_err("no number")]
            .map(shown)
            .join("\n"),
    );
}

/// A report as our handler draws it, whatever hook there is.
struct Drawn<'a>(&'a miette::Report);

impl std::fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use miette::ReportHandler as _;
        HumanHandler::new(false).debug(self.0.as_ref(), f)
    }
}
