//! Paths of the project: relative to its folder, `/` between parts.

use super::operands::Text;
use super::shown::short;
use super::{Checker, FileError, FileKind};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::text::{Span, Spanned};

/// `path`, written in a file of `folder`, from the ImageFile's folder on, without `.`, and with `..` at its
/// start alone: whether something above still belongs to the project, [`Files`](super::Files) knows. `None`
/// for an absolute one.
pub(crate) fn normalise(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_none_or(|last| *last == "..") => parts.push(".."),
            ".." => _ = parts.pop(),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The folder a file lies in.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Checker<'_> {
    /// A path of the project, written in the file its span is in.
    pub(super) fn project_path(&mut self, text: Text) -> Option<Spanned<String>> {
        let span = text.span;
        let folder = self.input.folders.get(&span.source).cloned().unwrap_or_default();
        if text.value.is_empty() || text.value.contains('\0') {
            self.misfit(
                codes::BAD_PATH,
                span,
                &text.value,
                "a path",
                "name a file of the project, such as `\"provision.sh\"`",
            );
            return None;
        }
        match normalise(&folder, &text.value) {
            Some(path) => Some(Spanned::new(path, span)),
            None => {
                self.outside(&text.value, span);
                None
            }
        }
    }

    fn outside(&mut self, written: &str, span: Span) {
        self.report(
            Diagnostic::new(codes::OUTSIDE_PROJECT, format!("`{}` is outside the project's folder", short(written)))
                .label(span, "leaves the folder of the ImageFile")
                .help("copy what is needed into the project, or write `root = true` into the `.imgfile.toml` of the folder above that is the project"),
        );
    }

    /// A path on this machine, see [`super::BaseSource::File`].
    pub(super) fn machine_path(&mut self, text: Text) -> Option<Spanned<String>> {
        if text.value.is_empty() || text.value.contains('\0') {
            self.misfit(
                codes::BAD_PATH,
                text.span,
                &text.value,
                "a path",
                "name a file, such as `\"disk.qcow2\"`",
            );
            return None;
        }
        if text.value.starts_with('/') {
            return Some(text.spanned());
        }
        let folder = self.input.folders.get(&text.span.source).cloned().unwrap_or_default();
        let path = normalise(&folder, &text.value).unwrap_or_else(|| {
            if folder.is_empty() { text.value.clone() } else { format!("{folder}/{}", text.value) }
        });
        Some(Spanned::new(path, text.span))
    }

    /// What is at a path of the project; its absence is reported with the nearest name.
    pub(super) fn kind_of(&mut self, path: &Spanned<String>) -> Option<FileKind> {
        match self.input.files.kind(&path.value) {
            Ok(kind) => Some(kind),
            Err(error) => {
                self.no_file(path, &error);
                None
            }
        }
    }

    pub(super) fn no_file(&mut self, path: &Spanned<String>, error: &FileError) {
        let written = self.slice(path.span).trim_matches('"').to_owned();
        match error {
            FileError::Outside => self.outside(&written, path.span),
            FileError::NotFound if written.contains("://") => {
                self.report(
                    Diagnostic::new(codes::NOT_FOUND, format!("`{}` is an address, and no file", short(&written)))
                        .label(path.span, "expected a path in the project")
                        .help("a download goes into the image by `copy url \"ADDRESS\" sha256 \"…\" to \"PATH\"`; any other file has to lie in the project"),
                );
            }
            FileError::NotFound => {
                let (parent, name) = path.value.rsplit_once('/').unwrap_or(("", &path.value));
                let entries = self.input.files.list(parent).unwrap_or_default();
                let near =
                    self.names.suggester.nearest(name, entries.iter().map(|entry| entry.name.as_str()));
                let diagnostic =
                    Diagnostic::new(codes::NOT_FOUND, format!("`{}` does not exist", short(&path.value)))
                        .label(path.span, "no such file or folder");
                self.report(match near {
                    Some(near) => {
                        let meant = match written.trim_end_matches('/').rsplit_once('/') {
                            Some((before, _)) => format!("{before}/{near}"),
                            None => near.to_owned(),
                        };
                        diagnostic.help(format!("did you mean `{meant}`?")).fix(
                            Applicability::Maybe,
                            format!("write `{meant}`"),
                            path.span,
                            format!("\"{meant}\""),
                        )
                    }
                    None => diagnostic.help("paths are relative to the file they are written in"),
                });
            }
            FileError::TooLarge => self.report(
                Diagnostic::new(
                    codes::UNREADABLE,
                    format!("`{}` is too large for what it is used as", short(&path.value)),
                )
                .label(path.span, "this file")
                .help(readable(error)),
            ),
            FileError::Unreadable(why) => self.report(
                Diagnostic::new(codes::UNREADABLE, format!("`{}` cannot be read: {why}", short(&path.value)))
                    .label(path.span, "this file")
                    .help(readable(error)),
            ),
        }
    }
}

/// What to do about a file that cannot be read.
pub(super) const fn readable(error: &FileError) -> &'static str {
    match error {
        FileError::NotFound => "write the file, or correct the path",
        FileError::Outside => "copy what is needed into the project's folder: nothing else is read",
        FileError::TooLarge => "put what is large into a file that is copied, or that a script downloads",
        FileError::Unreadable(_) => {
            "put a regular file there, which you may read: `ls -l` shows what it is now"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn paths_stay_in_the_project() {
        assert_eq!(normalise("", "site/").as_deref(), Some("site"));
        assert_eq!(normalise("a/b", "../c/./d").as_deref(), Some("a/c/d"));
        assert_eq!(normalise("a", ".."), Some(String::new()));
        assert_eq!(normalise("a", "../../../x").as_deref(), Some("../../x"));
        assert_eq!(normalise("", "/etc"), None);
    }
}
