//! `imgfile images`: the artifacts that were made here and are still there.

use serde::Serialize;

use super::{
    Exit,
    recorded::{self, Format, Outcome, refused},
};
use crate::{
    report::{local, progress},
    store::records::ArtifactRecord,
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

/// An artifact and what is at its path now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Listed {
    /// Its file's name without the extension.
    pub name: String,
    /// Its file's format, by the extension.
    pub kind: String,
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
        let extension = std::path::Path::new(&artifact.path).extension();
        let kind = extension.map(|extension| extension.to_string_lossy().into_owned()).unwrap_or_default();
        Self { name: artifact.name().to_owned(), kind, file: FileState::of(&artifact), artifact }
    }
}

pub(super) fn run(args: &Args) -> Exit {
    list(args).err().unwrap_or(Exit::Done)
}

fn list(args: &Args) -> Outcome<()> {
    let (_store, records) = recorded::records()?;
    let project = if args.all { None } else { recorded::here() };
    let artifacts: Vec<Listed> = records
        .artifacts()
        .map_err(refused)?
        .into_iter()
        .filter(|artifact| project.as_ref().is_none_or(|project| *project == artifact.project))
        .map(Listed::from)
        .collect();
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

fn row(listed: &Listed) -> [String; 9] {
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
