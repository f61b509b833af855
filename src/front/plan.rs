//! From a compiled project to the plan of one of its images.

use super::Project;
use crate::check::Files;
use crate::diagnostic::Diagnostic;
use crate::packages::{Manager, Solution};
use crate::plan::{self, BasePlan, ImagePlan};

/// What a plan needs that no text can say: which disk exactly it starts from, and which packages
/// exactly go onto it. The lock of a project holds both; [`Pool::solve`](crate::packages::Pool::solve) chooses packages.
#[derive(Debug, Clone, Copy)]
pub struct Pins<'a> {
    /// The disk, with the digest or key that names it.
    pub base: &'a BasePlan,
    /// Packages to install and remove on top of the base; empty without any.
    pub packages: &'a Solution,
    /// Bytes that they take unpacked, beyond what they replace.
    pub packages_grow: u64,
    /// Bytes that packages and copies of the images below put on the base, by [`plan::growth`]; 0 but for
    /// `base image`.
    pub base_grown: u64,
    /// The package manager's marks once the packages are installed; empty without packages.
    pub marks: &'a str,
    /// Version of the agent that is to run the plan: part of every step's key.
    pub agent_version: &'a str,
}

impl Project {
    /// Plans `image`. `files` are those that the project was compiled from.
    ///
    /// # Errors
    ///
    /// What keeps the image from being planned: a file that cannot be copied, something that no driver
    /// supports. For an image that did not resolve, or that there is not, these are the diagnostics of the
    /// project.
    pub fn plan(&self, image: &str, files: &dyn Files, pins: Pins<'_>) -> Result<ImagePlan, Vec<Diagnostic>> {
        let found = self.spec.image(image).zip(self.resolutions.get(image));
        let Some((spec, resolution)) = found else { return Err(self.diagnostics.clone()) };
        plan::compile(plan::Inputs {
            spec,
            resolution,
            base: pins.base,
            manager: Manager::of_distribution(&resolution.os.distro),
            packages: pins.packages,
            planned: &pins.packages.install.iter().map(plan::planned).collect(),
            packages_grow: pins.packages_grow,
            base_grown: pins.base_grown,
            marks: &pins.marks.into(),
            temporary: (&[], &"".into()),
            mirror: None,
            files,
            agent_version: pins.agent_version,
        })
    }
}
