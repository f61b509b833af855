//! What a session knows: what the client can do, its open texts, and the projects around them.

use std::path::PathBuf;

use super::documents::Documents;
use super::position::Encoding;
use super::projects::Projects;

/// The state that requests are answered from.
#[derive(Debug)]
pub(super) struct Session {
    pub encoding: Encoding,
    /// Those of our commands that the client can run, as it says in its initialization options.
    pub commands: Vec<String>,
    pub documents: Documents,
    pub projects: Projects,
    /// Where compiled-in catalogue files are put to be seen.
    pub shown: Option<PathBuf>,
}

impl Session {
    /// A session with a client of which nothing is known yet.
    pub fn new(shown: Option<PathBuf>) -> Self {
        Self {
            encoding: Encoding::Utf16,
            commands: Vec::new(),
            documents: Documents::default(),
            projects: Projects::default(),
            shown,
        }
    }
}
