//! `imgfile images`: the artifacts that were made here and are still there.

use super::{
    CommandResult, Exit, failed,
    recorded::{self, Format},
};
use crate::{
    ops::{self, ListedImage},
    report::{local, progress},
};

/// List the images that this project built, newest first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images of every project in the store.
    #[arg(long)]
    all: bool,
    /// How the list is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Exit {
    list(args).err().unwrap_or(Exit::Done)
}

fn list(args: &Args) -> CommandResult<()> {
    let (_store, records) = recorded::records()?;
    let project = if args.all { None } else { ops::records::here() };
    let artifacts = ops::images(&records, project.as_deref()).map_err(failed)?;
    match args.format {
        Format::Json => recorded::print_json(&artifacts),
        Format::Human if artifacts.is_empty() && project.is_some() => {
            super::screen::say!("no image of this project was built yet; `--all` lists every project's");
        }
        Format::Human if artifacts.is_empty() => super::screen::say!("no image was built yet"),
        Format::Human => {
            let rows: Vec<_> = artifacts.iter().map(row).collect();
            let headings = ["ID", "NAME", "KIND", "IMAGE", "SIZE", "MADE", "BUILD", "FILE", "PATH"];
            super::print(&recorded::table(headings, &rows));
        }
    }
    Ok(())
}

fn row(listed: &ListedImage) -> [String; 9] {
    let artifact = &listed.artifact;
    let protected = if artifact.protected { ", protected" } else { "" };
    [
        artifact.id.to_string(),
        listed.name.clone(),
        listed.kind.clone(),
        artifact.image.clone(),
        progress::size(u64::try_from(artifact.size).unwrap_or(0)),
        local(artifact.made_ms),
        artifact.build.map_or_else(|| "-".to_owned(), |build| build.to_string()),
        format!("{}{protected}", listed.file.word()),
        artifact.path.clone(),
    ]
}
