//! `imgfile image`: one artifact: looked at, renamed, protected, removed, exported.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use clap::{ValueEnum, builder::PossibleValue};

use super::{
    Exit, Outcome,
    recorded::{self, Format, refused},
};
use crate::{
    driver::{DiskError, DiskFile, DiskForm, Disks, DriverEntry},
    model::{Compression, DiskFormat},
    ops::{FileState, ListedImage, records::here},
    report::{local, progress},
    store::{Folder, Records, Store, digest_of, records::ArtifactRecord, umask},
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

fn act(action: &Action, store: &Store, records: &Records) -> Outcome<()> {
    match action {
        Action::Inspect { image, format, verify } => inspect(store, find(records, image)?, *format, *verify),
        Action::Rename { image, name } => rename(records, &find(records, image)?, name),
        Action::Protect { image } => records.protect(find(records, image)?.id, true).map_err(refused),
        Action::Unprotect { image } => records.protect(find(records, image)?.id, false).map_err(refused),
        Action::Rm { images } => {
            // All are looked for before the first goes.
            let found: Vec<_> = images.iter().map(|image| find(records, image)).collect::<Outcome<_>>()?;
            found.iter().try_for_each(|artifact| remove(records, artifact))
        }
        Action::Export { image, to, format, subformat } => {
            export(store, &find(records, image)?, to, (*format, *subformat))
        }
    }
}

/// Ends a command with a message.
fn wrong<T>(message: &str) -> Outcome<T> {
    super::complain(message);
    Err(Exit::Usage)
}

/// The host refused something.
fn host<T>(action: &str, path: &Path, error: &impl std::fmt::Display) -> Outcome<T> {
    super::complain(&format!("cannot {action} {}: {error}", path.display()));
    Err(Exit::Host)
}

/// Those that the project here built.
fn ours<'a>(artifacts: &[&'a ArtifactRecord]) -> Vec<&'a ArtifactRecord> {
    let here = here();
    artifacts.iter().filter(|artifact| here.as_ref() == Some(&artifact.project)).copied().collect()
}

/// The artifact a word of the command line means; of several with one name, the one of the project here.
fn find(records: &Records, word: &str) -> Outcome<ArtifactRecord> {
    let artifacts = records.artifacts().map_err(refused)?;
    let path = std::path::absolute(word).unwrap_or_default();
    let mut found: Vec<_> = artifacts
        .iter()
        .filter(|artifact| {
            artifact.name() == word || artifact.id.to_string() == word || Path::new(&artifact.path) == path
        })
        .collect();
    // A number or a path means one; a name may be that of several.
    if let Some(exact) = found.iter().position(|artifact| artifact.name() != word) {
        found = vec![found[exact]];
    }
    match found.as_slice() {
        [artifact] => Ok((*artifact).clone()),
        several if ours(several).len() == 1 => Ok(ours(several)[0].clone()),
        [] => wrong(&format!("there is no image `{word}`; `imgfile images` lists them")),
        several => {
            let mut text = format!("several images are named `{word}`; say which by its number:");
            for artifact in several {
                let _ = write!(text, "\n  {}  {}", artifact.id, artifact.path);
            }
            wrong(&text)
        }
    }
}

fn inspect(store: &Store, artifact: ArtifactRecord, format: Format, verify: bool) -> Outcome<()> {
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
    if verify { verified(store, artifact) } else { Ok(()) }
}

/// Fails unless the file is what was built.
fn verified(store: &Store, artifact: &ArtifactRecord) -> Outcome<()> {
    let actual = store.digest_file(Path::new(&artifact.path)).map_err(refused)?;
    if actual == artifact.sha256 {
        super::screen::say!("{} is what was built", artifact.path);
        return Ok(());
    }
    super::complain(&format!(
        "{} is not what was built: its sha256 is {actual}, not {}",
        artifact.path, artifact.sha256
    ));
    Err(Exit::Failed)
}

/// The folder of an artifact, and its name in it, if it is still what was built: whatever has come into its place is
/// somebody else's.
fn place_of(artifact: &ArtifactRecord) -> io::Result<Option<(Folder, OsString)>> {
    let path = Path::new(&artifact.path);
    let name = path.file_name().unwrap_or_default().to_owned();
    let found = Folder::open(path.parent().unwrap_or(Path::new(""))).and_then(|folder| {
        let file = folder.regular(Path::new(&name))?;
        Ok((folder, file))
    });
    let (folder, mut file) = match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    if i64::try_from(file.metadata()?.len()) == Ok(artifact.size) && digest_of(&mut file)? == artifact.sha256
    {
        return Ok(Some((folder, name)));
    }
    Err(io::Error::other("it is not what was built; it is yours to move or to remove"))
}

fn rename(records: &Records, artifact: &ArtifactRecord, name: &str) -> Outcome<()> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return wrong("a name has no `/` and does not begin with a dot");
    }
    let from = Path::new(&artifact.path);
    let file = match from.extension().and_then(|extension| extension.to_str()) {
        Some(extension) => format!("{name}.{extension}"),
        None => name.to_owned(),
    };
    let to = from.with_file_name(&file);
    let (folder, own) = match place_of(artifact) {
        Ok(Some(place)) => place,
        Ok(None) => return wrong(&format!("{} is not there any more", artifact.path)),
        Err(error) => return host("rename", from, &error),
    };
    match folder.rename(&own, &file) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return wrong(&format!("{} is there already", to.display()));
        }
        Err(error) => return host("rename", from, &error),
    }
    if let Err(error) = records.moved(artifact.id, &to.to_string_lossy()) {
        // The record and the file stay together.
        let _ = folder.rename(&file, &own);
        return Err(refused(error));
    }
    super::print(&format!("{}\n", to.display()));
    Ok(())
}

fn remove(records: &Records, artifact: &ArtifactRecord) -> Outcome<()> {
    let name = artifact.name();
    // All of the file is read for it, in vain where the record stays.
    let place = if artifact.protected { Ok(None) } else { place_of(artifact) };
    if !records.remove_artifact(artifact.id).map_err(refused)? {
        return wrong(&format!("`{name}` is protected; `imgfile image unprotect {name}` takes that off"));
    }
    match place {
        Ok(Some((folder, file))) => match folder.remove(file) {
            Ok(()) => super::print(&format!("removed {}\n", artifact.path)),
            Err(error) => return host("remove", Path::new(&artifact.path), &error),
        },
        Ok(None) => {}
        Err(why) => super::screen::say!("note: {} stays: {why}", artifact.path),
    }
    Ok(())
}

fn export(
    store: &Store,
    artifact: &ArtifactRecord,
    to: &Path,
    (format, subformat): (Option<DiskFormat>, Subformat),
) -> Outcome<()> {
    let from = Path::new(&artifact.path);
    if FileState::of(artifact) == FileState::Missing {
        return wrong(&format!("{} is not there any more", artifact.path));
    }
    verified(store, artifact)?;
    let own = DiskFormat::of(from).unwrap_or(DiskFormat::Raw);
    let (to, wanted) = if to.is_dir() {
        let wanted = format.unwrap_or(own);
        let extension = if wanted == own {
            from.extension().unwrap_or_default().to_string_lossy().into_owned()
        } else {
            wanted.as_str().to_owned()
        };
        (to.join(artifact.name()).with_added_extension(extension), wanted)
    } else {
        (to.to_owned(), format.or_else(|| DiskFormat::of(to)).unwrap_or(own))
    };
    if to.exists() {
        return wrong(&format!("{} is there already", to.display()));
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Complete or not at all: the name appears by rename. What a crash leaves is in the store's journal.
    let promised = |path: &Path| {
        let path = std::path::absolute(path)?;
        store.will_create(&path).map_err(io::Error::other)?;
        File::create_new(path)
    };
    let temp = match tempfile::Builder::new().prefix(".imgfile-export-").make_in(folder, promised) {
        Ok(temp) => temp,
        Err(error) => return host("write in", folder, &error),
    };
    // A VHD may be of the other kind than the one that is wanted.
    if wanted == own && wanted != DiskFormat::Vhd {
        let copied = File::open(from).and_then(|mut from| io::copy(&mut from, &mut temp.as_file()));
        if let Err(error) = copied {
            return host("write", &to, &error);
        }
    } else {
        convert((from, own), (temp.path(), wanted), subformat)?;
    }
    if let Err(error) = umask::share(temp.as_file(), 0o666) {
        return host("write", &to, &error);
    }
    if let Err(error) = temp.persist_noclobber(&to) {
        return host("write", &to, &error.error);
    }
    super::print(&format!("{}\n", to.display()));
    Ok(())
}

fn convert(
    (from, own): (&Path, DiskFormat),
    (to, wanted): (&Path, DiskFormat),
    subformat: Subformat,
) -> Outcome<()> {
    let disks = (DriverEntry::usual().disks)();
    let disk = DiskFile { path: from, format: own };
    let compression = match wanted {
        DiskFormat::Qcow2 => Compression::Zstd,
        _ => Compression::None,
    };
    let form = DiskForm { format: wanted, compression, dynamic: subformat == Subformat::Dynamic };
    // It ends with this process, and when somebody presses Ctrl-C, after which the half file goes too.
    super::until_stopped(async {
        if wanted == DiskFormat::Vhd {
            whole_mebibytes(disks.as_ref(), disk).await?;
        }
        disks.write(disk, to, form).await.map(drop).or_else(|error| refused_by_disks("convert", from, &error))
    })
}

/// Refuses a disk that no VHD of the same size can hold as Azure takes it.
async fn whole_mebibytes(disks: &dyn Disks, disk: DiskFile<'_>) -> Outcome<()> {
    let size = match disks.look(disk).await {
        Ok(facts) => facts.size,
        Err(error) => return refused_by_disks("look at", disk.path, &error),
    };
    if size.is_multiple_of(1 << 20) {
        return Ok(());
    }
    wrong(&format!(
        "the disk has {size} bytes, which is no whole number of MiB, and Azure takes no other VHD; build it with \
         `output vhd`, or with a `min_storage` in MiB or GiB"
    ))
}

/// A tool said no to a file, or cannot be had.
fn refused_by_disks<T>(action: &str, path: &Path, error: &DiskError) -> Outcome<T> {
    match error {
        DiskError::Tool { detail, .. } => host(action, path, detail),
        DiskError::Driver(_) => {
            super::complain(&format!("{error}; `imgfile doctor` says what it takes"));
            Err(Exit::Host)
        }
        error => host(action, path, error),
    }
}
