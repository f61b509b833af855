//! Why a verb did not do what it was asked to.

use std::fmt;

use crate::{
    diagnostic::{Cause, Diagnostic, codes},
    exec::BuildError,
    store::StoreError,
    text::Sources,
};

/// Who has to change something before the same call can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A file of the project or of the user is wrong, or is in the way.
    Files,
    /// The call is wrong: it names what is not there.
    Usage,
    /// A step or a test failed.
    Failed,
    /// This host, or what it reaches, lacks something.
    Host,
}

impl Class {
    /// Of diagnostics about settings: unless some file is wrong, the host lacks something.
    #[must_use]
    pub fn of_settings(diagnostics: &[Diagnostic]) -> Self {
        let mut errors = diagnostics.iter().filter(|one| one.is_error());
        if errors.all(|one| one.code.cause() == Cause::Host && !one.is_of_call) {
            Self::Host
        } else {
            Self::Files
        }
    }

    /// Of what these diagnostics tell, which would be of this class: where nothing but the words of the call is wrong, it
    /// is of theirs.
    #[must_use]
    pub fn told_by(self, diagnostics: &[Diagnostic]) -> Self {
        let mut errors = diagnostics.iter().filter(|one| one.is_error()).peekable();
        let is_of_call = errors.peek().is_some() && errors.all(|one| one.is_of_call);
        if self == Self::Files && is_of_call { Self::Usage } else { self }
    }

    /// Of a failure that is told by these diagnostics.
    fn of_failure(failure: Self, diagnostics: &[Diagnostic]) -> Self {
        if failure == Self::Files && diagnostics.iter().any(is_about_the_host) { Self::Host } else { failure }
    }
}

/// Whether this host lacks something, rather than the user's files being wrong.
fn is_about_the_host(diagnostic: &Diagnostic) -> bool {
    // Where a checksum stands in the user's files, that is what may be wrong.
    let unasked = diagnostic.code == codes::DOWNLOAD_WRONG && diagnostic.labels.is_empty();
    diagnostic.code.cause() == Cause::Host || unasked
}

/// What went wrong, as data; `report` has renderers for it.
#[derive(Debug)]
pub enum Reason {
    /// One sentence, without a full stop.
    Message(String),
    /// Diagnostics, warnings among them; empty if what is wrong was reported before.
    Diagnosed {
        /// In the order in which they are shown.
        diagnostics: Vec<Diagnostic>,
        /// The files that their spans point into.
        sources: Sources,
        /// Whether they are all that is wrong with a project, so that their number means something.
        is_complete: bool,
    },
}

/// A build, or tests, that had begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Its number in the store's records; none if it could not be recorded.
    pub number: Option<i64>,
}

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub struct Error {
    /// Who has to change something.
    pub class: Class,
    /// What is shown.
    pub reason: Reason,
    /// The build that failed, if it had begun.
    pub build: Option<Begun>,
}

impl Error {
    /// One sentence says it.
    #[must_use]
    pub fn message(class: Class, text: impl Into<String>) -> Self {
        Self { class, reason: Reason::Message(text.into()), build: None }
    }

    /// Diagnostics say it, with the files that they are about.
    #[must_use]
    pub fn diagnosed(class: Class, diagnostics: Vec<Diagnostic>, sources: Sources) -> Self {
        let class = class.told_by(&diagnostics);
        Self { class, reason: Reason::Diagnosed { diagnostics, sources, is_complete: false }, build: None }
    }

    /// What is wrong was reported before.
    #[must_use]
    pub fn already_reported(class: Class) -> Self {
        Self::diagnosed(class, Vec::new(), Sources::default())
    }

    /// All that is wrong with a project.
    #[must_use]
    pub fn of_project(class: Class, diagnostics: Vec<Diagnostic>, sources: &Sources) -> Self {
        let class = class.told_by(&diagnostics);
        let reason = Reason::Diagnosed { diagnostics, sources: sources.clone(), is_complete: true };
        Self { class, reason, build: None }
    }

    /// Failures of `exec`, whose spans point into `sources`; the first of them has the class.
    #[must_use]
    pub fn of_build(failures: Vec<BuildError>, sources: &Sources) -> Self {
        let mut class = None;
        let mut all = Vec::new();
        for failure in failures {
            let own = match &failure {
                BuildError::Diagnosed(_) => Class::Files,
                failure if failure.is_host_defect() => Class::Host,
                _ => Class::Failed,
            };
            let diagnostics = failure.located(sources).diagnostics();
            class.get_or_insert(Class::of_failure(own, &diagnostics));
            all.extend(diagnostics);
        }
        Self::of_project(class.unwrap_or(Class::Failed), all, sources)
    }

    /// The diagnostics that tell it; none if a sentence does.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match &self.reason {
            Reason::Message(_) => &[],
            Reason::Diagnosed { diagnostics, .. } => diagnostics,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Message(text) => f.write_str(text),
            Reason::Diagnosed { diagnostics, .. } => {
                let errors = diagnostics.iter().filter(|one| one.is_error());
                let messages: Vec<&str> = errors.map(|one| one.message.as_str()).collect();
                f.write_str(&messages.join("; "))
            }
        }
    }
}

impl std::error::Error for Error {}

/// What the store refused.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if let StoreError::NotOwn { .. } | StoreError::NotStore { .. } = error {
            return Self::diagnosed(Class::Host, BuildError::from(error).diagnostics(), Sources::default());
        }
        let way_out =
            if error.is_corrupt() { "; `imgfile gc` sets them aside and begins new ones" } else { "" };
        Self::message(Class::Host, format!("{error}{way_out}"))
    }
}
