//! The definitions compiled in.

use super::Layer;
use crate::text::Sources;

/// Name and text of each file under `builtin/`.
macro_rules! files {
    ($($path:literal)*) => {
        const FILES: &[(&str, &str)] = &[$(($path, include_str!(concat!("builtin/", $path)))),*];
    };
}

files! {
    "apps/nginx.yaml"
    "bases/debian-12.yaml"
    "bases/debian-13.yaml"
}

/// Adds the compiled-in files to `sources`, as the lowest layer.
pub fn builtin(sources: &mut Sources) -> Layer {
    let files = FILES.iter().map(|(path, text)| sources.add(*path, *text)).collect();
    Layer { name: "built-in".to_owned(), files }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::FILES;

    #[test]
    fn every_file_of_the_folder_is_compiled_in() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/builtin");
        let mut found = BTreeSet::new();
        for folder in ["apps", "bases"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                found.insert(format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        let listed: BTreeSet<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, found);
    }
}
