//! What applications the catalogue has.

use serde::Serialize;

use super::{error::Error, listener::Listener, resolved, workspace::WorkspaceOptions};
use crate::{
    catalog::{AppDef, Catalog, OptionKind, OptionValue, Require},
    check::Size,
};

/// An application as `--format json` prints it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct App {
    /// As `use` takes it, such as `nginx`.
    pub name: String,
    /// What it is, in a line.
    pub summary: String,
    /// Newest first.
    pub versions: Vec<Version>,
    /// In the order of its definition; empty if it takes none.
    pub options: Vec<AppOption>,
    /// Applications that must be there too, with the version they must have.
    pub requires: Vec<String>,
    /// Names that `requires` and `conflicts` of others may use for it.
    pub provides: Vec<String>,
    /// Names that people look for it by; in an ImageFile it has its own.
    pub also_called: Vec<String>,
    /// In the order of its definition.
    pub conflicts: Vec<Conflict>,
    /// What only one application of an image can have, such as `tcp/{{ port }}`.
    pub claims: Vec<String>,
    /// Packages of the distribution's package manager.
    pub packages: Vec<String>,
    /// Which catalogue it is from, and where in it.
    pub catalogue: String,
    /// Where in that catalogue, such as `apps/nginx.yaml:3`.
    pub place: String,
}

/// One version of an application.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Version {
    /// Such as `1.26`.
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
    /// As written in an ImageFile, such as `port`.
    pub name: String,
    /// What it takes, in words.
    pub takes: String,
    /// None: the ImageFile must give a value.
    pub default: Option<String>,
    /// What it is for, in a line; none if the catalogue does not say.
    pub summary: Option<String>,
}

/// An application, or something provided, that cannot be in one image with this one.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Conflict {
    /// Its name, with the versions that conflict if not all do, such as `apache2 <2.4`.
    pub with: String,
    /// Why, as a clause; none if the catalogue does not say.
    pub because: Option<String>,
}

/// The applications of a project's catalogue, or of the built-in one where the working folder has no project.
///
/// # Errors
/// `Files` if there is no project at the path.
pub fn apps(options: &WorkspaceOptions, listener: &dyn Listener) -> Result<Vec<App>, Error> {
    let catalog = resolved::catalogue(&options.path, &options.set, listener)?;
    Ok(catalog.apps().map(|def| app(def, &catalog)).collect())
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
        packages: def
            .packages
            .by_manager
            .iter()
            .flat_map(|(_, of)| of)
            .map(|package| package.text().to_owned())
            .collect(),
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
