//! `imgfile image`: one artifact: looked at, renamed, copied, described, tagged, protected, revoked, removed, exported.

use std::path::PathBuf;

use clap::{ValueEnum, builder::PossibleValue};

use super::{
    CommandResult, Exit, failed,
    recorded::{self, Format, refused},
};
use crate::{
    model::OutputFormat,
    ops::{
        self, Export, ImagesOptions, ListedImage,
        image::{self, Removed},
    },
    report::{local, progress},
    store::{
        Records, Store,
        records::{ArtifactRecord, Publication},
    },
};

/// Work with an image that was built here.
///
/// IMAGE is what `imgfile images` lists: a name, a number, the path of the file, or a tag.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show all that is known about it.
    Inspect {
        /// A name, a number, a path or a tag.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
        /// How it is written.
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
        /// Compare the file with the sha256 it was built with.
        #[arg(long)]
        verify: bool,
    },
    /// Give its file another name, in the same folder and with the same extension.
    Rename {
        /// A name, a number, a path or a tag.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
        /// The new name, without the extension.
        name: String,
    },
    /// Copy it under another name, in the same folder and with the same extension; the copy is an image too.
    Copy {
        /// A name, a number, a path or a tag.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
        /// The copy's name, without the extension.
        name: String,
    },
    /// Say what it is, for whoever lists images.
    Describe {
        /// A name, a number, a path or a tag.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
        /// What it is.
        #[arg(required_unless_present = "clear")]
        text: Option<String>,
        /// Take away what was said.
        #[arg(long, conflicts_with = "text")]
        clear: bool,
    },
    /// Give it a tag, which goes from whichever image of its project had it.
    Tag {
        /// A name, a number, a path or a tag.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
        /// Such as `prod`.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::tags))]
        tag: String,
    },
    /// Take tags off the images of this project that have them.
    Untag {
        /// Such as `prod`.
        #[arg(required = true, value_name = "TAG")]
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::tags))]
        tags: Vec<String>,
    },
    /// Say that nobody is to use it any more: neither it nor what is made from it is built again as it was.
    Revoke {
        /// A name, a number, a path or a tag.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
        /// What is wrong with it.
        #[arg(long, value_name = "TEXT", conflicts_with = "undo")]
        reason: Option<String>,
        /// Take that back.
        #[arg(long)]
        undo: bool,
    },
    /// Keep it from being removed or built over.
    Protect {
        /// A name, a number, a path or a tag.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
    },
    /// Take the protection off.
    Unprotect {
        /// A name, a number, a path or a tag.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
    },
    /// Remove its file.
    Rm {
        /// Names, numbers, paths or tags.
        #[arg(required = true, value_name = "IMAGE")]
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        images: Vec<String>,
    },
    /// Copy it, into another format if wanted.
    Export {
        /// A name, a number, a path or a tag.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
        /// A folder, or the path of the new file.
        to: PathBuf,
        /// Format of the new file; without it, what its extension says, else that of the image.
        #[arg(long, value_enum)]
        format: Option<OutputFormat>,
        /// Of a VHD: as large as its disk (`fixed`, what Azure takes), or growing with its content.
        #[arg(long, value_enum, default_value_t = Subformat::Fixed)]
        subformat: Subformat,
    },
}

/// The two kinds of VHD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subformat {
    Fixed,
    Dynamic,
}

impl ValueEnum for OutputFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

pub(super) fn run(args: &Args) -> Exit {
    let result = recorded::records().and_then(|(store, records)| act(&args.action, &store, &records));
    result.err().unwrap_or(Exit::Done)
}

fn act(action: &Action, store: &Store, records: &Records) -> CommandResult<()> {
    match action {
        Action::Inspect { image, format, verify } => {
            let listed = ops::listed(records, &find(records, image)?).map_err(failed)?;
            inspect(store, &listed, *format, *verify)
        }
        Action::Copy { image, name } => {
            let to = image::copy(store, records, &find(records, image)?, name).map_err(failed)?;
            super::print(&format!("{}\n", to.display()));
            Ok(())
        }
        Action::Describe { image, text, .. } => {
            records.describe(find(records, image)?.id, text.as_deref()).map_err(refused)
        }
        Action::Tag { image, tag } => image::tag(records, &find(records, image)?, tag).map_err(failed),
        Action::Untag { tags } => {
            tags.iter().try_for_each(|tag| image::untag(records, tag).map(drop).map_err(failed))
        }
        Action::Revoke { image, undo: true, .. } => image::reinstate(records, image).map_err(failed),
        Action::Revoke { image, reason, .. } => revoke(records, &find(records, image)?, reason.as_deref()),
        Action::Rename { image, name } => {
            let to = image::rename(records, &find(records, image)?, name).map_err(failed)?;
            super::print(&format!("{}\n", to.display()));
            Ok(())
        }
        Action::Protect { image } => records.protect(find(records, image)?.id, true).map_err(refused),
        Action::Unprotect { image } => records.protect(find(records, image)?.id, false).map_err(refused),
        Action::Rm { images } => {
            // All are looked for before the first goes.
            let found: Vec<_> =
                images.iter().map(|image| find(records, image)).collect::<CommandResult<_>>()?;
            image::remove(store, records, &found, &mut removed).map_err(failed)
        }
        Action::Export { image, to, format, subformat } => {
            let artifact = find(records, image)?;
            let export = Export::of(store, &artifact).map_err(failed)?;
            is_as_built(&artifact);
            let dynamic = *subformat == Subformat::Dynamic;
            // It ends with this process, and when somebody presses Ctrl-C, after which the half file goes too.
            let written = async { export.write(to, *format, dynamic).await.map_err(failed) };
            let written = super::until_stopped(written)?;
            super::print(&format!("{}\n", written.display()));
            Ok(())
        }
    }
}

fn find(records: &Records, word: &str) -> CommandResult<ArtifactRecord> {
    image::find(records, word).map_err(failed)
}

fn is_as_built(artifact: &ArtifactRecord) {
    super::screen::say!("{} is what was built", artifact.path);
}

/// Revokes an image and says what else is revoked with it.
fn revoke(records: &Records, artifact: &ArtifactRecord, why: Option<&str>) -> CommandResult<()> {
    records.revoke(artifact, why).map_err(refused)?;
    let all = ops::images(records, &ImagesOptions::default()).map_err(failed)?;
    let through = |other: &&ListedImage| {
        let other = &other.artifact;
        let revoked = other.revoked.as_ref().is_some_and(|revocation| revocation.image == artifact.image);
        revoked && other.plan_key != artifact.plan_key && other.project == artifact.project
    };
    for other in all.iter().filter(through) {
        super::screen::say!("{} is made from it, and revoked as well", other.artifact.path);
    }
    Ok(())
}

fn inspect(store: &Store, listed: &ListedImage, format: Format, verify: bool) -> CommandResult<()> {
    let artifact = &listed.artifact;
    match format {
        Format::Json => recorded::print_json(listed),
        Format::Human => {
            let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            let mut rows = vec![
                ("name", listed.name.clone()),
                ("number", artifact.id.to_string()),
                ("image", artifact.image.clone()),
                ("about", or_none(artifact.description.clone())),
                ("project", artifact.project.clone()),
                ("path", artifact.path.clone()),
                ("file", listed.file.word().to_owned()),
                ("size", progress::size(u64::try_from(artifact.size).unwrap_or(0))),
                ("sha256", artifact.sha256.to_string()),
                ("made", local(artifact.made_ms)),
                ("build", or_none(artifact.build.map(|build| build.to_string()))),
                ("base", super::images::base(listed)),
                ("plan key", artifact.plan_key.clone()),
                ("lock", or_none(artifact.lock.map(|lock| format!("{lock} ({})", listed.lock_state.word())))),
                ("protected", if artifact.protected { "yes" } else { "no" }.to_owned()),
            ];
            rows.extend(artifact.tags.iter().map(|tag| ("tag", tag.clone())));
            rows.extend(artifact.deprecated_ms.map(|since| ("deprecated", local(since))));
            rows.extend(artifact.revoked.as_ref().map(|revocation| {
                let why = revocation.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                ("revoked", format!("`{}`, {}{why}", revocation.image, local(revocation.at_ms)))
            }));
            rows.extend(artifact.labels.iter().map(|(key, value)| ("label", format!("{key} = {value}"))));
            rows.extend(artifact.published.iter().map(|one| ("published", published(one))));
            let text: String = rows.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect();
            super::print(&text);
        }
    }
    if verify {
        image::verify(store, artifact).map_err(failed)?;
        is_as_built(artifact);
    }
    Ok(())
}

/// Where an artifact is, or why it is not there.
fn published(one: &Publication) -> String {
    let id = one.id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
    let mut text = format!("{}: {}{id}", one.place(), one.name);
    if let Some(at) = one.at_ms {
        text.push_str(&format!(", {}", local(at)));
    }
    if let (Some(failed), Some(why)) = (one.failed_ms, &one.failure) {
        text.push_str(&format!("; failed {}: {why}", local(failed)));
    }
    text
}

fn removed(artifact: &ArtifactRecord, done: Removed) {
    match done {
        Removed::File => super::print(&format!("removed {}\n", artifact.path)),
        Removed::Record => {}
        Removed::Kept(why) => super::screen::say!("note: {} stays: {why}", artifact.path),
    }
}
