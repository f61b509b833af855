//! One artifact: found, looked at, renamed, copied, tagged, removed.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use super::{
    error::{Class, Error},
    images::FileState,
    lifecycle::children,
    records::here,
};
use crate::{
    describe::stem,
    exec::remove_documents,
    model::OutputFormat,
    store::{
        Folder, Records, Store, copy_whole, digest_of, folder::unguessable, records::ArtifactRecord, umask,
    },
    text::nearest,
};

pub(super) fn usage(text: impl Into<String>) -> Error {
    Error::message(Class::Usage, text)
}

/// The host refused something.
pub(super) fn host(action: &str, path: &Path, error: &impl std::fmt::Display) -> Error {
    Error::message(Class::Host, format!("cannot {action} {}: {error}", path.display()))
}

/// Those that the project here built.
fn ours<'a>(artifacts: &[&'a ArtifactRecord]) -> Vec<&'a ArtifactRecord> {
    let here = here();
    artifacts.iter().filter(|artifact| here.as_ref() == Some(&artifact.project)).copied().collect()
}

/// The artifact that a word means: its name, its number, the path of its file, or a tag of it; of several with one name,
/// the one of the project here.
///
/// # Errors
/// `Usage` if it is none, or may be several.
pub fn find(records: &Records, word: &str) -> Result<ArtifactRecord, Error> {
    let artifacts = records.artifacts()?;
    let path = std::path::absolute(word).unwrap_or_default();
    let mut found: Vec<_> = artifacts
        .iter()
        .filter(|artifact| {
            artifact.name() == word || artifact.id.to_string() == word || Path::new(&artifact.path) == path
        })
        .collect();
    if found.is_empty() {
        found = artifacts.iter().filter(|artifact| artifact.tags.iter().any(|tag| tag == word)).collect();
    }
    // A number or a path means one; a name may be that of several, and so may a tag.
    let exact =
        |artifact: &&ArtifactRecord| artifact.id.to_string() == word || Path::new(&artifact.path) == path;
    if let Some(exact) = found.iter().position(exact) {
        found = vec![found[exact]];
    }
    match found.as_slice() {
        [artifact] => Ok((*artifact).clone()),
        several if ours(several).len() == 1 => Ok(ours(several)[0].clone()),
        [] => {
            let known = artifacts.iter().flat_map(|artifact| {
                std::iter::once(artifact.name()).chain(artifact.tags.iter().map(String::as_str))
            });
            let near = nearest(word, known).map(|near| format!("did you mean `{near}`? "));
            let near = near.unwrap_or_default();
            Err(usage(format!("there is no image `{word}`; {near}`imgfile images` lists them")))
        }
        several => {
            let mut text = format!("several images are named `{word}`; say which by its number:");
            for artifact in several {
                let _ = write!(text, "\n  {}  {}", artifact.id, artifact.path);
            }
            Err(usage(text))
        }
    }
}

/// Reads the file of an artifact.
///
/// # Errors
/// `Failed` unless it is what was built; `Host` if it cannot be read.
pub fn verify(store: &Store, artifact: &ArtifactRecord) -> Result<(), Error> {
    let actual = store.digest_file(Path::new(&artifact.path))?;
    if actual == artifact.sha256 {
        return Ok(());
    }
    let text =
        format!("{} is not what was built: its sha256 is {actual}, not {}", artifact.path, artifact.sha256);
    Err(Error::message(Class::Failed, text))
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

/// The file's name that an artifact would have as `name`: with the extension that it has.
fn file_named(artifact: &ArtifactRecord, name: &str) -> Result<String, Error> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return Err(usage("a name has no `/` and does not begin with a dot"));
    }
    let own = Path::new(&artifact.path).file_name().unwrap_or_default().to_string_lossy();
    Ok(match OutputFormat::split(&own).1 {
        Some(extension) => format!("{name}.{extension}"),
        None => name.to_owned(),
    })
}

/// Copies an artifact's file under another name, in its folder and with its extension; answers the new path. The copy is
/// an artifact too, of the same origin, neither protected nor tagged. Where the file system can, the two share their
/// content.
///
/// # Errors
/// `Usage` if the name is none for a file, or is taken; `Host` if the file is not what was built, or cannot be written.
pub fn copy(
    store: &Store,
    records: &Records,
    artifact: &ArtifactRecord,
    name: &str,
) -> Result<PathBuf, Error> {
    let from = Path::new(&artifact.path);
    let to = from.with_file_name(file_named(artifact, name)?);
    let (folder, own) = match place_of(artifact) {
        Ok(Some(place)) => place,
        Ok(None) => return Err(usage(format!("{} is not there any more", artifact.path))),
        Err(error) => return Err(host("copy", from, &error)),
    };
    let taken = || usage(format!("{} is there already", to.display()));
    if to.symlink_metadata().is_ok() {
        return Err(taken());
    }
    // Complete or not at all: what a crash leaves has another name, and is in the store's journal.
    let part = format!("{}.{}.part", to.file_name().unwrap_or_default().to_string_lossy(), unguessable());
    store.will_create(&to.with_file_name(&part))?;
    let copied = || {
        let file = folder.create_new(&part)?;
        copy_whole(&folder.regular(Path::new(&own))?, &file)?;
        umask::share(&file, 0o666)?;
        folder.rename(&part, to.file_name().unwrap_or_default())
    };
    if let Err(error) = copied() {
        let _ = folder.remove(&part);
        let is_taken = error.kind() == io::ErrorKind::AlreadyExists;
        return Err(if is_taken { taken() } else { host("write", &to, &error) });
    }
    // Its bytes were not read again: that they are what was built is known when somebody looks.
    if records.copied(artifact.id, &to.to_string_lossy())? {
        return Ok(to);
    }
    let _ = folder.remove(to.file_name().unwrap_or_default());
    Err(usage(format!("the records have another image at {}; `imgfile image rm` forgets it", to.display())))
}

/// Gives an artifact a tag, which goes from whichever of its project had it.
///
/// # Errors
/// `Usage` if the word is none for a tag, or the artifact went meanwhile.
pub fn tag(records: &Records, artifact: &ArtifactRecord, tag: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_name =
        tag.len() <= 128 && tag.starts_with(|c: char| c.is_ascii_alphabetic()) && tag.chars().all(plain);
    if !is_name {
        return Err(usage(format!(
            "`{tag}` is no tag: a letter first, then `A-Z a-z 0-9 . _ -`, 128 at most"
        )));
    }
    if records.tag(artifact.id, tag)? {
        return Ok(());
    }
    Err(usage(format!("{} is not there any more", artifact.path)))
}

/// Takes a tag off the artifact of the project here that has it; answers that artifact.
///
/// # Errors
/// `Usage` if none has it.
pub fn untag(records: &Records, tag: &str) -> Result<ArtifactRecord, Error> {
    let artifacts = records.artifacts()?;
    let tagged: Vec<_> =
        artifacts.iter().filter(|artifact| artifact.tags.iter().any(|known| known == tag)).collect();
    let found = match (tagged.as_slice(), ours(&tagged).as_slice()) {
        (_, [ours]) => *ours,
        ([one], _) => *one,
        ([], _) => return Err(usage(format!("no image is tagged `{tag}`; `imgfile images` lists tags"))),
        _ => {
            return Err(usage(format!(
                "images of several projects are tagged `{tag}`: do it in the folder of theirs"
            )));
        }
    };
    records.untag(found.id, tag)?;
    Ok(found.clone())
}

/// Gives an artifact's file another name, in its folder and with its extension; answers the new path.
///
/// # Errors
/// `Usage` if the name is none for a file, or is taken; `Host` if the file is not what was built.
pub fn rename(records: &Records, artifact: &ArtifactRecord, name: &str) -> Result<PathBuf, Error> {
    let from = Path::new(&artifact.path);
    let file = file_named(artifact, name)?;
    let to = from.with_file_name(&file);
    let (folder, own) = match place_of(artifact) {
        Ok(Some(place)) => place,
        Ok(None) => return Err(usage(format!("{} is not there any more", artifact.path))),
        Err(error) => return Err(host("rename", from, &error)),
    };
    match folder.rename(&own, &file) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(usage(format!("{} is there already", to.display())));
        }
        Err(error) => return Err(host("rename", from, &error)),
    }
    if let Err(error) = records.moved(artifact.id, &to.to_string_lossy()) {
        // The record and the file stay together.
        let _ = folder.rename(&file, &own);
        return Err(error.into());
    }
    Ok(to)
}

/// Takes back that an image was revoked: the one that a word means, or, where no file of it is left, those that had this
/// name in their ImageFiles.
///
/// # Errors
/// `Usage` if it was not revoked, or because of another one.
pub fn reinstate(records: &Records, word: &str) -> Result<(), Error> {
    match find(records, word) {
        Ok(artifact) if records.reinstate(&artifact)? => Ok(()),
        Ok(artifact) => Err(usage(match &artifact.revoked {
            Some(revocation) => {
                format!("`{}` is made from `{}`, which was revoked", artifact.name(), revocation.image)
            }
            None => format!("`{}` was not revoked", artifact.name()),
        })),
        Err(_) if records.reinstate_all(word)? => Ok(()),
        Err(unknown) => Err(unknown),
    }
}

/// What became of the file of an artifact that is forgotten.
#[derive(Debug)]
pub enum Removed {
    /// It was removed.
    File,
    /// It was gone before.
    Record,
    /// It stays, and why.
    Kept(io::Error),
}

/// Removes artifacts: their records, and each file that is still what was built; `removed` is told of each. If one of
/// them has to stay, none goes.
///
/// # Errors
/// `Usage` if one is protected, tagged or in use, or others were made from it that stay; `Host` if a file cannot be
/// removed.
pub fn remove(
    store: &Store,
    records: &Records,
    artifacts: &[ArtifactRecord],
    removed: &mut dyn FnMut(&ArtifactRecord, Removed),
) -> Result<(), Error> {
    let numbers: Vec<i64> = artifacts.iter().map(|artifact| artifact.id).collect();
    artifacts.iter().try_for_each(|artifact| may_go(store, records, artifact, &numbers))?;
    for artifact in artifacts {
        let done = remove_one(store, records, artifact, &numbers)?;
        if matches!(done, Removed::File) {
            remove_description(store, records, artifact)?;
        }
        removed(artifact, done);
    }
    Ok(())
}

/// Removes what describes an artifact that was removed, unless it describes another one that is there, too.
fn remove_description(store: &Store, records: &Records, artifact: &ArtifactRecord) -> Result<(), Error> {
    let of = |artifact: &ArtifactRecord| {
        let path = Path::new(&artifact.path);
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (path.parent().map(Path::to_owned).unwrap_or_default(), stem(&file).to_owned())
    };
    let (folder, stem) = of(artifact);
    let others = records.artifacts()?;
    if !others.iter().any(|other| of(other) == (folder.clone(), stem.clone())) {
        remove_documents(store, &folder, &stem, &[]);
    }
    Ok(())
}

fn remove_one(
    store: &Store,
    records: &Records,
    artifact: &ArtifactRecord,
    also: &[i64],
) -> Result<Removed, Error> {
    // All of the file is read for it.
    let place = place_of(artifact);
    if !records.remove_artifact(artifact.id)? {
        // Since it was looked at.
        may_go(store, records, &find(records, &artifact.id.to_string())?, also)?;
        return Err(usage(format!("`{}` is being changed; try again", artifact.name())));
    }
    match place {
        Ok(Some((folder, file))) => match folder.remove(file) {
            Ok(()) => Ok(Removed::File),
            Err(error) => Err(host("remove", Path::new(&artifact.path), &error)),
        },
        Ok(None) => Ok(Removed::Record),
        Err(why) => Ok(Removed::Kept(why)),
    }
}

/// Refuses what something keeps, and says by what.
fn may_go(store: &Store, records: &Records, artifact: &ArtifactRecord, also: &[i64]) -> Result<(), Error> {
    let name = artifact.name();
    if artifact.protected {
        return Err(usage(format!("`{name}` is protected; `imgfile image unprotect {name}` takes that off")));
    }
    if !artifact.tags.is_empty() {
        let (shown, typed) = (artifact.tags.join("`, `"), artifact.tags.join(" "));
        return Err(usage(format!(
            "`{name}` is tagged `{shown}`; `imgfile image untag {typed}` takes that off"
        )));
    }
    let artifacts = records.artifacts()?;
    let there = artifacts.iter().filter(|other| FileState::of(other) != FileState::Missing);
    let staying = there.filter(|other| other.id == artifact.id || !also.contains(&other.id));
    let children = children(artifact, staying);
    if !children.is_empty() {
        let names: BTreeSet<&str> = children.iter().map(|child| child.name()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let (shown, typed) = (names.join("`, `"), names.join(" "));
        return Err(usage(format!(
            "`{name}` is what `{shown}` was made from; `imgfile image rm {name} {typed}` removes them together"
        )));
    }
    if let Ok(key) = artifact.plan_key.parse()
        && store.layers().is_held(&key)?
    {
        return Err(usage(format!(
            "a running build uses the disk that `{name}` was made of; `imgfile builds` lists builds, `imgfile cancel` \
             stops one"
        )));
    }
    Ok(())
}
