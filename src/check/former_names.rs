//! Names that a script was given before imgfile settled on one spelling; they are there for one version more.

use super::{Checker, script_text::ScriptText};
use crate::diagnostic::{Applicability, Diagnostic, codes};

/// What a script may read, formerly and now.
const NAMES: [(&str, &str); 5] = [
    // The longer name first: it begins as the shorter one does.
    ("IMAGEFILE_OS_VERSION", "IMGFILE_OS_VERSION"),
    ("IMAGEFILE_OS", "IMGFILE_OS"),
    ("IMAGEFILE_IMAGE", "IMGFILE_IMAGE"),
    ("IMAGEFILE_ARCH", "IMGFILE_ARCH"),
    ("/run/imagefile/", "/run/imgfile/"),
];

impl Checker<'_> {
    /// Reports each name that a script calls by what it was called before.
    pub(super) fn former_names(&mut self, text: &ScriptText) {
        let mut from = 0;
        while let Some((at, former, now)) = next(&text.content, from) {
            from = at + former.len();
            let span = text.span(at, from);
            self.report(
                Diagnostic::new(codes::FORMER_NAME, format!("`{former}` is called `{now}` now"))
                    .label(span, "the former name goes with the next version")
                    .fix(Applicability::Safe, format!("write `{now}`"), span, now),
            );
        }
    }
}

/// The next former name behind an offset: where it begins, itself, and its successor.
fn next(text: &str, from: usize) -> Option<(usize, &'static str, &'static str)> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let found = NAMES.iter().filter_map(|&(former, now)| {
        let mut places = text[from..].match_indices(former).map(|(at, _)| from + at);
        let whole = places.find(|at| {
            let bytes = text.as_bytes();
            let before = at.checked_sub(1).map(|before| bytes[before]);
            let after = bytes.get(at + former.len()).copied();
            let open = former.ends_with('/');
            !before.is_some_and(is_part) && (open || !after.is_some_and(is_part))
        })?;
        Some((whole, former, now))
    });
    found.min_by_key(|(at, ..)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_where_it_is_whole() {
        let found = |text: &str| {
            let mut from = 0;
            let mut all = Vec::new();
            while let Some((at, former, _)) = next(text, from) {
                from = at + former.len();
                all.push((at, former));
            }
            all
        };
        assert_eq!(found("$IMAGEFILE_OS_VERSION $IMAGEFILE_OS"), [(1, NAMES[0].0), (23, NAMES[1].0)]);
        assert_eq!(found("ls /run/imagefile/project"), [(3, NAMES[4].0)]);
        assert_eq!(found("MY_IMAGEFILE_OS IMAGEFILE_OSX IMGFILE_OS /run/imagefiles/x"), []);
    }
}
