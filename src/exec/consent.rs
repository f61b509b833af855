//! What lies outside a project's folder, and what of that the user lets it read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{
    check::{BaseSource, ImageSpec, SecretSource},
    diagnostic::{Diagnostic, codes},
    store::ProjectFolder,
    text::Span,
};

/// A variable or a file that is not the project's: `env:NAME` or `file:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outside {
    /// An environment variable of this process.
    Env(String),
    /// A file or folder of this machine; absolute once [`located`](Self::located).
    File(PathBuf),
}

impl Outside {
    /// With the path as the file system has it, so that two ways to one file are equal; relative ones start from
    /// `folder`.
    #[must_use]
    pub fn located(self, folder: &Path) -> Self {
        match self {
            Self::Env(_) => self,
            Self::File(path) => {
                let path = folder.join(path);
                Self::File(path.canonicalize().unwrap_or(path))
            }
        }
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(variable) => write!(f, "env:{variable}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl FromStr for Outside {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Ok(Self::Env(name.to_owned()))
            }
            Some(("file", path)) if !path.is_empty() && !path.contains('\0') => Ok(Self::File(path.into())),
            _ => Err("expected `env:VARIABLE` or `file:PATH`"),
        }
    }
}

/// What the user lets one project read outside its folder: by flags, by the user's configuration, or by trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// Where the user says a secret comes from, by the secret's name. It counts instead of what the ImageFile says.
    pub secrets: BTreeMap<String, Outside>,
    /// What may be read if the project asks for it; a folder with all in it.
    pub sources: BTreeSet<Outside>,
}

impl Consent {
    /// Whether the project may read what it asks for.
    #[must_use]
    pub fn allows(&self, source: &Outside) -> bool {
        self.sources.iter().any(|allowed| match (allowed, source) {
            (Outside::File(allowed), Outside::File(path)) => path.starts_with(allowed),
            (allowed, source) => allowed == source,
        })
    }
}

/// Something outside the project that an ImageFile asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What would be read.
    pub source: Outside,
    /// The secret that would come from there; none if it is a disk.
    pub secret: Option<String>,
    /// The statement's own words for it.
    pub span: Span,
}

impl Request {
    /// A disk, by its path as written.
    #[must_use]
    pub fn disk(path: &str, span: Span, project: &ProjectFolder) -> Option<Self> {
        let source = Outside::File(project.outside(path)?);
        Some(Self { source, secret: None, span })
    }

    /// A disk that is open, unless it is one of the project's own: its name may lead to another by now than it did.
    #[must_use]
    pub fn open_disk(file: &File, span: Span, project: &ProjectFolder) -> Option<Self> {
        let source = Outside::File(project.outside_of(file)?);
        Some(Self { source, secret: None, span })
    }

    /// The complaint, unless the user allows it.
    #[must_use]
    pub fn refused(&self, consent: &Consent) -> Option<Diagnostic> {
        if consent.allows(&self.source) {
            return None;
        }
        let Self { source, secret, span } = self;
        let diagnostic = match (secret, source) {
            (Some(name), source) => Diagnostic::new(
                codes::SECRET_UNALLOWED,
                format!("the secret `{name}` comes from outside the project, and you have not allowed that"),
            )
            .label(
                *span,
                match source {
                    Outside::Env(variable) => format!("would get the variable `{variable}`"),
                    Outside::File(path) => format!("would get `{}`", path.display()),
                },
            )
            .help(format!("if its scripts may have it, say so: `--secret {name}={source}`")),
            (None, source) => {
                let path = match source {
                    Outside::File(path) => path.display().to_string(),
                    Outside::Env(_) => source.to_string(),
                };
                Diagnostic::new(
                    codes::FILE_UNALLOWED,
                    format!("the disk `{path}` lies outside the project, and you have not allowed that"),
                )
                .label(*span, "would be read")
                .help(format!("if its scripts may read all that is on it, say so: `--allow-file {path}`"))
            }
        };
        let more = format!("`imgfile explain {}` shows how to allow it for good", diagnostic.code);
        Some(diagnostic.help(more))
    }
}

/// The secrets of an image that come from outside the project by its own words.
#[must_use]
pub fn secrets_outside(image: &ImageSpec, project: &ProjectFolder) -> Vec<Request> {
    let request = |secret: &crate::check::Secret| {
        let source = match &secret.source {
            SecretSource::User => return None,
            SecretSource::Env(variable) => Outside::Env(variable.value.clone()),
            SecretSource::File(path) => Outside::File(project.outside(&path.value)?),
        };
        Some(Request { source, secret: Some(secret.name.value.clone()), span: secret.name.span })
    };
    image.secrets.iter().filter_map(request).collect()
}

/// The disk outside the project that an image starts from by its own words.
#[must_use]
pub fn disk_outside(image: &ImageSpec, project: &ProjectFolder) -> Option<Request> {
    match &image.base.source {
        BaseSource::File { path, .. } => Request::disk(&path.value, path.span, project),
        _ => None,
    }
}

/// What is wrong with the sources of an image's secrets, before any is read.
#[must_use]
pub fn refused_secrets(image: &ImageSpec, project: &ProjectFolder, consent: &Consent) -> Vec<Diagnostic> {
    let outside = secrets_outside(image, project);
    // Where the user names the source, the ImageFile's does not count.
    let own =
        |request: &&Request| !request.secret.as_ref().is_some_and(|name| consent.secrets.contains_key(name));
    let refused = outside.iter().filter(own).filter_map(|request| request.refused(consent));
    let nowhere = image
        .secrets
        .iter()
        .filter(|secret| {
            secret.source == SecretSource::User && !consent.secrets.contains_key(&secret.name.value)
        })
        .map(|secret| sourceless(&secret.name.value, Some(secret.name.span)));
    refused.chain(nowhere).collect()
}

/// The complaint about a secret of which neither the ImageFile nor the user says where it comes from.
pub(super) fn sourceless(name: &str, span: Option<Span>) -> Diagnostic {
    let diagnostic = Diagnostic::new(
        codes::SECRET_MISSING,
        format!("the secret `{name}` has no value: nothing says where it comes from"),
    );
    let diagnostic = match span {
        Some(span) => diagnostic.label(span, "declared here"),
        None => diagnostic,
    };
    diagnostic
        .help(format!("say it: `--secret {name}=env:VARIABLE` or `--secret {name}=file:PATH`"))
        .help("`imgfile explain E0540` shows how to say it for good")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_allowed_is_allowed_and_nothing_near_it() {
        let parse = |text: &str| text.parse::<Outside>().unwrap();
        let sources = ["env:TOKEN", "file:/srv/keys/a", "file:/srv/disks"].map(parse).into();
        let consent = Consent { secrets: BTreeMap::new(), sources };
        for allowed in ["env:TOKEN", "file:/srv/keys/a", "file:/srv/disks/debian.qcow2"] {
            assert!(consent.allows(&parse(allowed)), "{allowed}");
        }
        for other in ["env:TOKENS", "env:token", "file:/srv/keys/ab", "file:/srv/keys", "file:/srv/disks2"] {
            assert!(!consent.allows(&parse(other)), "{other}");
        }
        assert_eq!(parse("file:/a:b").to_string(), "file:/a:b");
        for wrong in ["TOKEN", "env:", "file:", "env:A=B", "http://x"] {
            assert!(wrong.parse::<Outside>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn two_ways_to_one_file_are_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "").unwrap();
        std::os::unix::fs::symlink("key", folder.path().join("link")).unwrap();
        let located = |path: &str| Outside::File(path.into()).located(folder.path());
        assert_eq!(located("link"), located("./key"));
        assert_ne!(located("link"), located("nothing"));
    }
}
