//! What the commands about builds and images share: the store's records, and times and tables for people.

use std::{fmt::Write as _, path::Path, sync::Arc};

use super::{
    Exit,
    settings::{Flags, Settings, Surroundings},
};
use crate::{
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
    let loaded = Settings::load(&Flags::default(), &around, &mut sources);
    let (Ok(Settings { ignored: found, .. }) | Err(found)) = &loaded;
    super::complain_of(found, &sources);
    loaded.map_err(|_| Exit::Files)
}

/// Opens the store, and says what a crash had left in it.
pub(super) fn store(settings: &Settings) -> Outcome<Arc<Store>> {
    let (store, leftovers) = Store::open_and_sweep(&settings.store.value).map_err(refused)?;
    for leftover in leftovers {
        eprintln!("note: {leftover}");
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
    let way_out = if error.is_corrupt() { "; `imgfile gc` sets them aside and begins new ones" } else { "" };
    super::complain(&format!("{error}{way_out}"));
    Exit::Host
}

/// The build a command means: the one named, else the newest.
pub(super) fn build(records: &Records, named: Option<i64>) -> Outcome<(i64, State)> {
    let id = match named {
        Some(id) => id,
        None => match records.builds(None, 1).map_err(refused)?.first() {
            Some(newest) => newest.id,
            None => {
                super::complain("nothing was built yet");
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
    super::print(&(serde_json::to_string_pretty(value).unwrap_or_default() + "\n"));
}

/// Rows under their headings; the last column is as wide as it is.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(console::measure_text_width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(console::measure_text_width(cell));
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&headings.map(str::to_owned)).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{}  ", console::pad_str(cell, width, console::Alignment::Left, None));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let rows = [
            ["1".to_owned(), "이미지".to_owned(), "a".to_owned()],
            ["12".into(), "web".into(), String::new()],
        ];
        assert_eq!(table(["ID", "NAME", "PATH"], &rows), "ID  NAME    PATH\n1   이미지  a\n12  web\n");
    }
}
