//! What a person can do after a build that failed.

use std::{collections::BTreeSet, path::Path};

use super::{Exit, failed, screen};
use crate::ops::{Class, Error, Workspace, settings::Origin};

/// What a person can do after a failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct WayOn {
    /// Whether a shell in the failed machine can be had by another run.
    pub shell: bool,
}

impl WayOn {
    /// Shows why a verb failed and, if a build had begun, the way on; the exit status that goes with it.
    pub(super) fn after(self, workspace: &Workspace, error: Error) -> Exit {
        let codes: BTreeSet<&'static str> = error.diagnostics().iter().map(|one| one.code.as_str()).collect();
        let (class, begun) = (error.class, error.build);
        let exit = failed(error);
        if let Some(begun) = begun {
            self.show(workspace, begun.number, codes, class);
        }
        exit
    }

    fn show(self, workspace: &Workspace, build: Option<i64>, codes: BTreeSet<&str>, class: Class) {
        let file = &workspace.project.path;
        let store = &workspace.settings.store;
        let store = matches!(store.origin, Origin::Flag(_)).then_some(&store.value);
        let mut lines = Vec::new();
        // Elsewhere this number is another build.
        let there = store.map_or_else(String::new, |store| format!(" --store {}", store.display()));
        if let Some(build) = build {
            lines.push((format!("imgfile logs {build}{there}"), "everything it printed"));
            lines.push((
                format!("imgfile builds report {build}{there}"),
                "all that is known of it, in one HTML file",
            ));
        }
        if self.shell && class == Class::Failed {
            let file =
                if file == Path::new("ImageFile") { String::new() } else { format!("{} ", file.display()) };
            lines.push((format!("imgfile build {file}--on-failure shell"), "look around where it failed"));
        }
        for code in codes {
            lines.push((format!("imgfile explain {code}"), "what this means, and what helps"));
        }
        let width = lines.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
        if let Some(build) = build {
            screen::say!("build {build} failed");
        }
        for (command, what) in lines {
            screen::say!("  {command:width$}  {what}");
        }
    }
}
