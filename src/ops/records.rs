//! The store of the settings that hold in a folder, and what it has recorded of builds.

use std::{path::Path, sync::Arc};

use super::{
    error::{Class, Error},
    listener::Listener,
    project,
    settings::{Flags, LookupContext, Settings},
};
use crate::{
    cell,
    store::{Records, Store, records::State},
    text::Sources,
};

/// The settings that hold in the working folder; lines of its project that do not count are reported.
pub fn settings(flags: &Flags, listener: &dyn Listener) -> Result<Settings, Error> {
    let mut sources = Sources::default();
    let around = LookupContext { project: Some(Path::new(".")), env: |name: &str| std::env::var_os(name) };
    let settings = Settings::load(flags, &around, &mut sources).map_err(|errors| {
        Error::diagnosed(Class::of_settings(&errors), errors, std::mem::take(&mut sources))
    })?;
    listener.found(&settings.ignored, &sources);
    if settings.allows_weaker_cell() {
        cell::allow_weaker();
    }
    Ok(settings)
}

/// The user's own settings, whatever a project says: for what is sent with the user's credentials.
pub fn own_settings(flags: &Flags) -> Result<Settings, Error> {
    let mut sources = Sources::default();
    let around = LookupContext { project: None, env: |name: &str| std::env::var_os(name) };
    Settings::load(flags, &around, &mut sources)
        .map_err(|errors| Error::diagnosed(Class::of_settings(&errors), errors, sources))
}

/// Opens the store, and reports what a crash had left in it.
pub fn open_store(settings: &Settings, listener: &dyn Listener) -> Result<Arc<Store>, Error> {
    let (store, leftovers) = Store::open_and_sweep(&settings.store.value)?;
    for leftover in leftovers {
        listener.note(&leftover.to_string());
    }
    Ok(Arc::new(store))
}

/// The store of the settings that hold in the working folder, and its records.
pub fn open(flags: &Flags, listener: &dyn Listener) -> Result<(Arc<Store>, Records), Error> {
    let store = open_store(&settings(flags, listener)?, listener)?;
    let records = store.records()?;
    Ok((store, records))
}

/// What became of records that were damaged and are at `path` now, in a sentence.
#[must_use]
pub fn set_aside(path: &Path) -> String {
    format!(
        "the build records were damaged: they are in {} now, and new ones begin; which images are protected, \
         tagged or revoked has to be said again",
        path.display()
    )
}

/// The folder of the project that a command in this folder is about, as records name it; none where there is no
/// ImageFile.
#[must_use]
pub fn here() -> Option<String> {
    project_at(Path::new("."))
}

/// The folder of the project at a path, as records name it.
#[must_use]
pub fn project_at(path: &Path) -> Option<String> {
    let file = project::find(path).ok()?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(std::fs::canonicalize(folder).ok()?.to_string_lossy().into_owned())
}

/// Number and state of the build that is meant: the one named, else the newest of the project here.
pub fn build(records: &Records, named: Option<i64>) -> Result<(i64, State), Error> {
    let id = match named {
        Some(id) => id,
        None => match records.builds(here().as_deref(), 1)?.first() {
            Some(newest) => newest.id,
            None => {
                return Err(Error::message(
                    Class::Usage,
                    "nothing of this project was built yet; `imgfile builds --all` lists every one's",
                ));
            }
        },
    };
    match records.state(id)? {
        Some(state) => Ok((id, state)),
        None => {
            let text = format!("there is no build {id}; `imgfile builds` lists them");
            Err(Error::message(Class::Usage, text))
        }
    }
}
