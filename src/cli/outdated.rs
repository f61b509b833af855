//! `imgfile outdated`: what is newer than the lock.

use std::sync::Arc;

use super::{
    CommandResult, Exit, failed,
    file_args::FileArgs,
    listener::OnScreen,
    recorded::{self, Format},
};
use crate::{
    advisory::{Finding, Status},
    lock::{Kind, Newer},
    ops::{Outdated, Workspace, WorkspaceOptions},
};

/// List what is newer than the lock: packages, security updates among them, applications and bases.
///
/// Looks at the archives as they are now and changes nothing; `imgfile lock --update` does. With `--advisories`, it
/// also lists the locked packages that have known flaws.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub file: FileArgs,
    /// Look at this image only (and those it is based on).
    #[arg(long, value_name = "NAME", add = clap_complete::ArgValueCompleter::new(super::candidates::images))]
    pub image: Option<String>,
    /// Use only what is in the store.
    #[arg(long)]
    pub offline: bool,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

pub(super) fn run(args: Args) -> Exit {
    super::block_on(async { look(args).await.err().unwrap_or(Exit::Done) })
}

async fn look(args: Args) -> CommandResult<()> {
    let options =
        WorkspaceOptions { image: args.image, offline: args.offline, ..args.file.options() }.comparing();
    let workspace = Workspace::open(options, Arc::new(OnScreen::default())).await.map_err(failed)?;
    let found = workspace.outdated().await.map_err(failed)?;
    match args.format {
        Format::Json => recorded::print_json(&found),
        Format::Human => show(&found),
    }
    Ok(())
}

fn show(found: &[Outdated]) {
    show_newer(found);
    let advisories: Vec<[String; 5]> = found
        .iter()
        .flat_map(|one| one.advisories.iter().map(|finding| (&one.image, advisory_row(finding))))
        .map(|(image, [id, severity, locked, fixed])| [image.clone(), id, severity, locked, fixed])
        .collect();
    if !advisories.is_empty() {
        super::print("\n");
        super::print(&recorded::table(["IMAGE", "ADVISORY", "SEVERITY", "LOCKED", "FIXED IN"], &advisories));
        super::screen::say!("{} advisories concern locked packages", advisories.len());
    }
}

/// Its name and severity, the packages that have it, and where it is fixed.
pub(super) fn advisory_row(finding: &Finding) -> [String; 4] {
    let packages: Vec<String> =
        finding.packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
    let fixed = match (finding.status, &finding.fixed) {
        (Status::UnderInvestigation, _) => "not known yet".to_owned(),
        (_, Some(fixed)) => fixed.clone(),
        (_, None) => "not fixed".to_owned(),
    };
    [finding.id.clone(), finding.severity.to_string(), packages.join(", "), fixed]
}

fn show_newer(found: &[Outdated]) {
    let rows: Vec<[String; 5]> =
        found.iter().flat_map(|one| one.newer.iter().map(|newer| row(&one.image, newer))).collect();
    if rows.is_empty() {
        super::screen::say!("nothing is newer than the lock");
        return;
    }
    super::print(&recorded::table(["IMAGE", "WHAT", "LOCKED", "NOW", ""], &rows));
    let security = found.iter().flat_map(|one| &one.newer).filter(|newer| newer.security).count();
    super::screen::say!(
        "{} newer, {security} of them security updates; `imgfile lock --update` takes them",
        rows.len()
    );
}

fn row(image: &str, newer: &Newer) -> [String; 5] {
    let what = match newer.kind {
        Kind::Base => format!("base {}", newer.name),
        Kind::App => format!("app {}", newer.name),
        Kind::Package => newer.name.clone(),
        Kind::BasePackage => format!("{} (of the base)", newer.name),
    };
    let security = if newer.security { "security" } else { "" };
    [image.to_owned(), what, newer.locked.clone(), newer.now.clone(), security.to_owned()]
}
