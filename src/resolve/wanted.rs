//! What an image asks of the solve: the part of a Spec that the resolver needs, and no more.

use std::collections::BTreeMap;

use crate::catalog::{OptionValue, Os};
use crate::model::{Arch, Firmware};
use crate::text::{Requirement, Span, Spanned, Version};

/// One image's wishes.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The image's name, at its place.
    pub image: Spanned<String>,
    /// None: taken from the base (`base image`).
    pub os: Option<WantedOs>,
    /// With the span of `arch`, or of the image's name if it is the default.
    pub arch: Spanned<Arch>,
    /// What it says about its base.
    pub base: WantedBase,
    /// The firmware the image must boot with, if it says so.
    pub firmware: Option<Spanned<Firmware>>,
    /// Those the base image brings, then those written, in that order; names are unique.
    pub apps: Vec<WantedApp>,
    /// Bytes.
    pub min_storage: Option<Spanned<u64>>,
}

/// `os linux debian 13`
#[derive(Debug, Clone)]
pub struct WantedOs {
    /// The whole statement.
    pub span: Span,
    /// In lower case, such as `debian`.
    pub distro: Spanned<String>,
    /// On the system's version; `None`: the resolver chooses.
    pub requirement: Option<Spanned<Requirement>>,
}

/// The `base` statement.
#[derive(Debug, Clone)]
pub enum WantedBase {
    /// The resolver chooses.
    Auto,
    /// What is written was not understood: any base may be meant, so none is held against the image.
    Unknown,
    /// `base debian-13 ^1`
    Named {
        /// Of a catalogue entry, such as `debian-13`.
        name: Spanned<String>,
        /// On the version of that entry; `None`: the newest that suits.
        requirement: Option<Spanned<Requirement>>,
    },
    /// `base file`, `base url`, `base image`: outside the catalogue.
    Given {
        /// The path, URL or image name as written, at its place.
        name: Spanned<String>,
        /// What was found in it, if somebody has looked (or, for an image, what it resolved to).
        facts: Option<BaseFacts>,
    },
}

/// What a look into a base outside the catalogue found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseFacts {
    /// The system that it holds.
    pub os: Os,
    /// A disk may hold what nothing here builds: `i386`.
    pub arch: String,
    /// Empty if unknown.
    pub firmware: Vec<Firmware>,
    /// Bytes.
    pub virtual_size: Option<u64>,
    /// Bytes its files take.
    pub used: Option<u64>,
    /// The account that scripts run as unless the ImageFile names one, if it has one.
    pub user: Option<String>,
}

/// `app nginx ^1.26 { port = 8080 }`
#[derive(Debug, Clone)]
pub struct WantedApp {
    /// The whole statement.
    pub span: Span,
    /// Such as `nginx`.
    pub name: Spanned<String>,
    /// On its version; `None`: the newest that suits.
    pub requirement: Option<Spanned<Requirement>>,
    /// In the order written; names are unique.
    pub options: Vec<WantedOption>,
    /// The values of all its options, for one that `base image` brings: it is there already, set up
    /// with these. The spans are those of the `base` statement.
    pub inherited: Option<BTreeMap<String, OptionValue>>,
    /// Something in its options was not understood: nothing can be said to be missing there, and
    /// what it claims is unknown.
    pub doubtful: bool,
}

/// `port = 8080`
#[derive(Debug, Clone)]
pub struct WantedOption {
    /// Such as `port`.
    pub name: Spanned<String>,
    /// As written.
    pub value: Spanned<OptionInput>,
}

/// An option's value as the ImageFile gives it: its type is the declaration's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionInput {
    /// A word, number, size, duration or string: the text without quotes.
    Scalar(String),
    /// `["a", "b"]`, each element without quotes.
    List(Vec<Spanned<String>>),
}

/// What to prefer where the wishes leave a choice.
#[derive(Debug, Clone, Default)]
pub struct Preferences {
    /// The applications' versions in the lock: kept where they are still acceptable.
    pub apps: BTreeMap<String, Version>,
    /// The base in the lock, name and version: kept where it is still acceptable.
    pub base: Option<(String, Version)>,
    /// `--base NAME`: this base or none.
    pub only_base: Option<String>,
}
