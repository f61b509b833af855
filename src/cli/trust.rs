//! `imgfile trust`: which projects may set what is the user's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{
    Exit, image_files, project,
    settings::{Key, PROJECT_FILE, Record, Trust, TrustedProjects, of_project},
};
use crate::catalog::BaseSource;
use crate::exec::{Request, disk_outside, secrets_outside};
use crate::front;
use crate::resolve::BaseOrigin;
use crate::store::project_root;
use crate::text::Digest;

/// Trust a project: let its `.imgfile.toml` set what is otherwise yours to set.
///
/// Look at the project first. A trusted project chooses the store, mirrors, the proxy, certificates and
/// how much of this machine it takes, and it gets the variables and files that its ImageFiles name now. When its
/// settings change, it is not trusted until you trust it again; a variable or file that is named later needs that
/// too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project's folder, or one below it, or an ImageFile in one.
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
    if !args.list && !trusted.have_a_place() {
        super::complain("nothing says where your configuration is: `HOME` is not set");
        return Exit::Host;
    }
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
    let folder = folder
        .canonicalize()
        .map_err(|error| (Exit::Files, format!("`{}` cannot be opened: {error}", folder.display())))?;
    let project = project_root(&folder);
    let settings = of_project(&project)
        .map_err(|reason| (Exit::Files, format!("cannot read the settings in {PROJECT_FILE}: {reason}")))?;
    let settings = settings.unwrap_or_default();
    let sources = sources(&project).map_err(|error| (Exit::Files, error))?;
    let record = Record { project: project.clone(), settings: Digest::of(&settings), sources };
    trusted.add(&record).map_err(|error| (Exit::Host, format!("cannot remember that: {error}")))?;
    super::screen::say!("{} is trusted, as it is now", project.display());
    for line in settings.lines().filter(|line| !line.trim().is_empty()) {
        let key = line.split('=').next().unwrap_or_default().trim();
        let never = Key::ALL.iter().any(|known| known.is_never_of_project() && known.name() == key);
        let never = if never { "  (never counts: no project may set it)" } else { "" };
        super::screen::say!("  {PROJECT_FILE}: {line}{never}");
    }
    for source in &record.sources {
        super::screen::say!("  may read {source}");
    }
    Ok(())
}

/// What the project's ImageFiles would read outside of it, as far as they can be understood.
fn sources(project: &Path) -> Result<BTreeSet<String>, String> {
    let mut sources = BTreeSet::new();
    for path in image_files::image_files(project).map_err(|error| error.to_string())? {
        // A folder below may be a project of its own.
        if path.parent().map(project_root).is_none_or(|root| root != project) {
            continue;
        }
        let (_, files, name) = project::around(&path).map_err(|error| error.to_string())?;
        let compiled = front::compile(name, &files, &Vec::new());
        for image in &compiled.spec.images {
            let listed = compiled.resolutions.get(&image.name.value).and_then(|resolution| match &resolution
                .base
                .origin
            {
                BaseOrigin::Catalog { source: BaseSource::File { path, .. }, .. } => {
                    Request::disk(path, image.base.span, &files)
                }
                _ => None,
            });
            let requests =
                secrets_outside(image, &files).into_iter().chain(disk_outside(image, &files)).chain(listed);
            sources.extend(requests.map(|request| request.source.to_string()));
        }
    }
    Ok(sources)
}

fn revoke(trusted: &TrustedProjects, path: &Path) -> Outcome {
    let folder = folder(path);
    // A project that is gone can still be forgotten, by the path that `--list` shows.
    let project = match folder.canonicalize() {
        Ok(folder) => project_root(&folder),
        Err(_) => std::path::absolute(folder).unwrap_or_else(|_| folder.into()),
    };
    match trusted.remove(&project) {
        Ok(true) => super::screen::say!("{} is no longer trusted", project.display()),
        Ok(false) => super::screen::say!("{} was not trusted", project.display()),
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
