//! `imgfile images`: the artifacts that were made here and are still there.

use serde::Serialize;

use super::{
    Exit,
    recorded::{self, Format, Outcome, refused},
};
use crate::{
    report::{progress, utc},
    store::records::ArtifactRecord,
};

/// List the images that were built here, newest first.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// An artifact and what is at its path now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Listed {
    /// Its file's name without the extension.
    pub name: String,
    pub file: FileState,
    #[serde(flatten)]
    pub artifact: ArtifactRecord,
}

/// What is at an artifact's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    Present,
    /// A file of another size: somebody wrote to it.
    Changed,
    Missing,
}

impl FileState {
    pub(super) fn of(artifact: &ArtifactRecord) -> Self {
        match std::fs::metadata(&artifact.path) {
            Ok(file) if i64::try_from(file.len()) == Ok(artifact.size) => Self::Present,
            Ok(_) => Self::Changed,
            Err(_) => Self::Missing,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Changed => "changed",
            Self::Missing => "missing",
        }
    }
}

impl From<ArtifactRecord> for Listed {
    fn from(artifact: ArtifactRecord) -> Self {
        Self { name: artifact.name().to_owned(), file: FileState::of(&artifact), artifact }
    }
}

pub(super) fn run(args: &Args) -> Exit {
    list(args).err().unwrap_or(Exit::Done)
}

fn list(args: &Args) -> Outcome<()> {
    let (_store, records) = recorded::records()?;
    let artifacts: Vec<Listed> =
        records.artifacts().map_err(refused)?.into_iter().map(Listed::from).collect();
    match args.format {
        Format::Json => recorded::print_json(&artifacts),
        Format::Human if artifacts.is_empty() => eprintln!("no image was built yet"),
        Format::Human => {
            let rows: Vec<_> = artifacts.iter().map(row).collect();
            let headings = ["ID", "NAME", "IMAGE", "SIZE", "MADE", "BUILD", "FILE", "PATH"];
            super::print(&recorded::table(headings, &rows));
        }
    }
    Ok(())
}

fn row(listed: &Listed) -> [String; 8] {
    let artifact = &listed.artifact;
    let protected = if artifact.protected { ", protected" } else { "" };
    [
        artifact.id.to_string(),
        listed.name.clone(),
        artifact.image.clone(),
        progress::size(u64::try_from(artifact.size).unwrap_or(0)),
        utc(artifact.made_ms),
        artifact.build.map_or_else(|| "-".to_owned(), |build| build.to_string()),
        format!("{}{protected}", listed.file.word()),
        artifact.path.clone(),
    ]
}
