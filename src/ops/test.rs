//! The tests of what was built, again.

use std::path::{Path, PathBuf};

use super::{error::Error, recording::Recording, workspace::Workspace};
use crate::{
    exec::{self, BuildError, Executor, ParentDisks, Tests},
    store::records::Kind,
};

impl Workspace {
    /// Runs the tests of the artifacts in `out`, or in `out` beside the ImageFile: each is booted by its own boot loader
    /// in a throw-away overlay, and its file does not change. Images that the chosen one is based on have tests of their
    /// own, which do not run.
    ///
    /// # Errors
    /// As those of [`build`](Self::build); `Failed` also where an artifact is not there.
    pub async fn test(&self, out: Option<&Path>, tests: Tests) -> Result<(), Error> {
        let mut prepared = self.prepare_all().await?;
        let secrets = self.with_secrets(&mut prepared)?;
        let out = out.map_or_else(|| self.out(), PathBuf::from);
        let recording = Recording::begin(Kind::Test, self);
        let tested = async {
            let driver = self.driver(recording.reporter()).await?;
            let budget = super::build::budget(&self.settings);
            let executor = Executor {
                parent_disks: &ParentDisks::default(),
                store: &self.store,
                driver: driver.as_ref(),
                project: &self.project.files,
                reporter: recording.reporter(),
                budget: &budget,
                failed_machines: None,
            };
            let chosen = |name: &str| self.options().image.as_ref().is_none_or(|image| image == name);
            for (one, secrets) in prepared.iter().zip(&secrets).filter(|(one, _)| chosen(&one.plan.image)) {
                executor.test(&one.plan, secrets, &out, tests).await?;
            }
            Ok::<(), BuildError>(())
        };
        match tested.await {
            Ok(()) => {
                recording.end(exec::Outcome::Done, None);
                Ok(())
            }
            Err(failure) => Err(recording.fail(vec![failure], &self.project.sources)),
        }
    }
}
