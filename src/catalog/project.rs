//! The catalogue of a project: built in, `catalog/` beside the ImageFile, and `catalog "DIR"`.

use super::yaml::MAX_FILE;
use super::{Catalog, Layer, builtin};
use crate::check::{FileError, FileKind, Files};
use crate::diagnostic::{Diagnostic, codes};
use crate::text::{Sources, Span, Spanned};

/// Read without being named.
const DEFAULT: &str = "catalog";
/// Most files of one catalogue folder.
const MAX_FILES: usize = 10_000;

/// Loads every layer of a project's catalogue; `named` are the folders of `catalog "DIR"`.
/// The files read are added to `sources`.
pub fn load_project(
    named: &[Spanned<String>],
    sources: &mut Sources,
    files: &dyn Files,
) -> (Catalog, Vec<Diagnostic>) {
    let mut layers = vec![builtin(sources)];
    let mut mistakes = Vec::new();
    if matches!(files.kind(DEFAULT), Ok(FileKind::Folder)) {
        layers.push(folder(DEFAULT, None, sources, files, &mut mistakes));
    }
    for dir in named.iter().filter(|dir| dir.value.trim_end_matches('/') != DEFAULT) {
        layers.push(folder(dir.value.trim_end_matches('/'), Some(dir.span), sources, files, &mut mistakes));
    }
    let (catalog, wrong) = Catalog::load(&layers, sources);
    mistakes.extend(wrong);
    (catalog, mistakes)
}

/// Every YAML file of `dir`, `dir/apps` and `dir/bases`, by name.
fn folder(
    dir: &str,
    span: Option<Span>,
    sources: &mut Sources,
    files: &dyn Files,
    mistakes: &mut Vec<Diagnostic>,
) -> Layer {
    let mut layer = Layer { name: dir.to_owned(), files: Vec::new() };
    let mut refuse = |path: &str, error: &FileError| {
        let reason = match error {
            FileError::NotFound => "it does not exist".to_owned(),
            FileError::Outside => "it leads out of the project's folder".to_owned(),
            FileError::TooLarge => format!("it has more than {MAX_FILE} bytes"),
            FileError::Unreadable(words) => words.clone(),
        };
        let diagnostic = Diagnostic::new(codes::CATALOG_FOLDER, format!("`{path}` cannot be read: {reason}"));
        mistakes.push(match span {
            Some(span) => diagnostic.label(span, "this catalogue"),
            None => diagnostic,
        });
    };
    for (folder, required) in
        [(dir.to_owned(), true), (format!("{dir}/apps"), false), (format!("{dir}/bases"), false)]
    {
        let entries = match files.list(&folder) {
            Ok(entries) => entries,
            Err(FileError::NotFound) if !required => continue,
            Err(error) => {
                refuse(&folder, &error);
                continue;
            }
        };
        for entry in entries.iter().filter(|entry| is_yaml(&entry.name) && entry.kind != FileKind::Folder) {
            let path = format!("{folder}/{}", entry.name);
            if layer.files.len() >= MAX_FILES {
                refuse(&path, &FileError::Unreadable(format!("a catalogue has at most {MAX_FILES} files")));
                return layer;
            }
            match files.read(&path, MAX_FILE as u64).map(String::from_utf8) {
                Ok(Ok(text)) => layer.files.push(sources.add(path, text)),
                Ok(Err(_)) => refuse(&path, &FileError::Unreadable("it is not UTF-8 text".to_owned())),
                Err(error) => refuse(&path, &error),
            }
        }
    }
    layer
}

/// Whether a file is read: the names of others (`README.md`, `nginx.yaml~`) are left alone.
fn is_yaml(name: &str) -> bool {
    let extension = std::path::Path::new(name).extension();
    extension.is_some_and(|extension| extension == "yaml" || extension == "yml")
}

#[cfg(test)]
mod tests {
    use super::load_project;
    use crate::check::MemoryFiles;
    use crate::text::{SourceId, Sources, Span, Spanned};

    fn app(name: &str) -> String {
        format!("schema: imgfile/app/v1\nname: {name}\nsummary: s\nversions: [{{version: 1}}]\n")
    }

    #[test]
    fn the_default_folder_and_the_named_ones_lie_over_the_built_in_one() {
        let files = MemoryFiles::new()
            .with("catalog/apps/nginx.yaml", app("nginx"))
            .with("catalog/README.md", "not for us")
            .with("more/apps/one.yaml", app("one"))
            .with("more/apps/bad.yaml", [0xff, 0xfe].as_slice());
        let mut sources = Sources::default();
        let span = Span::new(SourceId(0), 0, 0);
        let named = ["more", "none", "catalog/"].map(|dir| Spanned::new(dir.to_owned(), span));
        let (catalog, mistakes) = load_project(&named, &mut sources, &files);
        let told: Vec<_> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
        assert_eq!(
            told,
            [
                "`more/apps/bad.yaml` cannot be read: it is not UTF-8 text",
                "`none` cannot be read: it does not exist"
            ]
        );
        assert_eq!(catalog.layers(), ["built-in", "catalog", "more", "none"]);
        assert_eq!(catalog.app("nginx").unwrap().layer, 1);
        assert_eq!(catalog.hidden_apps("nginx").count(), 1);
        assert!(catalog.app("one").is_some());
    }
}
