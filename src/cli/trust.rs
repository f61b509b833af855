//! `imgfile trust`: which projects may set what is the user's.

use std::path::{Path, PathBuf};

use super::{
    Exit,
    settings::{PROJECT_FILE, Record, Trust, TrustedProjects, of_project},
};
use crate::text::Digest;

/// Trust a project: let its `.imgfile.toml` set what is otherwise yours to set.
///
/// Look at the project first. A trusted project chooses the store, mirrors, the proxy, certificates and
/// how much of this machine it takes. What is trusted is the project as it is now: when its settings change, they
/// are ignored until you trust it again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's folder, or an ImageFile in it.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Trust it no longer.
    #[arg(long, conflicts_with = "list")]
    pub revoke: bool,
    /// List the projects that are trusted.
    #[arg(long, conflicts_with = "path")]
    pub list: bool,
}

pub(super) fn run(args: &Args) -> Exit {
    let trusted = TrustedProjects::of_user(&|name: &str| std::env::var_os(name));
    let result = if args.list {
        list(&trusted)
    } else if args.revoke {
        revoke(&trusted, &args.path)
    } else {
        trust(&trusted, &args.path)
    };
    match result {
        Ok(()) => Exit::Done,
        Err((exit, message)) => {
            super::complain(&message);
            exit
        }
    }
}

type Outcome = Result<(), (Exit, String)>;

fn trust(trusted: &TrustedProjects, path: &Path) -> Outcome {
    let folder = folder(path);
    let project = folder
        .canonicalize()
        .map_err(|error| (Exit::Files, format!("`{}` cannot be opened: {error}", folder.display())))?;
    let settings = of_project(&project)
        .map_err(|reason| (Exit::Files, format!("cannot read the settings in {PROJECT_FILE}: {reason}")))?;
    let settings = settings.unwrap_or_default();
    let record = Record {
        project: project.clone(),
        settings: Digest::of(&settings),
        sources: std::collections::BTreeSet::default(),
    };
    trusted.add(&record).map_err(|error| (Exit::Host, format!("cannot remember that: {error}")))?;
    eprintln!("{} is trusted, as it is now", project.display());
    for line in settings.lines().filter(|line| !line.trim().is_empty()) {
        eprintln!("  {PROJECT_FILE}: {line}");
    }
    Ok(())
}

fn revoke(trusted: &TrustedProjects, path: &Path) -> Outcome {
    let folder = folder(path);
    // A project that is gone can still be forgotten, by the path that `--list` shows.
    let project =
        folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.into());
    match trusted.remove(&project) {
        Ok(true) => eprintln!("{} is no longer trusted", project.display()),
        Ok(false) => eprintln!("{} was not trusted", project.display()),
        Err(error) => return Err((Exit::Host, format!("cannot forget {}: {error}", project.display()))),
    }
    Ok(())
}

fn list(trusted: &TrustedProjects) -> Outcome {
    let records = trusted
        .all()
        .map_err(|error| (Exit::Host, format!("the trusted projects cannot be listed: {error}")))?;
    for Record { project, .. } in records {
        let note = match of_project(&project) {
            Ok(settings)
                if trusted.trust(&project, settings.as_deref().unwrap_or_default()) == Trust::Trusted =>
            {
                ""
            }
            Ok(_) => "  (its settings have changed: not trusted until you trust it again)",
            Err(_) if !project.exists() => "  (gone)",
            Err(_) => "  (its settings cannot be read)",
        };
        super::print(&format!("{}{note}\n", project.display()));
    }
    Ok(())
}

/// The folder that a path means: of an ImageFile the one it is in.
fn folder(path: &Path) -> &Path {
    if path.is_dir() || !path.is_file() {
        return path;
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
