//! What the commands about builds and images share: the store's records, and times and tables for people.

use std::{path::Path, sync::Arc};

use super::{
    Exit,
    settings::{Settings, Surroundings},
};
use crate::{
    exec::BuildError,
    store::{Records, Store, StoreError, records::State},
    text::Sources,
};

/// A command that cannot go on has said why; what is left is its exit status.
pub(super) type Outcome<T> = Result<T, Exit>;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A table.
    Human,
    /// JSON.
    Json,
}

/// The store of the settings that hold in this folder.
pub(super) fn settings() -> Outcome<Settings> {
    let mut sources = Sources::default();
    let around = Surroundings { project: Some(Path::new(".")), env: |name: &str| std::env::var_os(name) };
    let loaded = Settings::load(&super::setting_args::given(), &around, &mut sources);
    let (Ok(Settings { ignored: found, .. }) | Err(found)) = &loaded;
    super::findings::show(found, &sources);
    let settings = loaded.map_err(|errors| super::wrong_settings(&errors))?;
    if settings.allows_weaker_cell() {
        crate::cell::allow_weaker();
    }
    Ok(settings)
}

/// Opens the store, and says what a crash had left in it.
pub(super) fn store(settings: &Settings) -> Outcome<Arc<Store>> {
    let (store, leftovers) = Store::open_and_sweep(&settings.store.value).map_err(refused)?;
    for leftover in leftovers {
        super::screen::say!("note: {leftover}");
    }
    Ok(Arc::new(store))
}

/// The store and its records.
pub(super) fn records() -> Outcome<(Arc<Store>, Records)> {
    let store = store(&settings()?)?;
    let records = store.records().map_err(refused)?;
    Ok((store, records))
}

/// Says what became of records that were damaged.
pub(super) fn set_aside(path: &Path) -> String {
    format!(
        "the build records were damaged: they are in {} now, and new ones begin; which images are protected \
         has to be said again",
        path.display()
    )
}

/// Says what the store refused.
#[allow(clippy::needless_pass_by_value)] // as `map_err` wants it
pub(super) fn refused(error: StoreError) -> Exit {
    if let StoreError::NotOwn { .. } | StoreError::NotStore { .. } = error {
        super::findings::show(&BuildError::from(error).diagnostics(), &Sources::default());
        return Exit::Host;
    }
    let way_out = if error.is_corrupt() { "; `imgfile gc` sets them aside and begins new ones" } else { "" };
    super::complain(&format!("{error}{way_out}"));
    Exit::Host
}

/// The folder of the project that a command in this folder is about, as records name it; none where there is no
/// ImageFile.
pub(super) fn here() -> Option<String> {
    project_at(Path::new("."))
}

/// The folder of the project at a path, as records name it.
pub(super) fn project_at(path: &Path) -> Option<String> {
    let file = super::project::find(path).ok()?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(std::fs::canonicalize(folder).ok()?.to_string_lossy().into_owned())
}

/// The build a command means: the one named, else the newest of this project.
pub(super) fn build(records: &Records, named: Option<i64>) -> Outcome<(i64, State)> {
    let id = match named {
        Some(id) => id,
        None => match records.builds(here().as_deref(), 1).map_err(refused)?.first() {
            Some(newest) => newest.id,
            None => {
                super::complain(
                    "nothing of this project was built yet; `imgfile builds --all` lists every one's",
                );
                return Err(Exit::Usage);
            }
        },
    };
    match records.state(id).map_err(refused)? {
        Some(state) => Ok((id, state)),
        None => {
            super::complain(&format!("there is no build {id}; `imgfile builds` lists them"));
            Err(Exit::Usage)
        }
    }
}

/// Writes a value as JSON to stdout.
pub(super) fn print_json<T: serde::Serialize>(value: &T) {
    // Plain data with text keys always has a JSON form.
    super::print_json(&(serde_json::to_string_pretty(value).unwrap_or_default() + "\n"));
}

/// A table as wide as the terminal.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    super::table::table(headings, rows, super::console::width())
}
