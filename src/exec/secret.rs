//! Secrets: read on this host, shown to the steps that name them, and masked wherever the guest prints
//! them. Their values are in memory only.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStringExt,
    sync::Arc,
};

use super::{BuildError, Consent, Outside, consent::sourceless, secret_forms};
use crate::{
    check::{FileError, Files as _},
    diagnostic::{Diagnostic, codes},
    plan::{ImagePlan, ScriptStep, SecretPlan, SecretSource, Step, TestCheck},
    store::{ProjectFolder, read_regular},
};

/// A secret is a password, a token or a key; what is larger is something else.
const LIMIT: u64 = 1 << 20;
/// What stands in a log where a secret was.
const MASK: &[u8] = b"***";

/// The values of an image's secrets, or why there is none.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, Result<Arc<[u8]>, Missing>>);

/// Why a secret has no value.
#[derive(Debug, Clone)]
enum Missing {
    /// There is none where it would come from.
    Value(String),
    /// Neither the ImageFile nor the user says where it comes from.
    Source,
    /// As `Value`, of a source that the user named.
    Given(String),
}

impl Missing {
    fn given(self) -> Self {
        match self {
            Self::Value(reason) => Self::Given(reason),
            other => other,
        }
    }
}

impl std::fmt::Debug for Secrets {
    /// Names only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Reads the values of the plan's secrets: those that are files of the project, and what else the user
    /// allows. A value that cannot be had is reported only when a step needs it.
    #[must_use]
    pub fn read(image: &ImagePlan, project: &ProjectFolder, consent: &Consent) -> Self {
        let value = |secret: &SecretPlan| {
            if let Some(source) = consent.secrets.get(&secret.name) {
                return outside(source).map_err(Missing::given);
            }
            let source = match &secret.source {
                SecretSource::User => return Err(Missing::Source),
                SecretSource::Env { variable } => Outside::Env(variable.clone()),
                SecretSource::File { path } => match project.outside(path) {
                    Some(path) => Outside::File(path),
                    None => return inside(project, path),
                },
            };
            if consent.allows(&source) {
                outside(&source)
            } else {
                Err(Missing::Value("it is not allowed".to_owned()))
            }
        };
        Self(image.secrets.iter().map(|secret| (secret.name.clone(), value(secret))).collect())
    }

    /// Whether the scripts of these steps and of the tests, if they run, find all they ask for.
    ///
    /// # Errors
    ///
    /// Every secret without a value.
    pub fn suffice(&self, image: &ImagePlan, steps: &[Step], tested: bool) -> Result<(), BuildError> {
        let missing = wanted(image, steps, tested).into_iter().filter_map(|name| match self.0.get(name) {
            Some(Ok(_)) => None,
            Some(Err(missing)) => Some(complaint(image, name, missing)),
            None => Some(complaint(image, name, &Missing::Source)),
        });
        let missing: Vec<Diagnostic> = missing.collect();
        if missing.is_empty() { Ok(()) } else { Err(BuildError::Diagnosed(missing)) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name)?.as_ref().ok().map(|value| &**value)
    }

    /// What hides all of them.
    pub(super) fn mask(&self) -> Mask {
        let values = self.0.values().flatten();
        let needles: BTreeSet<Vec<u8>> = values.flat_map(|value| secret_forms::all(value)).collect();
        Mask::new(needles.into_iter().collect())
    }
}

/// Names of the secrets that scripts of these steps and of the tests ask for.
fn wanted<'a>(image: &'a ImagePlan, steps: &'a [Step], tested: bool) -> BTreeSet<&'a String> {
    let scripts = steps.iter().filter_map(|step| match &step.action {
        crate::plan::Action::Script(script) => Some(script),
        _ => None,
    });
    let tests = image.tests.iter().filter(|_| tested).filter_map(|test| match &test.check {
        TestCheck::Script(script) => Some(script),
        TestCheck::UnitsActive { .. } => None,
    });
    scripts.chain(tests).flat_map(|script: &ScriptStep| &script.secrets).collect()
}

/// What is said of a secret without a value.
fn complaint(image: &ImagePlan, name: &str, missing: &Missing) -> Diagnostic {
    let declared = image.secrets.iter().find(|secret| secret.name == *name);
    let diagnostic = match missing {
        Missing::Source => return sourceless(name, declared.and_then(|secret| secret.span)),
        Missing::Value(reason) | Missing::Given(reason) => {
            Diagnostic::new(codes::SECRET_MISSING, format!("the secret `{name}` has no value: {reason}"))
        }
    };
    let diagnostic = match declared.map(|secret| &secret.source) {
        _ if matches!(missing, Missing::Given(_)) => diagnostic.help(format!(
            "this is what the user's `--secret {name}=…`, or setting, says: it wins over the ImageFile"
        )),
        Some(SecretSource::Env { variable }) => {
            diagnostic.help(format!("set it for the command: `{variable}=… imgfile build`"))
        }
        Some(SecretSource::File { .. }) => {
            diagnostic.help("put the value into this file: a regular one, of at most 1 MiB")
        }
        Some(SecretSource::User) | None => diagnostic,
    };
    match declared.and_then(|secret| secret.span) {
        Some(span) => diagnostic.label(span, "declared here"),
        None => diagnostic,
    }
}

fn inside(project: &ProjectFolder, path: &str) -> Result<Arc<[u8]>, Missing> {
    let reason = match project.read(path, LIMIT) {
        Ok(value) => return Ok(value.into()),
        Err(FileError::NotFound) => "it is not there".to_owned(),
        Err(FileError::TooLarge) => "it is larger than 1 MiB".to_owned(),
        Err(FileError::Outside) => "it leads out of the project".to_owned(),
        Err(FileError::Unreadable(reason)) => reason,
    };
    Err(Missing::Value(format!("`{path}` cannot be read: {reason}")))
}

fn outside(source: &Outside) -> Result<Arc<[u8]>, Missing> {
    match source {
        Outside::Env(variable) => match std::env::var_os(variable) {
            Some(value) if !value.is_empty() => Ok(value.into_vec().into()),
            _ => Err(Missing::Value(format!("the environment variable `{variable}` is not set"))),
        },
        Outside::File(path) => read_regular(path, LIMIT)
            .map(Into::into)
            .map_err(|error| Missing::Value(format!("`{}` cannot be read: {error}", path.display()))),
    }
}

/// Texts that are not to be shown.
pub(super) struct Mask {
    /// By the byte that they begin with, the longest first.
    needles: Vec<Vec<Vec<u8>>>,
    is_empty: bool,
}

impl Mask {
    fn new(mut needles: Vec<Vec<u8>>) -> Self {
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        let is_empty = needles.is_empty();
        let mut by_first = vec![Vec::new(); 256];
        for needle in needles {
            by_first[usize::from(needle[0])].push(needle);
        }
        Self { needles: by_first, is_empty }
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
        if mask.is_empty {
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
            let needles = &mask.needles[usize::from(byte)];
            if needles.is_empty() {
                shown.push(byte);
                at += 1;
                continue;
            }
            let rest = &self.held[at..];
            let unsure = |needle: &&Vec<u8>| needle.len() > rest.len() && needle.starts_with(rest);
            if !ended && needles.iter().any(|needle| unsure(&needle)) {
                break;
            }
            match needles.iter().find(|needle| rest.starts_with(needle)) {
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

    /// As it is and encoded in the usual ways, alone and between other bytes.
    fn encodings(secret: &str) -> Vec<String> {
        let hex = hex::encode(secret);
        let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
        vec![
            secret.to_owned(),
            hex.clone(),
            hex.to_uppercase(),
            percent.clone(),
            percent.to_lowercase().replace("%%", "%"),
            secret.chars().rev().collect(),
        ]
    }

    proptest! {
        /// No encoding of a secret comes through, however the text around it is cut into pieces.
        #[test]
        fn no_encoding_comes_through(secret in "[a-z/+&% ]{0,6}[a-z0-9]{6,12}", form in 0..6usize, cut in 0..64usize) {
            let mask = mask(&[&secret]);
            let encoded = encodings(secret.trim())[form].clone();
            let text = format!("before {encoded} after");
            let cut = text.floor_char_boundary(cut.min(text.len()));
            let mut masked = Masked::default();
            let mut shown = masked.push(&mask, text.as_bytes()[..cut].to_vec());
            shown.extend(masked.push(&mask, text.as_bytes()[cut..].to_vec()));
            shown.extend(masked.end(&mask));
            let shown = String::from_utf8(shown).unwrap();
            prop_assert!(!shown.contains(&encoded), "{shown}");
            prop_assert!(shown.contains("***"), "{shown}");
        }

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
