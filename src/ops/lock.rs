//! Pinning what images are made of.

use super::{error::Error, workspace::Workspace};

impl Workspace {
    /// Pins everything that the images are made of, without a machine; says whether the lock was written, or was up to
    /// date. With a network it is made sure that a signed index vouches for each package of the lock, and that the packages
    /// of each image make a whole.
    ///
    /// # Errors
    /// `Files` where the options forbid a change that is due, or the lock has what nobody vouches for.
    pub async fn write_lock(&self) -> Result<bool, Error> {
        let prepared = self.prepare_all().await?;
        // Without a network nobody can be asked; a build asks again.
        if !self.options().offline {
            self.vouch(&prepared, false).await?;
            self.whole(&prepared).await?;
        }
        self.save_lock(&self.lock_with(&prepared))
    }
}
