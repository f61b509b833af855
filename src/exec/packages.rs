//! The package step: the host hands over the locked package files, the guest only unpacks and configures.

use super::{
    BuildError,
    pack::Meta,
    session::{Place, Session},
};
use crate::{packages::Staged, plan::PackageChange};

/// Where the guest finds the package files.
const PAYLOAD: &str = "/run/imagefile/payload";

/// Installs and removes in one transaction, and leaves the manager's marks as it would itself.
pub(super) async fn apply(
    session: &mut Session<'_>,
    place: Place<'_>,
    change: &PackageChange,
) -> Result<(), BuildError> {
    let manager = change.manager;
    let install: Vec<Staged> = change.install.iter().map(|package| Staged { stage: package.stage }).collect();
    session.shell(place, &manager.transaction(PAYLOAD, &install, &change.remove)).await?;
    let mut pack = session.pack();
    pack.parents(manager.marks())?;
    pack.file(manager.marks(), Meta::root(0o644), change.marks.as_bytes())?;
    session.put(place, pack).await
}
