//! Golden files below `tests/`: what is shown is what stands in them.

use std::fs;
use std::path::{Path, PathBuf};

/// Compares each text with the file of that name, all of them before it fails. With `SNAPSHOTS=overwrite`, as for
/// snapbox, the files are written anew: read the difference.
#[track_caller]
pub fn assert_golden(texts: impl IntoIterator<Item = (PathBuf, String)>) {
    let overwrite = std::env::var_os("SNAPSHOTS").is_some_and(|action| action == "overwrite");
    let mut wrong = Vec::new();
    for (name, shown) in texts {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(&name);
        if overwrite {
            fs::write(&path, &shown).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != shown {
            wrong.push(format!("── {}\n{shown}", name.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}
