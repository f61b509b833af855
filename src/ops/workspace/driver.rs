//! What runs the machines of a project.

use super::{super::host_driver, Workspace};
use crate::{
    driver::Driver,
    exec::{BuildError, Reporter},
};

impl Workspace {
    /// The machines of this host; what there is to say about them is reported.
    pub(in crate::ops) async fn driver(&self, reporter: &Reporter) -> Result<Box<dyn Driver>, BuildError> {
        host_driver::by(&self.settings, &self.store, &self.preparer(false), reporter).await
    }
}
