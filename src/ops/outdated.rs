//! What is newer than the lock.

use serde::Serialize;

use super::{
    error::{Class, Error},
    workspace::Workspace,
};
use crate::{
    advisory::{Advisories, Finding, Status, System, locked_components},
    lock::{LockedImage, Newer},
    packages::Manager,
};

/// What is newer in one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Outdated {
    /// Name of the image, as in the ImageFile.
    pub image: String,
    /// Security updates first; empty if nothing is newer.
    pub newer: Vec<Newer>,
    /// Advisories about locked packages that are not fixed in the locked versions, the worst first; empty where no
    /// advisories were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<Finding>,
}

impl Workspace {
    /// What is newer than the lock, image by image, as the archives are now; nothing is written. The workspace is opened
    /// for that with options that are [`comparing`](super::WorkspaceOptions::comparing).
    ///
    /// # Errors
    /// `Files` if the lock has nothing about an image.
    pub async fn outdated(&self) -> Result<Vec<Outdated>, Error> {
        let text = self.advisory_text().await?;
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
                let locked = self.lock.images.get(&image)?;
                let newer = locked.newer(&now.locked);
                let advisories = text.as_deref().map(|text| advisories(text, locked)).unwrap_or_default();
                Some(Outdated { image, newer, advisories })
            })
            .collect())
    }
}

/// What the advisories say of an image's locked packages, but for what is fixed.
fn advisories(text: &[u8], locked: &LockedImage) -> Vec<Finding> {
    let system = System {
        os: &locked.os,
        version: &locked.os_version,
        codename: Manager::of_distribution(&locked.os)
            .codename(&locked.os_version)
            .filter(|_| locked.os == "debian"),
    };
    // That it can be read was seen when it was fetched.
    let advisories = Advisories::read(text, system).unwrap_or_default();
    let mut findings = advisories.findings(&locked_components(locked));
    findings.retain(|finding| finding.status != Status::Fixed);
    findings
}
