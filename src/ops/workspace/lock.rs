//! The lock beside the ImageFile: read, compared, written.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    super::{
        error::{Class, Error},
        paths::shown,
        project::Project,
    },
    Workspace, WorkspaceOptions,
};
use crate::{
    check::ImageSpec,
    diagnostic::{Diagnostic, codes},
    exec::prepare::Prepared,
    lock::{self, FORMAT, Lock, LockedImage},
};

/// The lock beside the ImageFile; empty if there is none, or none that can be read, of which `found` tells.
pub(super) fn read_lock(
    project: &mut Project,
    options: &WorkspaceOptions,
    found: &mut Vec<Diagnostic>,
) -> Lock {
    // What is written anew as a whole need not be readable.
    let all_anew = options.update.as_ref().is_some_and(String::is_empty) && !options.compares;
    let lock = if all_anew { Ok(None) } else { project.lock() };
    let lock = lock.unwrap_or_else(|wrong| {
        found.extend(wrong);
        None
    });
    lock.unwrap_or_else(|| Lock { version: FORMAT, images: BTreeMap::new() })
}

impl Workspace {
    /// The lock and the ImageFile part, and this command may not change the lock; `adds` if it only lacks something.
    pub(super) fn lock_stale(
        &self,
        spec: &ImageSpec,
        flag: &str,
        adds: bool,
        points: impl IntoIterator<Item = String>,
    ) -> Diagnostic {
        let name = &spec.name.value;
        let lock = self.lock_name();
        let message = match flag {
            "" => format!("`{lock}` says something else about the image `{name}` than the ImageFile"),
            flag => {
                format!("`{lock}` would have to change for the image `{name}`, and `{flag}` forbids that")
            }
        };
        let diagnostic = Diagnostic::new(codes::LOCK_STALE, message).label(spec.name.span, "this image");
        let update = if adds { String::new() } else { format!(" --update {name}") };
        points
            .into_iter()
            .fold(diagnostic, Diagnostic::note)
            .help(format!("run `imgfile lock{update}`, look at the difference and commit it"))
    }

    /// What the lock is called.
    pub(super) fn lock_name(&self) -> String {
        lock::file_name(&self.project.name())
    }

    /// Where the lock is or will be.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.project.files.root().join(self.lock_name())
    }

    /// The lock with these images' entries in place; entries of images that are gone go.
    pub(in crate::ops) fn lock_with(&self, prepared: &[Prepared]) -> Lock {
        let mut images: BTreeMap<String, LockedImage> = self.lock.images.clone();
        images.retain(|name, _| self.project.checked.spec.image(name).is_some());
        for one in prepared {
            images.insert(one.plan.image.clone(), one.locked.clone());
        }
        Lock { version: FORMAT, images }
    }

    /// Writes the lock if it changes; says whether it did. One in an older format is not changed only for that, and
    /// one that may not change not only to be laid out as imgfile does.
    pub(in crate::ops) fn save_lock(&self, lock: &Lock) -> Result<bool, Error> {
        let path = self.lock_path();
        if (self.lock.version < FORMAT || self.options.locked) && self.lock.images == lock.images {
            return Ok(false);
        }
        if self.options.locked {
            let gone = self.lock.images.keys().filter(|name| !lock.images.contains_key(*name));
            let gone = gone.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let text = format!(
                "`{}` has images that the ImageFile does not ({gone}), and `--locked` forbids to change it",
                shown(&path)
            );
            return Err(Error::message(Class::Files, text));
        }
        let text = lock.to_yaml();
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(false);
        }
        let written =
            self.project.files.place().and_then(|folder| folder.write(self.lock_name(), text.as_bytes()));
        match written {
            Ok(()) => Ok(true),
            Err(error) => {
                // Only its kind: the text has the name of a file that nobody knows.
                let text = format!("cannot write `{}`: {}", path.display(), error.kind());
                Err(Error::message(Class::Host, text))
            }
        }
    }
}
