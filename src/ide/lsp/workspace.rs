//! Symbols of every ImageFile in the client's folders, open or not.

use std::path::{Path, PathBuf};

use gen_lsp_types as lsp;

use super::convert;
use super::documents::Documents;
use super::image_files::image_files;
use super::position::{Encoding, Lines};
use super::projects::Projects;
use crate::check::{FILE_LIMIT, Files as _};
use crate::ide::{Outline, OutlineKind, outline};
use crate::store::ProjectFolder;
use crate::syntax;
use crate::text::Sources;

/// Most files and folders of all the client's folders that are looked at for a query.
const MAX_ENTRIES: usize = 50_000;
/// Most ImageFiles that are read for a query.
const MAX_FILES: usize = 1000;
/// Most symbols in an answer.
const MAX_SYMBOLS: usize = 500;

/// Images, profiles and params whose names have the letters of `query` in their order. An open text counts as it
/// stands in the editor.
pub(super) fn symbols(
    projects: &Projects,
    documents: &Documents,
    encoding: Encoding,
    query: &str,
) -> Vec<lsp::WorkspaceSymbol> {
    let mut texts: Vec<(PathBuf, String, String)> = Vec::new();
    let mut left = MAX_ENTRIES;
    for root in projects.workspace() {
        let Ok(folder) = ProjectFolder::open(root) else { continue };
        for path in image_files(root, &mut left) {
            if texts.len() >= MAX_FILES {
                break;
            }
            let uri = projects.uri_of_path(&path);
            let known = texts.iter().any(|(other, ..)| *other == path);
            let text = match documents.get(&uri) {
                Some(document) => Some(document.text.clone()),
                None => read(&folder, &path),
            };
            if let Some(text) = text.filter(|_| !known) {
                texts.push((path, uri, text));
            }
        }
    }
    // What is open is there, wherever it lies.
    for (uri, document) in documents.iter().filter(|(uri, _)| projects.is_image_file(uri)) {
        if texts.iter().all(|(_, known, _)| known != uri) {
            texts.push((PathBuf::new(), uri.to_owned(), document.text.clone()));
        }
    }
    let mut found = Vec::new();
    for (_, uri, text) in texts {
        if found.len() >= MAX_SYMBOLS {
            break;
        }
        let mut sources = Sources::default();
        let id = sources.add("ImageFile", text);
        let source = sources.get(id);
        let lines = Lines::new(&source.text, encoding);
        let wanted = |one: &Outline| {
            let named = matches!(one.kind, OutlineKind::Image | OutlineKind::Profile | OutlineKind::Param);
            named && matches(&one.name, query)
        };
        let entries = outline(&syntax::parse(id, &source.text), source);
        let symbols = entries.into_iter().filter(wanted).map(|one| lsp::WorkspaceSymbol {
            location: lsp::Location { uri: uri.clone().into(), range: lines.range(one.name_span) }.into(),
            data: None,
            base_symbol_information: lsp::BaseSymbolInformation {
                kind: convert::symbol_kind(one.kind),
                name: one.name,
                tags: None,
                container_name: None,
            },
        });
        found.extend(symbols);
    }
    found.truncate(MAX_SYMBOLS);
    found
}

fn read(folder: &ProjectFolder, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(folder.root()).ok()?.to_str()?;
    String::from_utf8(folder.read(relative, FILE_LIMIT).ok()?).ok()
}

/// Whether a name has the letters of a query in their order, in either case.
fn matches(name: &str, query: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).all(|c| letters.any(|l| l == c))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn letters_in_their_order() {
        for (name, query, is) in [
            ("Web-Front", "wf", true),
            ("web", "", true),
            ("web", "bw", false),
            ("web", "webs", false),
            ("shop front", "p f", true),
        ] {
            assert_eq!(matches(name, query), is, "{name} {query}");
        }
    }
}
