//! What runs the machines of a project.

use super::Workspace;
use crate::{
    cell,
    driver::{Driver, DriverError, DriverOptions},
    exec::{BuildError, Reporter},
};

impl Workspace {
    /// Refuses a project that this host would not hold, unless the user says otherwise.
    fn held() -> Result<(), BuildError> {
        if cell::is_weaker_allowed() {
            return Ok(());
        }
        match cell::walls().missing().next() {
            None => Ok(()),
            Some(missing) => Err(DriverError::from(missing).into()),
        }
    }

    /// The machines of this host; what there is to say about them is reported.
    pub(in crate::ops) async fn driver(&self, reporter: &Reporter) -> Result<Box<dyn Driver>, BuildError> {
        Self::held()?;
        let chosen = self.settings.driver.value;
        chosen.installed()?;
        let kernel = self.preparer(false).build_kernel(reporter).await?;
        let options = DriverOptions {
            kernel,
            accelerator: self.settings.accel.value,
            machines: &self.store.machines(),
            private_network: self.settings.allow_private_network.as_ref().is_some_and(|one| one.value),
        };
        let driver = (chosen.open)(options).await?;
        if let Some(note) = driver.note() {
            reporter.note(note.to_owned());
        }
        Ok(driver)
    }
}
