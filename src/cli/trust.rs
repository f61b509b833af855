//! `imgfile trust`: which projects may set what is the user's.

use std::path::{Path, PathBuf};

use super::{Exit, failed};
use crate::ops::{
    self, Error, Listing,
    settings::{Key, PROJECT_FILE, Trust},
};

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
    let result = if args.list {
        list()
    } else if args.revoke {
        revoke(&args.path)
    } else {
        trust(&args.path)
    };
    result.map_or_else(failed, |()| Exit::Done)
}

fn trust(path: &Path) -> Result<(), Error> {
    let trusted = ops::trust(path)?;
    super::screen::say!("{} is trusted, as it is now", trusted.record.project.display());
    for line in trusted.settings.lines().filter(|line| !line.trim().is_empty()) {
        let key = line.split('=').next().unwrap_or_default().trim();
        let never = Key::ALL.iter().any(|known| known.is_never_of_project() && known.name() == key);
        let never = if never { "  (never counts: no project may set it)" } else { "" };
        super::screen::say!("  {PROJECT_FILE}: {line}{never}");
    }
    for source in &trusted.record.sources {
        super::screen::say!("  may read {source}");
    }
    Ok(())
}

fn revoke(path: &Path) -> Result<(), Error> {
    let revoked = ops::revoke(path)?;
    let now = if revoked.was_trusted { "is no longer trusted" } else { "was not trusted" };
    super::screen::say!("{} {now}", revoked.project.display());
    Ok(())
}

fn list() -> Result<(), Error> {
    for Listing { project, trust } in ops::trusted()? {
        let note = match trust {
            Some(Trust::Trusted) => "",
            Some(_) => "  (its settings have changed: not trusted until you trust it again)",
            None if !project.exists() => "  (gone)",
            None => "  (its settings cannot be read)",
        };
        super::print(&format!("{}{note}\n", project.display()));
    }
    Ok(())
}
