//! What runs machines where there is no project: the build kernel, which inspection runs under, is had as for one.

use std::sync::Arc;

use super::{error::Error, settings::Settings, workspace};
use crate::{
    cell,
    check::MemoryFiles,
    driver::{Driver, DriverError, DriverOptions, agent},
    exec::{
        BuildError, Reporter,
        prepare::{Answers, Preparer},
    },
    store::{Store, archive::FRESH},
    text::Sources,
};

/// The machines of this host by these settings; what there is to say about them is reported.
pub(super) async fn open(
    settings: &Settings,
    store: &Arc<Store>,
    reporter: &Reporter,
) -> Result<Box<dyn Driver>, Error> {
    let fetcher = workspace::fetcher(settings, false)?;
    let mirrors = workspace::mirrors(settings);
    let (files, answers) = (MemoryFiles::new(), Answers::default());
    let agent_version = agent::version();
    let preparer = Preparer {
        store,
        fetcher: &fetcher,
        mirrors: mirrors.as_ref(),
        files: &files,
        agent_version: &agent_version,
        max_age: FRESH,
        answers: &answers,
    };
    let opened = by(settings, store, &preparer, reporter).await;
    opened.map_err(|failure| Error::of_build(vec![failure], &Sources::default()))
}

/// The same, with what asks for the build kernel.
pub(super) async fn by(
    settings: &Settings,
    store: &Store,
    preparer: &Preparer<'_>,
    reporter: &Reporter,
) -> Result<Box<dyn Driver>, BuildError> {
    held()?;
    let chosen = settings.driver.value;
    chosen.installed()?;
    let kernel = preparer.build_kernel(reporter).await?;
    let options = DriverOptions {
        kernel,
        accelerator: settings.accel.value,
        machines: &store.machines(),
        private_network: settings.allow_private_network.as_ref().is_some_and(|one| one.value),
    };
    let driver = (chosen.open)(options).await?;
    if let Some(note) = driver.note() {
        reporter.note(note.to_owned());
    }
    Ok(driver)
}

/// Refuses what this host would not hold, unless the user says otherwise.
fn held() -> Result<(), BuildError> {
    if cell::is_weaker_allowed() {
        return Ok(());
    }
    match cell::walls().missing().next() {
        None => Ok(()),
        Some(missing) => Err(DriverError::from(missing).into()),
    }
}
