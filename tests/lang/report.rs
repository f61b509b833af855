//! The renderings for programs, as golden files in `tests/ui/report`. `SNAPSHOTS=overwrite` writes them
//! anew.

use std::path::Path;

use imgfile::diagnostic::Diagnostic;
use imgfile::report::{Report, SCHEMA, github, json, sarif};
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

#[test]
fn miette_draws_every_label_those_in_other_files_too() {
    use miette::{Diagnostic as _, GraphicalReportHandler, GraphicalTheme};

    let (project, sources) =
        common::checked("image \"web\" {\n  os linux debian 13\n  app nginx { port = http }\n}\n", &[]);
    let reported: Vec<_> =
        project.diagnostics.iter().map(|found| imgfile::report::miette(found, &sources)).collect();
    let [reported] = reported.as_slice() else { panic!("{:?}", project.diagnostics) };
    assert_eq!(reported.code().unwrap().to_string(), "E0306");
    assert_eq!(reported.severity(), Some(miette::Severity::Error));
    assert_eq!(reported.labels().unwrap().count(), 1);
    assert_eq!(reported.related().unwrap().count(), 1, "the declaration in the catalogue");
    let mut shown = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_links(false)
        .with_width(100)
        .render_report(&mut shown, reported)
        .unwrap();
    golden("findings.miette", &shown);
}
