//! What a shell is offered while somebody types. Names of images, steps and files are a project's, and a shell that takes
//! one into the line runs what it says.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use crate::text::is_hidden;

/// The shells that can complete.
pub(super) const SHELLS: Shells<'static> = Shells(&[
    &Careful(Bash, Quotes::Nothing),
    &Careful(Elvish, Quotes::Itself),
    &Careful(Fish, Quotes::Itself),
    &Careful(Powershell, Quotes::Nothing),
    &Careful(Zsh, Quotes::Itself),
]);

/// Whether a shell quotes what it takes into the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Itself,
    Nothing,
}

/// A shell that is offered only what it cannot take for more than a word, and what a person sees as it is.
struct Careful<S>(S, Quotes);

impl<S: EnvCompleter> EnvCompleter for Careful<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn is(&self, name: &str) -> bool {
        self.0.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> Result<(), io::Error> {
        self.0.write_registration(var, name, bin, completer, buf)
    }

    fn write_complete(
        &self,
        cmd: &mut clap::Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn Write,
    ) -> Result<(), io::Error> {
        let mut all = Vec::new();
        self.0.write_complete(cmd, args, current_dir, &mut all)?;
        let between = std::env::var("_CLAP_IFS").ok().filter(|between| !between.is_empty());
        let between = between.as_deref().unwrap_or("\n");
        let all = String::from_utf8_lossy(&all);
        let fits = |one: &&str| match self.1 {
            // Words about a candidate stand behind a tab.
            Quotes::Nothing => one.split('\t').next().unwrap_or_default().chars().all(is_plain),
            Quotes::Itself => !one.chars().any(|c| c != '\t' && is_hidden(c)),
        };
        let kept: Vec<&str> = all.split(between).filter(fits).collect();
        buf.write_all(kept.join(between).as_bytes())
    }
}

/// Whether a character means itself to every shell.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || " ._@:/+,%=-".contains(c)
}
