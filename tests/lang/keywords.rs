//! The table of statements is what the checker reads by: its examples are right, and each of its options has a reader.

use imgfile::check::{Checked, MemoryFiles, check};
use imgfile::diagnostic::{Diagnostic, codes};
use imgfile::syntax::Keyword;
use imgfile::syntax::keywords::{OptionInfo, Place, STATEMENTS, StatementInfo, ValueKind, When};
use imgfile::text::Sources;

/// A project with what the examples of the table refer to.
fn checked(statement: &str, place: Place) -> (String, Checked) {
    let image = |statement: &str| format!("image \"a\" {{\n  os linux debian 13\n  {statement}\n}}\n");
    let text = match place {
        Place::Top => format!("{statement}\n{}", image("")),
        Place::Image if statement.starts_with("os ") => format!("image \"a\" {{\n  {statement}\n}}\n"),
        Place::Image => format!("profile hardened {{\n  reboot\n}}\n{}", image(statement)),
    };
    let files = MemoryFiles::new()
        .with("ImageFile", text.clone())
        .with("common.imagefile", "param zone = \"a\"\n")
        .with("catalog/apps/note.txt", "")
        .with("provision.sh", "#!/bin/sh -e\ntrue\n")
        .with("test.sh", "#!/bin/sh -e\ntrue\n")
        .with("answers.txt", "tzdata tzdata/Areas select Etc\n")
        .with("site/index.html", "");
    let found = check("ImageFile", &mut Sources::default(), &files, &[]);
    (text, found)
}

fn errors(found: &Checked) -> Vec<&Diagnostic> {
    found.diagnostics.iter().filter(|one| one.is_error()).collect()
}

#[test]
fn every_example_is_right() {
    for info in STATEMENTS {
        let example =
            info.example.replace('…', "os linux debian 13").replace("{ os", "{\nos").replace("13 }", "13\n}");
        let (text, found) = checked(&example, info.place);
        assert!(errors(&found).is_empty(), "{text}{:?}", errors(&found));
    }
}

/// A statement without its options, in the form that can have this one.
fn head(info: &StatementInfo, option: &OptionInfo) -> String {
    match (info.keyword, option.when) {
        (Keyword::Archive, When::Address) => "archive \"https://archive.example/debian\"".to_owned(),
        (Keyword::Copy, When::OneOf(0, ["url"])) => {
            format!("copy url \"https://files.example/a\" sha256 \"{}\" to \"/srv/a\"", "0".repeat(64))
        }
        (Keyword::Output, When::OneOf(0, [first, ..])) => format!("output {first}"),
        (_, When::OneOf(..) | When::NoneOf(..) | When::Address) => {
            panic!("say here how `{}` looks with `{}`", info.keyword, option.name)
        }
        (_, When::Always | When::NoAddress | When::NoHeredoc) => {
            info.example.split('{').next().unwrap_or_default().trim().to_owned()
        }
    }
}

/// A value that the option cannot have.
const fn wrong(value: ValueKind) -> &'static str {
    match value {
        ValueKind::Pairs => "none",
        _ => "{ no = value }",
    }
}

#[test]
fn every_option_of_the_table_has_a_reader() {
    for info in STATEMENTS {
        for option in info.options() {
            let value = wrong(option.value);
            let statement = format!("{} {{ {} = {value} }}", head(info, option), option.name);
            let (text, found) = checked(&statement, info.place);
            assert!(
                found.diagnostics.iter().all(|one| one.code != codes::UNKNOWN_KEY),
                "the checker does not know it\n{text}"
            );
            let at = text.rfind(value).unwrap();
            let is_told = errors(&found).iter().any(|one| {
                one.span().is_some_and(|span| (at..at + value.len()).contains(&(span.start as usize)))
            });
            assert!(
                is_told,
                "nobody reads `{}` of `{}`\n{text}{:?}",
                option.name,
                info.keyword,
                errors(&found)
            );
        }
    }
}

#[test]
fn an_option_that_the_table_lacks_is_told_with_the_nearest() {
    for info in STATEMENTS.iter().filter(|info| !info.options().is_empty()) {
        let option = info.options().iter().find(|option| option.name.len() > 3).unwrap();
        let statement = format!("{} {{ {}x = 1 }}", head(info, option), option.name);
        let (text, found) = checked(&statement, info.place);
        let told = found.diagnostics.iter().find(|one| one.code == codes::UNKNOWN_KEY);
        let told = told.unwrap_or_else(|| panic!("{text}{:?}", found.diagnostics));
        assert!(told.helps.iter().any(|help| help.contains(option.name)), "{told:?}");
    }
}

/// Where a statement may stand, and how often, is what the table says.
#[test]
fn statements_stand_where_and_as_often_as_the_table_says() {
    use imgfile::syntax::keywords::{Form, Times};
    for info in STATEMENTS.iter().filter(|info| info.form != Form::Block) {
        let other = if info.place == Place::Top { Place::Image } else { Place::Top };
        let (text, found) = checked(info.example, other);
        let codes: Vec<_> = found.diagnostics.iter().map(|one| one.code).collect();
        assert!(codes.contains(&codes::MISPLACED_STATEMENT), "{text}{codes:?}");
        if info.times == Times::Once {
            let (text, found) = checked(&format!("{}\n  {0}", info.example), Place::Image);
            let codes: Vec<_> = found.diagnostics.iter().map(|one| one.code).collect();
            assert!(codes.contains(&codes::GIVEN_TWICE), "{text}{codes:?}");
        }
    }
}
