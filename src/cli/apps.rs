//! `imgfile apps`: what applications the catalogue has, and all about one.

use std::fmt::Write as _;

use serde::Serialize;

use super::file_args::FileArgs;
use super::recorded::{self, Format};
use super::{Exit, project, resolving};
use crate::catalog::{AppDef, Catalog, OptionKind, OptionValue, Require, builtin};
use crate::check::Size;
use crate::text::{Sources, nearest};

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

/// An application as `--format json` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct App {
    pub name: String,
    pub summary: String,
    /// Newest first.
    pub versions: Vec<Version>,
    pub options: Vec<AppOption>,
    /// Applications that must be there too, with the version they must have.
    pub requires: Vec<String>,
    /// Names that `requires` and `conflicts` of others may use for it.
    pub provides: Vec<String>,
    /// Names that people look for it by; in an ImageFile it has its own.
    pub also_called: Vec<String>,
    pub conflicts: Vec<Conflict>,
    /// What only one application of an image can have, such as `tcp/{{ port }}`.
    pub claims: Vec<String>,
    /// Packages of the distribution's package manager.
    pub packages: Vec<String>,
    /// Which catalogue it is from, and where in it.
    pub catalogue: String,
    pub place: String,
}

/// One version of an application.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Version {
    pub version: String,
    /// Systems that it is for; none means every one.
    pub os: Vec<String>,
    /// Architectures; none means every one.
    pub arch: Vec<String>,
    /// What this version requires beside the application's own.
    pub requires: Vec<String>,
}

/// An option of an application.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct AppOption {
    pub name: String,
    /// What it takes, in words.
    pub takes: String,
    /// None: the ImageFile must give a value.
    pub default: Option<String>,
    pub summary: Option<String>,
}

/// An application, or something provided, that cannot be in one image with this one.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Conflict {
    pub with: String,
    pub because: Option<String>,
}

pub(super) fn run(args: &Args) -> Exit {
    let apps = match apps(args) {
        Ok(apps) => apps,
        Err(exit) => return exit,
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

fn apps(args: &Args) -> Result<Vec<App>, Exit> {
    // Without a project there is still the built-in catalogue to show.
    if project::is_nowhere(&args.file.path) {
        return Ok(built_in());
    }
    let catalog = resolving::catalogue(&args.file)?;
    Ok(catalog.apps().map(|def| app(def, &catalog)).collect())
}

/// The applications of the built-in catalogue.
fn built_in() -> Vec<App> {
    let mut sources = Sources::default();
    let layer = builtin(&mut sources);
    let (catalog, _) = Catalog::load(&[layer], &sources);
    catalog.apps().map(|def| app(def, &catalog)).collect()
}

fn app(def: &AppDef, catalog: &Catalog) -> App {
    let requirement = |one: &Require| named(&one.name, &one.requirement.to_string());
    App {
        name: def.name.value.clone(),
        summary: def.summary.clone(),
        versions: def
            .versions
            .iter()
            .rev()
            .map(|version| Version {
                version: version.version.value.to_string(),
                os: version.os.iter().map(|os| named(&os.distro, &os.requirement.to_string())).collect(),
                arch: version.arch.iter().map(|arch| arch.value.to_string()).collect(),
                requires: version.requires.iter().map(requirement).collect(),
            })
            .collect(),
        options: def
            .options
            .iter()
            .map(|option| AppOption {
                name: option.name.value.clone(),
                takes: takes(&option.kind),
                default: option.default.as_ref().map(|value| as_typed(value, &option.kind)),
                summary: option.summary.clone(),
            })
            .collect(),
        requires: def.requires.iter().map(requirement).collect(),
        provides: def.provides.iter().map(|name| name.value.clone()).collect(),
        also_called: def.also_called.iter().map(|name| name.value.clone()).collect(),
        conflicts: def
            .conflicts
            .iter()
            .map(|one| Conflict {
                with: named(&one.name, &one.requirement.to_string()),
                because: one.because.clone(),
            })
            .collect(),
        claims: def.claims.iter().map(|claim| claim.text().to_owned()).collect(),
        packages: def.packages.apt.iter().map(|package| package.text().to_owned()).collect(),
        catalogue: catalog.layers()[def.layer].clone(),
        place: catalog.place(def.name.span),
    }
}

/// A name with what is required of its version, if anything is.
fn named(name: &str, requirement: &str) -> String {
    if matches!(requirement, "" | "*") { name.to_owned() } else { format!("{name} {requirement}") }
}

/// A value as one would type it in an ImageFile: sizes and durations are kept as numbers.
fn as_typed(value: &OptionValue, kind: &OptionKind) -> String {
    let OptionValue::Integer(number) = value else { return value.to_string() };
    match (kind, u64::try_from(*number)) {
        (OptionKind::Size, Ok(bytes)) => Size(bytes).to_string(),
        (OptionKind::Duration, Ok(seconds)) => match seconds {
            1.. if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
            1.. if seconds % 60 == 0 => format!("{}m", seconds / 60),
            _ => format!("{seconds}s"),
        },
        _ => value.to_string(),
    }
}

fn takes(kind: &OptionKind) -> String {
    match kind {
        OptionKind::String => "a text".to_owned(),
        OptionKind::Word => "a word".to_owned(),
        OptionKind::Integer { min: i64::MIN, max: i64::MAX } => "a number".to_owned(),
        OptionKind::Integer { min, max } => format!("a number from {min} to {max}"),
        OptionKind::Port => "a port".to_owned(),
        OptionKind::Boolean => "true or false".to_owned(),
        OptionKind::Size => "a size in bytes, such as 512MiB".to_owned(),
        OptionKind::Duration => "a time in seconds, such as 90s".to_owned(),
        OptionKind::Enum(words) => words.join(" or "),
        OptionKind::List => "a list of texts".to_owned(),
    }
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
