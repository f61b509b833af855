//! What a build would do.

use super::{
    error::{Class, Error},
    workspace::Workspace,
};
use crate::plan::{PLAN_FORMAT, Pipeline, Plan};

impl Workspace {
    /// The steps that a build would take, without a machine and without a change to the lock.
    ///
    /// # Errors
    /// As those of [`prepare_all`](Self::prepare_all).
    pub async fn plan(&self) -> Result<Plan, Error> {
        let images = self.prepare_all().await?.into_iter().map(|one| one.plan).collect();
        Ok(Plan { format: PLAN_FORMAT, images })
    }
    /// The jobs that would build it on several machines.
    ///
    /// # Errors
    /// As those of [`plan`](Self::plan).
    pub async fn pipeline(&self) -> Result<Pipeline, Error> {
        Pipeline::of(&self.plan().await?).map_err(|circle| Error::message(Class::Files, circle.to_string()))
    }
}
