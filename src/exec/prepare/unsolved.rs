//! What the choice of packages says, at the words that asked for them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    check::ImageSpec,
    diagnostic::{Diagnostic, codes},
    exec::BuildError,
    packages::{Manager, NotRemovable, SolveError, Unmet},
    resolve::Resolution,
    text::Span,
};

/// Where packages are that the image's archives do not have, in words: by name.
pub type Elsewhere = BTreeMap<String, PackageLocation>;

/// A place that has a package, and is none of the image's archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageLocation {
    /// A component of the distribution's archive.
    Component(String),
    /// A suite of the distribution that has to be asked for.
    Suite(String),
    /// A package that stands in for it now.
    Renamed(String),
}

/// What is wrong with the packages that an image asks for, each at the statement that asks for it.
#[must_use]
pub fn packages(
    error: &SolveError,
    manager: Manager,
    (spec, resolution): (&ImageSpec, &Resolution),
    elsewhere: &Elsewhere,
) -> BuildError {
    let asked = Asked { spec, resolution, manager };
    BuildError::Diagnosed(error.all().iter().map(|error| one(error, &asked, elsewhere)).collect())
}

fn one(error: &SolveError, asked: &Asked<'_>, elsewhere: &Elsewhere) -> Diagnostic {
    match error {
        SolveError::Unknown { name, nearest } => unknown(name, nearest.as_deref(), asked, elsewhere),
        SolveError::Virtual { name, providers } => {
            let message = format!("`{name}` is not one package: several provide it");
            asked
                .at(Diagnostic::new(codes::PACKAGE_UNKNOWN, message), name, "choose one")
                .help(format!("write one of {}", quoted(providers)))
        }
        SolveError::NoVersion { name, wanted, available } => {
            let message = format!("the archive has no version {wanted} of `{name}`");
            let have: Vec<String> = available.iter().map(ToString::to_string).collect();
            asked
                .at(Diagnostic::new(codes::PACKAGE_VERSION_GONE, message), name, "this version is not there")
                .help(format!(
                    "there is {}; without a version the newest is taken, and locked",
                    quoted(&have)
                ))
        }
        SolveError::CannotRemove { name, because } => {
            let why = match because {
                NotRemovable::Essential => "the system does not work without it",
                NotRemovable::NotInstalled => "the base does not have it",
            };
            let message = format!("`{name}` cannot be removed: {why}");
            asked
                .at(Diagnostic::new(codes::PACKAGES_CLASH, message), name, "to be removed")
                .help("leave it out of `remove`")
        }
        SolveError::WouldRemove { names, because } => would_remove(names, because, asked),
        SolveError::Unsatisfiable { unmet } => unsatisfiable(unmet, asked),
        // What stands for several is told one by one.
        SolveError::Several(all) => {
            all.iter().map(|one_| one(one_, asked, elsewhere)).next().unwrap_or_else(|| {
                Diagnostic::new(codes::PACKAGES_CLASH, "the packages asked for cannot be installed together")
            })
        }
    }
}

fn unknown(name: &str, nearest: Option<&str>, asked: &Asked<'_>, elsewhere: &Elsewhere) -> Diagnostic {
    let new = |message: String, label: &str| {
        asked.at(Diagnostic::new(codes::PACKAGE_UNKNOWN, message), name, label)
    };
    match elsewhere.get(name) {
        Some(PackageLocation::Component(component)) => {
            let message = format!("`{name}` is in `{component}`, which is not among the image's archives");
            new(message, "in another component")
                .help(format!("add the component: `archive debian {{ components = [\"{component}\"] }}`"))
        }
        Some(PackageLocation::Suite(suite)) => {
            let message = format!("`{name}` is in `{suite}`, which is not among the image's archives");
            new(message, "in another suite")
                .help(format!("add the suite: `archive debian {{ suites = [\"{suite}\"] }}`"))
        }
        Some(PackageLocation::Renamed(other)) => {
            let message = format!("no archive of the base has a package `{name}`: `{other}` took its place");
            new(message, "known under another name").help(format!("write `{other}`"))
        }
        None => {
            let message = format!("no archive of the base has a package `{name}`");
            let diagnostic = new(message, "unknown package");
            match nearest {
                Some(nearest) => diagnostic.help(format!("did you mean `{nearest}`?")),
                None => diagnostic.help(
                    "look for the distribution's own name of it; software from elsewhere comes by \
                     `archive`, with an application that brings its archive, or by `copy url`",
                ),
            }
        }
    }
}

fn would_remove(names: &[String], because: &[String], asked: &Asked<'_>) -> Diagnostic {
    let gone = quoted(names);
    let message = match because {
        [only] => format!("`{only}` would remove {gone} from the base"),
        [] => format!("the packages asked for would remove {gone} from the base"),
        several => format!("{} would remove {gone} from the base", quoted(several)),
    };
    let diagnostic = Diagnostic::new(codes::PACKAGES_CLASH, message);
    let labelled = because.iter().fold(diagnostic, |found, name| asked.at(found, name, "takes its place"));
    // Only all of them together, or something that is removed.
    let labelled = if labelled.labels.is_empty() { asked.at_all(labelled) } else { labelled };
    let remove: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    labelled.help(format!("if that is meant, say so: `packages […] {{ remove = [{}] }}`", remove.join(", ")))
}

fn unsatisfiable(unmet: &[Unmet], asked: &Asked<'_>) -> Diagnostic {
    let message = "the packages asked for cannot be installed together";
    let mut diagnostic = Diagnostic::new(codes::PACKAGES_CLASH, message);
    let mut labelled = BTreeSet::new();
    for one in unmet {
        if labelled.insert(&one.wanted) {
            diagnostic = asked.at(diagnostic, &one.wanted, "this cannot be installed");
        }
        diagnostic = diagnostic.note(one.to_string());
    }
    diagnostic.help(format!(
        "`{}` would refuse as well: ask for other versions, or leave one out",
        asked.manager.install_command()
    ))
}

/// `a`, `b`
fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The statements that ask for packages.
struct Asked<'a> {
    spec: &'a ImageSpec,
    resolution: &'a Resolution,
    manager: Manager,
}

impl Asked<'_> {
    /// Labels the word that asks for a package, or the application it belongs to.
    fn at(&self, diagnostic: Diagnostic, name: &str, label: &str) -> Diagnostic {
        let (span, label) = match self.place(name) {
            Some((span, None)) => (span, label.to_owned()),
            Some((span, Some(app))) => (span, format!("`{app}` needs it")),
            None => return diagnostic,
        };
        // One place, one label.
        if diagnostic.labels.iter().any(|known| known.span == span) {
            return diagnostic;
        }
        diagnostic.label(span, label)
    }

    /// Labels every word that asks for a package, or removes one.
    fn at_all(&self, diagnostic: Diagnostic) -> Diagnostic {
        let words = self.spec.packages.iter().chain(&self.spec.removed_packages);
        let labelled = words.fold(diagnostic, |found, package| found.label(package.span, "asked for here"));
        if labelled.labels.is_empty() {
            labelled.label(self.spec.name.span, "of this image")
        } else {
            labelled
        }
    }

    /// The statement that asks for a package, and the application it belongs to.
    fn place(&self, name: &str) -> Option<(Span, Option<&str>)> {
        let bare = name.split(['=', ':']).next().unwrap_or(name);
        let spec = self.spec;
        let mut written = spec.packages.iter().chain(&spec.removed_packages);
        if let Some(package) = written.find(|package| package.name == bare) {
            return Some((package.span, None));
        }
        let mut apps = self.resolution.apps.iter();
        let app = apps.find(|app| app.packages.iter().any(|package| package.name == bare))?;
        Some((app.span.unwrap_or(spec.name.span), Some(app.name.as_str())))
    }
}
