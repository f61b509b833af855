//! `imgfile outdated`: what is newer than the lock.

use serde::Serialize;

use super::file_args::FileArgs;
use super::{
    Exit,
    recorded::{self, Format},
    workspace::{Outcome, Workspace, WorkspaceOptions},
};
use crate::lock::{Kind, Newer};

/// List what is newer than the lock: packages, security updates among them, applications and bases.
///
/// Looks at the archives as they are now and changes nothing; `imgfile lock --update` does.
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

/// What is newer in one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Outdated {
    pub image: String,
    pub newer: Vec<Newer>,
}

pub(super) fn run(args: Args) -> Exit {
    let choices = WorkspaceOptions {
        file: args.file.clone(),
        image: args.image.clone(),
        offline: args.offline,
        // As if every image were locked anew; nothing is written.
        update: Some(String::new()),
        compares: true,
        ..WorkspaceOptions::default()
    };
    super::block_on(async { look(&args, &choices).await.err().unwrap_or(Exit::Done) })
}

async fn look(args: &Args, choices: &WorkspaceOptions) -> Outcome<()> {
    let workspace = Workspace::open(choices).await?;
    let images = workspace.images(choices)?;
    if let Some(image) = images.iter().find(|image| !workspace.lock.images.contains_key(&image.name.value)) {
        super::complain(&format!(
            "the lock has nothing about the image `{}`; `imgfile lock` pins it",
            image.name.value
        ));
        return Err(Exit::Files);
    }
    let prepared = workspace.prepare_all(choices).await?;
    let found: Vec<Outdated> = prepared
        .iter()
        .filter_map(|now| {
            let image = now.plan.image.clone();
            let newer = workspace.lock.images.get(&image)?.newer(&now.locked);
            Some(Outdated { image, newer })
        })
        .collect();
    match args.format {
        Format::Json => recorded::print_json(&found),
        Format::Human => show(&found),
    }
    Ok(())
}

fn show(found: &[Outdated]) {
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
