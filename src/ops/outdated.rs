//! What is newer than the lock.

use serde::Serialize;

use super::{
    error::{Class, Error},
    workspace::Workspace,
};
use crate::lock::Newer;

/// What is newer in one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Outdated {
    /// Name of the image, as in the ImageFile.
    pub image: String,
    /// Security updates first; empty if nothing is newer.
    pub newer: Vec<Newer>,
}

impl Workspace {
    /// What is newer than the lock, image by image, as the archives are now; nothing is written. The workspace is opened
    /// for that with options that are [`comparing`](super::WorkspaceOptions::comparing).
    ///
    /// # Errors
    /// `Files` if the lock has nothing about an image.
    pub async fn outdated(&self) -> Result<Vec<Outdated>, Error> {
        let images = self.images()?;
        if let Some(image) = images.iter().find(|image| !self.lock.images.contains_key(&image.name.value)) {
            let name = &image.name.value;
            let text = format!("the lock has nothing about the image `{name}`; `imgfile lock` pins it");
            return Err(Error::message(Class::Files, text));
        }
        let prepared = self.prepare_all().await?;
        Ok(prepared
            .iter()
            .filter_map(|now| {
                let image = now.plan.image.clone();
                let newer = self.lock.images.get(&image)?.newer(&now.locked);
                Some(Outdated { image, newer })
            })
            .collect())
    }
}
