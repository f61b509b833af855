//! What a `copy` brings, on its way into the image.

use std::path::Path;

use tar::EntryType;

use super::{
    BuildError,
    error::{cannot_unpack, unpacks_too_large},
    pack::{Pack, Placement, archive},
    project::ProjectFiles,
    unpack::{Refused, unpack},
};
use crate::{
    plan::{CopyFrom, CopyStep},
    text::Span,
};

impl Pack {
    /// Adds what a `copy` brings; downloads come as `download`, the file in the store.
    pub(super) fn copy(
        &mut self,
        copy: &CopyStep,
        project: &dyn ProjectFiles,
        download: Option<&Path>,
        span: Option<Span>,
    ) -> Result<(), BuildError> {
        let place =
            Placement { owner: &copy.owner, group: &copy.group, mode: copy.mode, dir_mode: copy.dir_mode };
        match &copy.from {
            CopyFrom::Text { content } => {
                self.parents(&copy.to)?;
                self.file(&copy.to, place.file(false), content.as_bytes())
            }
            CopyFrom::Tree(tree) => self.tree(tree, &copy.to, place, project),
            CopyFrom::Download { unpack: false, checksum, .. } => {
                let path = download.ok_or(BuildError::InputChanged { path: checksum.to_string() })?;
                let mut file = std::fs::File::open(path).map_err(|source| BuildError::Io {
                    action: "open",
                    path: path.into(),
                    source,
                })?;
                let size = file.metadata().map_err(archive)?.len();
                self.parents(&copy.to)?;
                self.entry(copy.to.trim_matches('/'), EntryType::Regular, place.file(false), size, &mut file)
            }
            CopyFrom::Download { unpack: true, checksum, url, strip } => {
                let path = download.ok_or(BuildError::InputChanged { path: checksum.to_string() })?;
                self.parents(&format!("{}/.", copy.to))?;
                unpack(self, path, (&copy.to, *strip), place).map_err(|refused| match refused {
                    Refused::Broken(reason) => cannot_unpack(url, &reason, span),
                    Refused::TooLarge(room) => unpacks_too_large(url, room, span),
                })
            }
        }
    }
}
