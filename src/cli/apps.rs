//! `imgfile apps`: what applications the catalogue has, and all about one.

use std::fmt::Write as _;

use super::{
    Exit, failed,
    file_args::FileArgs,
    listener::OnScreen,
    recorded::{self, Format},
};
use crate::{
    ops::{self, App},
    text::nearest,
};

/// List the applications that images can have, or show one: versions, options, conflicts, claims.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show this application only, with all that is known of it.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::apps))]
    pub name: Option<String>,
    #[command(flatten)]
    pub file: FileArgs,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

pub(super) fn run(args: Args) -> Exit {
    let apps = match ops::apps(&args.file.options(), &OnScreen::default()) {
        Ok(apps) => apps,
        Err(error) => return failed(error),
    };
    let Some(name) = &args.name else {
        match args.format {
            Format::Json => recorded::print_json(&apps),
            Format::Human => super::print(&list(&apps)),
        }
        return Exit::Done;
    };
    let Some(app) = apps.iter().find(|app| app.name == *name) else {
        let called = apps.iter().find(|app| app.also_called.contains(name)).map(|app| app.name.as_str());
        let near = called.or_else(|| nearest(name, apps.iter().map(|app| app.name.as_str())));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        super::complain(&format!("the catalogue has no application `{name}`{near}"));
        return Exit::Usage;
    };
    match args.format {
        // As in the list: what reads the one reads the other.
        Format::Json => recorded::print_json(&[app]),
        Format::Human => super::print(&one(app)),
    }
    Exit::Done
}

fn list(apps: &[App]) -> String {
    let rows: Vec<[String; 3]> = apps
        .iter()
        .map(|app| {
            let versions: Vec<&str> = app.versions.iter().map(|version| version.version.as_str()).collect();
            [app.name.clone(), versions.join(", "), app.summary.clone()]
        })
        .collect();
    recorded::table(["NAME", "VERSIONS", "WHAT IT IS"], &rows)
}

fn one(app: &App) -> String {
    let mut text = format!("{}: {}\n", app.name, app.summary);
    let _ = writeln!(text, "  of the catalogue `{}` ({})", app.catalogue, app.place);
    text.push_str("\nversions\n");
    for version in &app.versions {
        let mut about = version.os.join(", ");
        for part in [&version.arch, &version.requires].into_iter().filter(|part| !part.is_empty()) {
            let _ = write!(about, "; {}", part.join(", "));
        }
        let _ = writeln!(text, "  {:<8} {}", version.version, about.trim_start_matches("; "));
    }
    if !app.options.is_empty() {
        text.push_str("\noptions\n");
        let width = app.options.iter().map(|option| option.name.len()).max().unwrap_or(0);
        for option in &app.options {
            let default = match &option.default {
                Some(default) if default.is_empty() => "empty by default".to_owned(),
                Some(default) => format!("{default} by default"),
                None => "must be given".to_owned(),
            };
            let summary = option.summary.as_ref().map_or_else(String::new, |summary| format!(": {summary}"));
            let _ = writeln!(text, "  {:<width$}  {}, {default}{summary}", option.name, option.takes);
        }
    }
    if !app.conflicts.is_empty() {
        text.push_str("\nconflicts\n");
        for conflict in &app.conflicts {
            let because =
                conflict.because.as_ref().map_or_else(String::new, |because| format!(": {because}"));
            let _ = writeln!(text, "  {}{because}", conflict.with);
        }
    }
    let lists = [
        ("claims", "one application of an image can have each", &app.claims),
        ("requires", "must be in the image too", &app.requires),
        ("provides", "what others may require", &app.provides),
        ("packages", "of the distribution", &app.packages),
    ];
    for (heading, what, items) in lists.iter().filter(|(.., items)| !items.is_empty()) {
        let _ = writeln!(text, "\n{heading} ({what})\n  {}", items.join(", "));
    }
    text
}
