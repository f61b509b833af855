//! Satisfied, or why not: a lock against what the ImageFile says now, point by point.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{LockedBase, LockedImage, LockedRepository, LockedSource, OptionValue};

/// One point in which the lock and the ImageFile part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Who may put it right.
    pub class: Class,
    /// The difference itself; `Display` words it for people.
    pub point: Point,
}

/// What may be done about a [`Reason`] without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The user's own file changed. The lock records its digest; nothing has to be chosen anew, and
    /// `build` writes the new one unless `--locked` is given.
    Input,
    /// The lock holds nothing about it yet: `build` adds it, unless `--locked` is given.
    Missing,
    /// The lock says something else, or something more: only `lock --update` changes that.
    Changed,
}

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// The `os` statement resolves to another system.
    System {
        /// Such as `debian 12`.
        locked: String,
        /// Such as `debian 13`.
        wanted: String,
    },
    /// The `arch` statement has changed.
    Arch {
        /// Such as `x86_64`.
        locked: String,
        /// Such as `aarch64`.
        wanted: String,
    },
    /// The base is another one.
    Base {
        /// Such as `debian-13 1`, `the file disk.qcow2`, `the image "base"`.
        locked: String,
        /// In the form of `locked`.
        wanted: String,
    },
    /// The same base, of another content.
    BaseContent {
        /// In the form of [`Point::Base`]'s `locked`.
        name: String,
    },
    /// An `app` statement that the lock has no entry for.
    AppAdded {
        /// Such as `nginx`.
        name: String,
    },
    /// An entry of the lock that no `app` statement asks for.
    AppRemoved {
        /// Such as `nginx`.
        name: String,
    },
    /// The resolver chooses another version.
    AppVersion {
        /// Such as `nginx`.
        name: String,
        /// Such as `1.26`.
        locked: String,
        /// Such as `1.28`.
        wanted: String,
    },
    /// The catalogue's entry changed.
    AppDefinition {
        /// Such as `nginx`.
        name: String,
    },
    /// An option has another value, or only one of the two has it.
    AppOption {
        /// Such as `nginx`.
        name: String,
        /// Such as `port`.
        option: String,
        /// As messages show it: `8080`, a text in backticks; `None` if the lock does not have the option.
        locked: Option<String>,
        /// In the form of `locked`; `None` if the application no longer has the option.
        wanted: Option<String>,
    },
    /// A script, file or tree: what its statement reads.
    InputAdded {
        /// Such as `script provision.sh`.
        name: String,
    },
    /// A script, file or tree that no statement reads any more.
    InputRemoved {
        /// Such as `copy site/`.
        name: String,
    },
    /// The digest of a script, file or tree is another.
    InputChanged {
        /// Such as `copy site/`.
        name: String,
    },
    /// A package archive that the lock does not have, in this form.
    RepositoryAdded {
        /// URL, suite, components, and in parentheses the key's fingerprint.
        url: String,
    },
    /// A package archive of the lock that the image does not have, in this form.
    RepositoryRemoved {
        /// In the form of [`Point::RepositoryAdded`].
        url: String,
    },
    /// A package is asked for, or its removal, that the lock does not list.
    RequestAdded {
        /// As in [`LockedImage::requested`]: `jq`, `nano-`.
        request: String,
    },
    /// A package of the lock, or its removal, that nothing asks for any more.
    RequestRemoved {
        /// As in [`LockedImage::requested`].
        request: String,
    },
    /// `base { upgrade }` has changed.
    Upgrade {
        /// What the ImageFile says; the lock says the opposite.
        wanted: bool,
    },
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { locked, wanted } => write!(f, "the system is {wanted}, the lock has {locked}"),
            Self::Arch { locked, wanted } => write!(f, "the architecture is {wanted}, the lock has {locked}"),
            Self::Base { locked, wanted } => write!(f, "the base is {wanted}, the lock has {locked}"),
            Self::BaseContent { name } => {
                write!(f, "the base {name} is made otherwise than when it was locked")
            }
            Self::AppAdded { name } => write!(f, "the application `{name}` is not in the lock"),
            Self::AppRemoved { name } => {
                write!(f, "the lock has the application `{name}`, the image does not")
            }
            Self::AppVersion { name, locked, wanted } => {
                write!(f, "the application `{name}` is to be {wanted}, the lock has {locked}")
            }
            Self::AppDefinition { name } => {
                write!(f, "the catalogue's entry of the application `{name}` is not the locked one")
            }
            Self::AppOption { name, option, locked, wanted } => {
                let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                write!(
                    f,
                    "the option `{option}` of the application `{name}` is {}, the lock has {}",
                    said(wanted),
                    said(locked)
                )
            }
            Self::InputAdded { name } => write!(f, "{name} is not in the lock"),
            Self::InputRemoved { name } => write!(f, "the lock has {name}, the image does not"),
            Self::InputChanged { name } => write!(f, "{name} has another content than the locked one"),
            Self::RepositoryAdded { url } => write!(f, "the package archive {url} is not in the lock"),
            Self::RepositoryRemoved { url } => {
                write!(f, "the lock has the package archive {url}, the image does not")
            }
            Self::RequestAdded { request } => match request.strip_suffix('-') {
                Some(name) => write!(f, "the removal of the package `{name}` is not in the lock"),
                None => write!(f, "the package `{request}` is not in the lock"),
            },
            Self::RequestRemoved { request } => match request.strip_suffix('-') {
                Some(name) => write!(f, "the lock removes the package `{name}`, the image does not"),
                None => write!(f, "the lock has the package `{request}`, the image does not ask for it"),
            },
            Self::Upgrade { wanted: true } => {
                f.write_str("the base is to be upgraded, in the lock it is not")
            }
            Self::Upgrade { wanted: false } => {
                f.write_str("the base is not to be upgraded, in the lock it is")
            }
        }
    }
}

impl LockedImage {
    /// Why this entry does not satisfy `wanted`, an entry made now for the same image; nothing
    /// when it does. Which packages came out of the choice, the artifact and the size of a
    /// download are answers, not questions: they are not compared.
    #[must_use]
    pub fn stale(&self, wanted: &Self) -> Vec<Reason> {
        let mut reasons = Reasons::default();
        let system = |image: &Self| format!("{} {}", image.os, image.os_version);
        if system(self) != system(wanted) {
            reasons.changed(Point::System { locked: system(self), wanted: system(wanted) });
        }
        if self.arch != wanted.arch {
            reasons.changed(Point::Arch { locked: self.arch.to_string(), wanted: wanted.arch.to_string() });
        }
        reasons.base(&self.base, &wanted.base);
        if self.upgrade != wanted.upgrade {
            reasons.changed(Point::Upgrade { wanted: wanted.upgrade });
        }
        reasons.apps(self, wanted);
        reasons.inputs(self, wanted);
        let repositories = |image: &Self| {
            let one = |one: &LockedRepository| {
                format!("{} {} {} ({})", one.url, one.suite, one.components.join(" "), one.fingerprint)
            };
            image.repositories.iter().map(one).collect::<BTreeSet<_>>()
        };
        let (locked, now) = (repositories(self), repositories(wanted));
        for url in now.difference(&locked).cloned() {
            reasons.missing(Point::RepositoryAdded { url });
        }
        for url in locked.difference(&now).cloned() {
            reasons.changed(Point::RepositoryRemoved { url });
        }
        let requested = |image: &Self| image.requested.iter().cloned().collect::<BTreeSet<_>>();
        let (locked, now) = (requested(self), requested(wanted));
        for request in now.difference(&locked).cloned() {
            reasons.missing(Point::RequestAdded { request });
        }
        for request in locked.difference(&now).cloned() {
            reasons.changed(Point::RequestRemoved { request });
        }
        reasons.0
    }
}

#[derive(Default)]
struct Reasons(Vec<Reason>);

impl Reasons {
    fn input(&mut self, point: Point) {
        self.0.push(Reason { class: Class::Input, point });
    }

    fn missing(&mut self, point: Point) {
        self.0.push(Reason { class: Class::Missing, point });
    }

    fn changed(&mut self, point: Point) {
        self.0.push(Reason { class: Class::Changed, point });
    }

    fn base(&mut self, locked: &LockedBase, wanted: &LockedBase) {
        let kind = |base: &LockedBase| match &base.source {
            LockedSource::Bootstrap { .. } => format!("{} {}", base.name, base.version),
            LockedSource::File { path, .. } => format!("the file {path}"),
            LockedSource::Url { url, .. } => format!("the download {url}"),
            LockedSource::Image { .. } => format!("the image \"{}\"", base.name),
        };
        let content = |base: &LockedBase| match &base.source {
            LockedSource::Bootstrap { recipe, .. } => recipe.clone(),
            LockedSource::File { sha256, .. } | LockedSource::Url { sha256, .. } => sha256.clone(),
            LockedSource::Image { plan } => plan.clone(),
        };
        if kind(locked) != kind(wanted) {
            self.changed(Point::Base { locked: kind(locked), wanted: kind(wanted) });
        } else if content(locked) != content(wanted) {
            let point = Point::BaseContent { name: kind(wanted) };
            // Another image of the project: what changed there is explained there.
            match wanted.source {
                LockedSource::Image { .. } => self.input(point),
                _ => self.changed(point),
            }
        }
    }

    fn apps(&mut self, locked: &LockedImage, wanted: &LockedImage) {
        for (name, now) in &wanted.apps {
            let name = name.clone();
            let Some(then) = locked.apps.get(&name) else {
                self.missing(Point::AppAdded { name });
                continue;
            };
            if then.version != now.version {
                let (locked, wanted) = (then.version.clone(), now.version.clone());
                self.changed(Point::AppVersion { name: name.clone(), locked, wanted });
            }
            if then.definition != now.definition {
                self.changed(Point::AppDefinition { name: name.clone() });
            }
            let keys: BTreeSet<_> = then.options.keys().chain(now.options.keys()).collect();
            for option in keys {
                let value =
                    |options: &BTreeMap<String, OptionValue>| options.get(option).map(ToString::to_string);
                let (locked, wanted) = (value(&then.options), value(&now.options));
                if locked != wanted {
                    self.changed(Point::AppOption {
                        name: name.clone(),
                        option: option.clone(),
                        locked,
                        wanted,
                    });
                }
            }
        }
        for name in locked.apps.keys().filter(|name| !wanted.apps.contains_key(*name)) {
            self.changed(Point::AppRemoved { name: name.clone() });
        }
    }

    fn inputs(&mut self, locked: &LockedImage, wanted: &LockedImage) {
        for (name, now) in &wanted.inputs {
            let name = name.clone();
            match locked.inputs.get(&name) {
                None => self.input(Point::InputAdded { name }),
                Some(then) if then != now => self.input(Point::InputChanged { name }),
                Some(_) => {}
            }
        }
        for name in locked.inputs.keys().filter(|name| !wanted.inputs.contains_key(*name)) {
            self.input(Point::InputRemoved { name: name.clone() });
        }
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(text) => write!(f, "`{text}`"),
            Self::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
        }
    }
}
