//! `imgfile image`: one artifact: looked at, renamed, protected, removed, exported.

use std::path::PathBuf;

use clap::{ValueEnum, builder::PossibleValue};

use super::{
    CommandResult, Exit, failed,
    recorded::{self, Format, refused},
};
use crate::{
    model::DiskFormat,
    ops::{
        ListedImage,
        image::{self, Export, Removed},
    },
    report::{local, progress},
    store::{Records, Store, records::ArtifactRecord},
};

/// Work with an image that was built here.
///
/// IMAGE is what `imgfile images` lists: a name, a number, or the path of the file.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show all that is known about it.
    Inspect {
        /// A name, a number or a path.
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
        /// A name, a number or a path.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
        /// The new name, without the extension.
        name: String,
    },
    /// Keep it from being removed or built over.
    Protect {
        /// A name, a number or a path.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
    },
    /// Take the protection off.
    Unprotect {
        /// A name, a number or a path.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
    },
    /// Remove its file.
    Rm {
        /// Names, numbers or paths.
        #[arg(required = true, value_name = "IMAGE")]
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        images: Vec<String>,
    },
    /// Copy it, into another format if wanted.
    Export {
        /// A name, a number or a path.
        #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
        image: String,
        /// A folder, or the path of the new file.
        to: PathBuf,
        /// Format of the new file; without it, what its extension says, else that of the image.
        #[arg(long, value_enum)]
        format: Option<DiskFormat>,
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

impl ValueEnum for DiskFormat {
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
        Action::Inspect { image, format, verify } => inspect(store, find(records, image)?, *format, *verify),
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
            found.iter().try_for_each(|artifact| remove(records, artifact))
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

fn inspect(store: &Store, artifact: ArtifactRecord, format: Format, verify: bool) -> CommandResult<()> {
    let listed = ListedImage::from(artifact);
    let artifact = &listed.artifact;
    match format {
        Format::Json => recorded::print_json(&listed),
        Format::Human => {
            let mut rows = vec![
                ("name", listed.name.clone()),
                ("number", artifact.id.to_string()),
                ("image", artifact.image.clone()),
                ("path", artifact.path.clone()),
                ("file", listed.file.word().to_owned()),
                ("size", progress::size(u64::try_from(artifact.size).unwrap_or(0))),
                ("sha256", artifact.sha256.to_string()),
                ("made", local(artifact.made_ms)),
                ("build", artifact.build.map_or_else(|| "-".to_owned(), |build| build.to_string())),
                ("plan key", artifact.plan_key.clone()),
                ("lock", artifact.lock.map_or_else(|| "-".to_owned(), |lock| lock.to_string())),
                ("protected", if artifact.protected { "yes" } else { "no" }.to_owned()),
            ];
            rows.extend(artifact.labels.iter().map(|(key, value)| ("label", format!("{key} = {value}"))));
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

fn remove(records: &Records, artifact: &ArtifactRecord) -> CommandResult<()> {
    match image::remove(records, artifact).map_err(failed)? {
        Removed::File => super::print(&format!("removed {}\n", artifact.path)),
        Removed::Record => {}
        Removed::Kept(why) => super::screen::say!("note: {} stays: {why}", artifact.path),
    }
    Ok(())
}
