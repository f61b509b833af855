//! What is in the way of artifacts: a project may not lead them to another place, and nothing is written over that
//! imgfile did not write.

use std::io;
use std::path::Path;

use super::{BuildError, Options};
use crate::{
    diagnostic::{Diagnostic, codes},
    store::Store,
    text::Digest,
};

/// Files that imgfile made, by their digests.
const MADE: &str = "artifact-v1";

/// Notes that a file with this content is one that imgfile made, before it has its name.
pub fn remember(store: &Store, artifact: &Digest) -> Result<(), BuildError> {
    store.facts().put(MADE, artifact, &()).map_err(BuildError::from)
}

/// Whether a file of this content is one that imgfile made.
pub(super) fn made(store: &Store, content: &Digest) -> bool {
    store.facts().has(MADE, content)
}

/// Refuses an output folder that is a link, unless the user named it.
pub fn check_folder(options: &Options) -> Result<(), BuildError> {
    match std::fs::read_link(&options.out) {
        Ok(target) if !options.out_given => Err(is_link(&options.out, &target)),
        _ => Ok(()),
    }
}

/// The same, and refuses files there that imgfile did not make, unless the user lets them go.
pub fn check<'a>(
    store: &Store,
    options: &Options,
    files: impl Iterator<Item = &'a str>,
) -> Result<(), BuildError> {
    check_folder(options)?;
    if options.force {
        return Ok(());
    }
    for path in files.map(|name| options.out.join(name)) {
        if is_taken(store, &path)? {
            return Err(taken(&path));
        }
    }
    Ok(())
}

/// Finds out before a build whether files of these names can appear in the output folder. Nothing is made:
/// a build that fails leaves nothing.
pub fn writable<'a>(out: &Path, mut names: impl Iterator<Item = &'a str>) -> Result<(), BuildError> {
    let refused = |reason: String| Err(BuildError::NoOutput { path: out.to_owned(), reason });
    // The folder, or the nearest one that is there, in which it is going to be made.
    let there = out.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("."));
    if !there.is_dir() {
        return refused(format!("`{}` is not a folder", there.display()));
    }
    if let Err(error) = tempfile::tempfile_in(there) {
        // Only its kind: the name that was tried means nothing to anybody.
        return refused(error.kind().to_string());
    }
    match names.find(|name| out.join(name).is_dir()) {
        Some(name) => refused(format!("`{name}` is a folder there")),
        None => Ok(()),
    }
}

/// The project's output folder is a link.
#[must_use]
pub fn is_link(out: &Path, target: &Path) -> BuildError {
    let message = format!("the output folder `{}` is a link", out.display());
    BuildError::Diagnosed(vec![
        Diagnostic::new(codes::OUTPUT_LINK, message)
            .note(format!("it leads to `{}`", target.display()))
            .help("remove the link, or name the folder that artifacts are to go to with `--out`"),
    ])
}

/// Something that imgfile did not write has an artifact's name.
#[must_use]
pub fn taken(path: &Path) -> BuildError {
    let message = format!("`{}` was not written by imgfile, or was changed since", path.display());
    let help = "move it away, choose another folder with `--out`, or let it be replaced with `--force`";
    BuildError::Diagnosed(vec![Diagnostic::new(codes::OUTPUT_TAKEN, message).help(help)])
}

/// Whether something has a name that is not a file that imgfile made. Of a folder others tell.
fn is_taken(store: &Store, path: &Path) -> Result<bool, BuildError> {
    match path.symlink_metadata() {
        // What has the folder's name without being one is told where the folder is made.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(source) => Err(BuildError::Io { action: "look at", path: path.to_owned(), source }),
        Ok(found) if found.is_dir() => Ok(false),
        Ok(found) if found.is_file() => Ok(!store.facts().has(MADE, &store.digest_file(path)?)),
        Ok(_) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::exec::Tests;

    /// The code of what is said about `out/k.qcow2`.
    fn said(store: &Store, options: &Options) -> Option<&'static str> {
        let failure = check(store, options, ["k.qcow2"].into_iter()).err()?;
        Some(failure.diagnostics()[0].code.as_str())
    }

    #[test]
    fn a_link_is_followed_only_if_the_user_named_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let out = dir.path().join("out");
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        symlink("elsewhere", &out).unwrap();
        let options =
            Options { out, out_given: false, force: true, tests: Tests::Own, cache: true, describe: None };
        assert_eq!(said(&store, &options), Some("E0548"));
        assert_eq!(said(&store, &Options { out_given: true, ..options }), None);
    }

    #[test]
    fn only_what_imgfile_wrote_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        let path = out.join("k.qcow2");
        let options =
            Options { out, out_given: false, force: false, tests: Tests::Own, cache: true, describe: None };
        assert_eq!(said(&store, &options), None);
        fs::write(&path, "an image").unwrap();
        assert_eq!(said(&store, &options), Some("E0549"));
        assert_eq!(said(&store, &Options { force: true, ..options.clone() }), None);
        remember(&store, &Digest::of("an image")).unwrap();
        assert_eq!(said(&store, &options), None);
        fs::write(&path, "MINE").unwrap();
        assert_eq!(said(&store, &options), Some("E0549"), "changed since");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(said(&store, &options), Some("E0549"), "a pipe is not waited for");
        fs::remove_file(&path).unwrap();
        symlink("/dev/zero", &path).unwrap();
        assert_eq!(said(&store, &options), Some("E0549"));
    }
}
