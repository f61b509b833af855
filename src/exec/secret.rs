//! Secrets: read on this host, shown to the steps that name them, and masked wherever the guest prints
//! them. Their values are in memory only.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    os::unix::{ffi::OsStringExt, fs::OpenOptionsExt},
    path::Path,
    sync::Arc,
};

use super::Failure;
use crate::{
    diagnostic::{Diagnostic, codes},
    plan::{ImagePlan, ScriptStep, SecretPlan, SecretSource, Step, TestCheck},
};

/// A secret is a password, a token or a key; what is larger is something else.
const LIMIT: u64 = 1 << 20;
/// What stands in a log where a secret was.
const MASK: &[u8] = b"***";
/// Lines of a secret that are shorter than this many bytes are masked only together with the rest of it: a
/// `}` of its own would make every log unreadable.
const SHORT_LINE: usize = 4;

/// The values of an image's secrets, or why there is none.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, Result<Arc<[u8]>, String>>);

impl std::fmt::Debug for Secrets {
    /// Names only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Reads what the plan's secrets say. `folder` is where relative paths start. A value that cannot be had
    /// is told only when a step needs it.
    #[must_use]
    pub fn read(image: &ImagePlan, folder: &Path) -> Self {
        let value = |secret: &SecretPlan| match &secret.source {
            SecretSource::Env { variable } => match std::env::var_os(variable) {
                Some(value) if !value.is_empty() => Ok(value.into_vec().into()),
                _ => Err(format!("the environment variable `{variable}` is not set")),
            },
            SecretSource::File { path } => {
                file(&folder.join(path)).map_err(|error| format!("`{path}` cannot be read: {error}"))
            }
        };
        Self(image.secrets.iter().map(|secret| (secret.name.clone(), value(secret))).collect())
    }

    /// Whether the scripts of these steps and of the tests, if they run, find all they ask for.
    ///
    /// # Errors
    ///
    /// Every secret without a value.
    pub fn suffice(&self, image: &ImagePlan, steps: &[Step], tested: bool) -> Result<(), Failure> {
        let scripts = steps.iter().filter_map(|step| match &step.action {
            crate::plan::Action::Script(script) => Some(script),
            _ => None,
        });
        let tests = image.tests.iter().filter(|_| tested).filter_map(|test| match &test.check {
            TestCheck::Script(script) => Some(script),
            TestCheck::UnitsActive { .. } => None,
        });
        let wanted: BTreeSet<&String> =
            scripts.chain(tests).flat_map(|script: &ScriptStep| &script.secrets).collect();
        let missing = wanted.into_iter().filter_map(|name| {
            let reason = match self.0.get(name) {
                Some(Ok(_)) => return None,
                Some(Err(reason)) => reason.as_str(),
                None => "nobody has read it",
            };
            let declared = image.secrets.iter().find(|secret| secret.name == *name);
            let message = format!("the secret `{name}` has no value: {reason}");
            let diagnostic = Diagnostic::new(codes::SECRET_MISSING, message);
            let diagnostic = match declared.map(|secret| &secret.source) {
                Some(SecretSource::Env { variable }) => {
                    diagnostic.help(format!("set it for the command: `{variable}=… imgfile build`"))
                }
                Some(SecretSource::File { .. }) => {
                    diagnostic.help("put the value into this file: a regular one, of at most 1 MiB")
                }
                None => diagnostic,
            };
            Some(match declared.and_then(|secret| secret.span) {
                Some(span) => diagnostic.label(span, "declared here"),
                None => diagnostic,
            })
        });
        let missing: Vec<Diagnostic> = missing.collect();
        if missing.is_empty() { Ok(()) } else { Err(Failure::Diagnosed(missing)) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)?.as_ref().ok().map(|value| &**value)
    }

    /// What hides all of them.
    pub(super) fn mask(&self) -> Mask {
        let mut needles = BTreeSet::new();
        for value in self.0.values().flatten() {
            let whole = value.trim_ascii();
            needles.insert(whole.to_vec());
            let lines = whole.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
            needles.extend(lines.filter(|line| line.len() >= SHORT_LINE).map(<[u8]>::to_vec));
        }
        Mask::new(needles.into_iter().filter(|needle| !needle.is_empty()).collect())
    }
}

fn file(path: &Path) -> std::io::Result<Arc<[u8]>> {
    // A pipe must not hold up the build: it is opened without waiting, and then refused.
    let file = std::fs::File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut value = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut value)?;
    if value.len() as u64 > LIMIT {
        return Err(std::io::Error::other("it is larger than 1 MiB"));
    }
    Ok(value.into())
}

/// Texts that are not to be shown.
pub(super) struct Mask {
    /// Longest first.
    needles: Vec<Vec<u8>>,
    /// The bytes some needle begins with.
    first: [bool; 256],
}

impl Mask {
    fn new(mut needles: Vec<Vec<u8>>) -> Self {
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        let mut first = [false; 256];
        for needle in &needles {
            first[usize::from(needle[0])] = true;
        }
        Self { needles, first }
    }

    /// A whole text without what it must not show.
    pub(super) fn text(&self, text: &str) -> String {
        let mut masked = Masked::default();
        let mut out = masked.push(self, text.as_bytes().to_vec());
        out.extend(masked.end(self));
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// One stream on its way through a [`Mask`]. A secret may come in pieces: what could be the beginning of one
/// is held back until more is seen.
#[derive(Default)]
pub(super) struct Masked {
    held: Vec<u8>,
}

impl Masked {
    /// Takes the next piece; returns what can be shown.
    pub(super) fn push(&mut self, mask: &Mask, piece: Vec<u8>) -> Vec<u8> {
        if mask.needles.is_empty() {
            return piece;
        }
        self.held.extend(piece);
        self.take(mask, false)
    }

    /// The stream has ended; returns the rest.
    pub(super) fn end(&mut self, mask: &Mask) -> Vec<u8> {
        self.take(mask, true)
    }

    fn take(&mut self, mask: &Mask, ended: bool) -> Vec<u8> {
        let mut shown = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while let Some(&byte) = self.held.get(at) {
            if !mask.first[usize::from(byte)] {
                shown.push(byte);
                at += 1;
                continue;
            }
            let rest = &self.held[at..];
            let unsure = |needle: &&Vec<u8>| needle.len() > rest.len() && needle.starts_with(rest);
            if !ended && mask.needles.iter().any(|needle| unsure(&needle)) {
                break;
            }
            match mask.needles.iter().find(|needle| rest.starts_with(needle)) {
                Some(needle) => {
                    shown.extend_from_slice(MASK);
                    at += needle.len();
                }
                None => {
                    shown.push(byte);
                    at += 1;
                }
            }
        }
        self.held.drain(..at);
        shown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mask(values: &[&str]) -> Mask {
        let value = |value: &&str| Ok(Arc::from(value.as_bytes()));
        Secrets(values.iter().map(|text| ((*text).to_owned(), value(text))).collect()).mask()
    }

    #[test]
    fn a_secret_is_masked_whole_and_line_by_line() {
        let mask = mask(&["hunter2\n", "first line\n}\nlast line"]);
        assert_eq!(mask.text("pass hunter2, hunter, first line }"), "pass ***, hunter, *** }");
        assert_eq!(mask.text("first line\n}\nlast line"), "***");
    }

    #[test]
    fn the_longest_of_several_is_taken() {
        let mask = mask(&["abcd", "abcdefgh"]);
        assert_eq!(mask.text("abcdefgh abcdef"), "*** ***ef");
    }

    #[test]
    fn no_secret_is_empty() {
        assert_eq!(mask(&["\n"]).text("a\nb"), "a\nb");
    }

    proptest! {
        /// However a text is cut into pieces, no secret comes through.
        #[test]
        fn no_cut_lets_a_secret_through(parts in proptest::collection::vec("(hunter2|hunt|er2|h|x){0,4}", 0..12)) {
            let mask = mask(&["hunter2"]);
            let mut masked = Masked::default();
            let mut shown = Vec::new();
            for part in &parts {
                shown.extend(masked.push(&mask, part.clone().into_bytes()));
            }
            shown.extend(masked.end(&mask));
            let shown = String::from_utf8(shown).unwrap();
            prop_assert_eq!(shown, parts.concat().replace("hunter2", "***"));
        }
    }
}
