//! `imgfile images`: the artifacts that were made here and are still there.

use std::path::PathBuf;

use super::{
    CommandResult, Exit, failed,
    recorded::{self, Format},
};
use crate::{
    ops::{self, FileState, ImagesOptions, ListedImage},
    report::{local, progress, relative},
};

/// List the images that this project built, newest first.
///
/// LOCK says whether the lock that an image was built by is still the same; BASE what it stands on, and whether that was
/// made anew with other content since. STATE has what became of the file, where it was published, tags, and whether it is
/// protected, deprecated or revoked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only files of the image with this name in its ImageFile.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::templates))]
    image: Option<String>,
    /// Images of the project in another folder.
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Images of every project in the store.
    #[arg(long, conflicts_with = "project")]
    all: bool,
    /// Also whole digests, times on this machine's clock, builds and paths.
    #[arg(long)]
    long: bool,
    /// How the list is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Exit {
    list(args).err().unwrap_or(Exit::Done)
}

fn list(args: &Args) -> CommandResult<()> {
    let (_store, records) = recorded::records()?;
    let project = match &args.project {
        Some(folder) => Some(project_in(folder)?),
        None if args.all => None,
        None => ops::records::here(),
    };
    let options = ImagesOptions { project: project.as_deref(), image: args.image.as_deref() };
    let listed = ops::images(&records, &options).map_err(failed)?;
    match args.format {
        Format::Json => recorded::print_json(&listed),
        Format::Human if listed.is_empty() => super::screen::say!("{}", nothing(args, project.is_some())),
        Format::Human if args.long => {
            let headings = [
                "ID", "NAME", "KIND", "IMAGE", "SIZE", "SHA256", "MADE", "BUILD", "LOCK", "BASE", "STATE",
                "PROJECT", "PATH",
            ];
            super::print(&recorded::table(headings, &listed.iter().map(long_row).collect::<Vec<_>>()));
        }
        Format::Human if project.is_some() => {
            let headings =
                ["ID", "NAME", "KIND", "IMAGE", "SIZE", "SHA256", "MADE", "LOCK", "BASE", "STATE", "PATH"];
            super::print(&recorded::table(headings, &listed.iter().map(row).collect::<Vec<_>>()));
        }
        // Each project under its name.
        Format::Human => {
            let mut text = String::new();
            for of_project in listed.chunk_by(|one, other| one.artifact.project == other.artifact.project) {
                let project = of_project.first().map_or("", |one| one.artifact.project.as_str());
                let project = if project.is_empty() { "of an unknown project" } else { project };
                let headings = [
                    "ID", "NAME", "KIND", "IMAGE", "SIZE", "SHA256", "MADE", "LOCK", "BASE", "STATE", "PATH",
                ];
                let rows: Vec<_> = of_project.iter().map(row).collect();
                let blank = if text.is_empty() { "" } else { "\n" };
                text.push_str(&format!("{blank}{project}\n{}", recorded::table(headings, &rows)));
            }
            super::print(&text);
        }
    }
    Ok(())
}

/// The folder of a project as records have it; one that is not there any more by its own name.
fn project_in(folder: &std::path::Path) -> CommandResult<String> {
    if let Some(project) = ops::records::project_at(folder) {
        return Ok(project);
    }
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    if whole.is_dir() {
        super::complain(&format!("there is no ImageFile in {}", folder.display()));
        return Err(Exit::Usage);
    }
    Ok(whole.to_string_lossy().into_owned())
}

fn nothing(args: &Args, of_project: bool) -> String {
    match (&args.image, of_project) {
        (Some(image), _) => format!("no file of an image `{image}` is known here"),
        (None, true) => "no image of this project was built yet; `--all` lists every project's".to_owned(),
        (None, false) => "no image was built yet".to_owned(),
    }
}

fn row(listed: &ListedImage) -> [String; 11] {
    let artifact = &listed.artifact;
    [
        artifact.id.to_string(),
        listed.name.clone(),
        listed.kind.clone(),
        artifact.image.clone(),
        progress::size(u64::try_from(artifact.size).unwrap_or(0)),
        artifact.sha256.short().clone(),
        relative(artifact.made_ms),
        listed.lock_state.word().to_owned(),
        base(listed),
        state(listed),
        artifact.path.clone(),
    ]
}

fn long_row(listed: &ListedImage) -> [String; 13] {
    let artifact = &listed.artifact;
    let [id, name, kind, image, size, _, _, lock, base, state, path] = row(listed);
    let build = artifact.build.map_or_else(|| "-".to_owned(), |build| build.to_string());
    let (digest, made) = (artifact.sha256.to_string(), local(artifact.made_ms));
    [id, name, kind, image, size, digest, made, build, lock, base, state, artifact.project.clone(), path]
}

/// What it stands on, and whether that is behind.
pub(super) fn base(listed: &ListedImage) -> String {
    let artifact = &listed.artifact;
    if let Some(disk) = &artifact.captured {
        return format!("captured from {disk}");
    }
    let name = match (&artifact.parent, &artifact.base) {
        (Some(parent), _) => format!("image {parent}"),
        (None, Some(base)) => base.clone(),
        (None, None) => return "-".to_owned(),
    };
    if listed.base_outdated { format!("{name} (outdated)") } else { name }
}

/// What became of its file, and what was said of it.
pub(super) fn state(listed: &ListedImage) -> String {
    let artifact = &listed.artifact;
    let mut words = Vec::new();
    if listed.file != FileState::Present {
        words.push(listed.file.word().to_owned());
    }
    if artifact.revoked.is_some() {
        words.push("revoked".to_owned());
    }
    if artifact.protected {
        words.push("protected".to_owned());
    }
    if artifact.deprecated_ms.is_some() {
        words.push("deprecated".to_owned());
    }
    let there = artifact.published.iter().filter(|one| one.at_ms.is_some());
    words.extend(there.map(|one| format!("at {}", one.place())));
    words.extend(artifact.tags.iter().map(|tag| format!("tag {tag}")));
    if words.is_empty() { FileState::Present.word().to_owned() } else { words.join(", ") }
}
