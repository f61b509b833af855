//! The way of sealed files into the output folder: all of an image's, or none.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{Artifact, BuildError, Options, output};
use crate::store::{Folder, OwnFile, Store, WorkFolder, folder::unguessable, umask};

/// Sealed files beside the places they are going to take; gone when dropped before they have taken them.
#[derive(Debug)]
pub(super) struct StagedArtifacts<'a> {
    store: &'a Store,
    work: &'a WorkFolder,
    options: &'a Options,
    /// The output folder.
    folder: Folder,
    files: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    path: PathBuf,
    /// What is in it, once that is known.
    own: Option<OwnFile>,
    target: PathBuf,
}

impl Staged {
    /// A file that is not there yet, under a name that nobody can guess.
    fn place(out: &Path, sealed: &Path) -> Self {
        let name = sealed.file_name().unwrap_or_default();
        let mut part = name.to_owned();
        part.push(format!(".{}.part", unguessable()));
        Self { path: out.join(part), own: None, target: out.join(name) }
    }
}

impl<'a> StagedArtifacts<'a> {
    /// Brings files of the working folder to the output folder, without their names yet; to another file system
    /// they are copied.
    pub(super) fn stage(
        store: &'a Store,
        work: &'a WorkFolder,
        sealed: &[PathBuf],
        options: &'a Options,
    ) -> Result<Self, BuildError> {
        let out = &options.out;
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::Io { action, path, source }
        };
        // Looked at before anything was built, and again before each of the two things that are done there.
        let names = || sealed.iter().filter_map(|path| path.file_name()?.to_str());
        output::check(store, options, names())?;
        if !out.is_dir() {
            fs::create_dir_all(out)
                .and_then(|()| umask::share(&File::open(out)?, 0o777))
                .map_err(io("create", out))?;
        }
        // A project may have laid anything there beforehand: no link is followed, and no name can be guessed.
        let folder = if options.out_given { Folder::open(out) } else { Folder::open_itself(out) };
        let folder = folder.map_err(io("open", out))?;
        let files = sealed.iter().map(|sealed| Staged::place(out, sealed)).collect();
        let mut staged = Self { store, work, options, folder, files };
        staged.bring(0, sealed)?;
        Ok(staged)
    }

    /// Brings more files of the working folder, which appear with the others.
    pub(super) fn add(&mut self, sealed: &[PathBuf]) -> Result<(), BuildError> {
        let from = self.files.len();
        let out = &self.options.out;
        self.files.extend(sealed.iter().map(|sealed| Staged::place(out, sealed)));
        self.bring(from, sealed)
    }

    /// Brings the files from number `from` on.
    fn bring(&mut self, from: usize, sealed: &[PathBuf]) -> Result<(), BuildError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| BuildError::Io { action, path, source }
        };
        for (staged, sealed) in self.files.iter_mut().skip(from).zip(sealed) {
            self.work.will_create(&staged.path)?;
            let name = staged.path.file_name().unwrap_or_default();
            let file = bring(&self.folder, sealed, name).map_err(io("write", &staged.target))?;
            umask::share(&file, 0o666).map_err(io("change", &staged.target))?;
            staged.own = Some(self.store.own_file(&staged.path)?);
        }
        Ok(())
    }

    /// What they are going to be.
    pub(super) fn artifacts(&self) -> Vec<Artifact> {
        let artifact = |staged: &Staged| {
            let own = staged.own.as_ref()?;
            Some(Artifact { path: staged.target.clone(), sha256: own.digest, size: own.size })
        };
        self.files.iter().filter_map(artifact).collect()
    }

    /// Gives them their names.
    pub(super) fn put_in_place(self) -> Result<(), BuildError> {
        let names = self.files.iter().filter_map(|staged| staged.target.file_name()?.to_str());
        output::check(self.store, self.options, names)?;
        for own in self.files.iter().filter_map(|staged| staged.own.as_ref()) {
            output::remember(self.store, &own.digest)?;
        }
        let names: Vec<_> =
            self.files.iter().map(|staged| (staged.path.clone(), staged.target.clone())).collect();
        self.work.rename_all(&names)?;
        for Staged { own, target, .. } in &self.files {
            // The next build reads what is not remembered.
            let _ = own.as_ref().map(|own| self.store.remember_digest(own, target));
        }
        Ok(())
    }
}

/// Moves a file into a folder, or copies it to another file system.
fn bring(folder: &Folder, sealed: &Path, name: &OsStr) -> io::Result<File> {
    if folder.bring(sealed, name).is_ok() {
        return folder.regular(Path::new(name));
    }
    let mut copy = folder.create_new(name)?;
    io::copy(&mut File::open(sealed)?, &mut copy)?;
    Ok(copy)
}

impl Drop for StagedArtifacts<'_> {
    fn drop(&mut self) {
        for staged in &self.files {
            let _ = fs::remove_file(&staged.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    use super::*;
    use crate::{exec::Tests, text::Digest};

    const NAMES: [&str; 3] = ["web.qcow2", "web.raw", "web.vmdk"];

    /// Seals files that say `text`, and puts them there.
    fn put(store: &Store, out: &Path, build: &str, text: &str) -> Result<Vec<Artifact>, BuildError> {
        let work = store.begin_build(build)?;
        let sealed = NAMES.map(|name| work.path().join(name));
        for path in &sealed {
            fs::write(path, text).unwrap();
        }
        let options = Options {
            out: out.to_owned(),
            out_given: false,
            force: true,
            tests: Tests::Own,
            cache: true,
            describe: None,
        };
        let staged = StagedArtifacts::stage(store, &work, &sealed, &options)?;
        let artifacts = staged.artifacts();
        staged.put_in_place().map(|()| artifacts)
    }

    fn names(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    fn texts(out: &Path) -> BTreeSet<String> {
        NAMES.iter().map(|name| fs::read_to_string(out.join(name)).unwrap_or_default()).collect()
    }

    #[test]
    fn what_cannot_be_put_there_whole_is_not_put_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let out = dir.path().join("out");
        let artifacts = put(&store, &out, "1", "one").unwrap();
        assert_eq!(artifacts[1].path, out.join("web.raw"));
        assert_eq!((artifacts[1].sha256, artifacts[1].size), (Digest::of("one"), 3));
        assert_eq!(names(&out), NAMES.map(str::to_owned).into());

        // A folder has the name of the last.
        fs::remove_file(out.join("web.vmdk")).unwrap();
        fs::create_dir(out.join("web.vmdk")).unwrap();
        let failure = put(&store, &out, "2", "two").unwrap_err();
        assert!(failure.to_string().contains("web.vmdk"), "{failure}");
        assert_eq!(names(&out), NAMES.map(str::to_owned).into());
        assert_eq!(fs::read_to_string(out.join("web.qcow2")).unwrap(), "one");
        assert_eq!(fs::read_to_string(out.join("web.raw")).unwrap(), "one");
        fs::remove_dir(out.join("web.vmdk")).unwrap();

        // On another file system they are copied, and nothing that lies there is written through.
        let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
        let far = Store::open(elsewhere.path().join("store")).unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        for name in NAMES {
            let guess = out.join(format!("{name}.{}.part", std::process::id()));
            std::os::unix::fs::symlink(&victim, guess).unwrap();
        }
        put(&far, &out, "4", "four").unwrap();
        assert_eq!(texts(&out), ["four".to_owned()].into());
        assert_eq!(fs::read_to_string(victim).unwrap(), "mine");
    }

    #[test]
    fn what_was_put_there_is_known_without_reading_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("store")).unwrap();
        let out = dir.path().join("out");
        for text in ["one", "two"] {
            let artifacts = put(&store, &out, text, text).unwrap();
            // Whoever read the files would find what is in them.
            let facts = dir.path().join("store/facts/file-v1");
            for entry in fs::read_dir(facts).unwrap().map(|entry| entry.unwrap().path()) {
                let fact = fs::read_to_string(&entry).unwrap();
                let other = Digest::of("remembered").to_string();
                fs::write(&entry, fact.replace(&Digest::of(text).to_string(), &other)).unwrap();
            }
            for artifact in artifacts {
                assert_eq!(store.digest_file(&artifact.path).unwrap(), Digest::of("remembered"));
            }
        }
        fs::write(out.join(NAMES[0]), "six").unwrap();
        assert_eq!(store.digest_file(&out.join(NAMES[0])).unwrap(), Digest::of("six"));
    }

    /// The other half of the next test: puts files there until it is killed.
    #[test]
    #[ignore = "run by `a_process_that_is_killed_puts_all_there_or_nothing`"]
    fn a_process_that_puts_files_there() {
        let folder = PathBuf::from(std::env::var_os("PUBLICATION").unwrap());
        let store = Store::open(folder.join("store")).unwrap();
        for number in 0.. {
            let text = format!("{number} of {}", std::process::id());
            put(&store, &folder.join("out"), &text, &text).unwrap();
            println!("they are there");
        }
    }

    #[test]
    fn a_process_that_is_killed_puts_all_there_or_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let (mut dice, mut between) = (0x9E37_79B9_u64, 0);
        // What was there before is kept while the names change.
        let changing = || {
            let old = |name: &String| Path::new(name).extension().is_some_and(|end| end == "old");
            names(&out).iter().any(old)
        };
        // Some come when all is done.
        while between < 20 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "exec::staged::tests::a_process_that_puts_files_there",
                    "--ignored",
                    "--nocapture",
                ])
                .env("PUBLICATION", dir.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            assert!(lines.any(|line| line.contains("they are there")));
            while !changing() {
                assert!(child.try_wait().unwrap().is_none(), "it puts files there until it is killed");
                std::thread::yield_now();
            }
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            for _ in 0..dice % 4000 {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            between += u32::from(changing());
            Store::open(dir.path().join("store")).unwrap();
            assert_eq!(texts(&out).len(), 1, "{:?}", texts(&out));
            assert_eq!(names(&out), NAMES.map(str::to_owned).into());
        }
    }
}
