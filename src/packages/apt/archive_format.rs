//! Archives of Debian's form: `dists/SUITE/InRelease`, and `Packages` files beneath it.

use std::io::BufRead;
use std::sync::Arc;

use super::index::{kept_index, read_index};
use super::release::read_release;
use super::universe::Universe;
use super::{
    Archive, ArchiveFormat, Index, IndexError, IndexFile, IndexForm, IndexSource, Moment, Pool, ReleaseError,
    ReleaseFile, TableForm,
};

/// Debian's, which all archives for apt have.
#[derive(Debug)]
pub struct AptArchives;

/// The forms of an index, the smallest first.
const FORMS: [&str; 4] = ["Packages.xz", "Packages.zst", "Packages.gz", "Packages"];

impl ArchiveFormat for AptArchives {
    fn root(&self, archive: &Archive) -> String {
        match archive.suite.strip_suffix('/') {
            None => format!("{}/dists/{}", archive.url, archive.suite),
            Some("" | ".") => archive.url.clone(),
            Some(folder) => format!("{}/{}", archive.url, folder.trim_start_matches("./")),
        }
    }

    fn tables(&self) -> &'static [TableForm] {
        &[
            TableForm::Inline("InRelease"),
            TableForm::Detached { content: "Release", signature: "Release.gpg" },
        ]
    }

    fn read_table(&self, text: &str, moment: Moment) -> Result<ReleaseFile, ReleaseError> {
        read_release(text, moment)
    }

    fn parts<'a>(&self, archive: &'a Archive) -> Vec<&'a str> {
        // A suite that ends in a slash is the folder of everything, without components.
        if archive.suite.ends_with('/') {
            vec![""]
        } else {
            archive.components.iter().map(String::as_str).collect()
        }
    }

    /// Those of the architecture, and those of all, where these are apart.
    fn indexes(&self, table: &ReleaseFile, part: &str, arch: &str) -> Vec<IndexFile> {
        let folders = match part {
            "" => vec![String::new()],
            _ if table.all_apart && arch != "all" => {
                vec![format!("{part}/binary-{arch}/"), format!("{part}/binary-all/")]
            }
            _ => vec![format!("{part}/binary-{arch}/")],
        };
        let index = |folder: &String| {
            let form = |name| {
                let path = format!("{folder}{name}");
                let (checksum, _) = *table.files.get(&path)?;
                let kind = checksum.kind().to_ascii_uppercase();
                let by_digest = format!("{folder}by-hash/{kind}/{}", checksum.hex());
                Some(IndexForm { path, checksum, by_digest: table.by_hash.then_some(by_digest) })
            };
            IndexFile { forms: FORMS.into_iter().filter_map(form).collect() }
        };
        folders.iter().map(index).filter(|index| !index.forms.is_empty()).collect()
    }

    fn read_index(&self, index: &mut dyn BufRead) -> Result<Index, IndexError> {
        read_index(index)
    }

    fn kept_index(&self, text: String) -> Option<Index> {
        kept_index(text).ok()
    }

    fn pool(&self, arch: &str, sources: &[IndexSource]) -> Arc<dyn Pool> {
        Arc::new(Universe::new(arch, sources))
    }
}
