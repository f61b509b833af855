//! How a command ends that cannot go on: what is shown, the exit status, and the way on.

use std::path::Path;

use super::Workspace;
use crate::{
    cli::{Exit, findings, project::Project, screen, settings::Origin, watch::Watch},
    diagnostic::{Cause, Diagnostic, codes},
    exec::{self, BuildError},
    report,
};

impl Workspace {
    /// Shows why something failed; the exit status that goes with it.
    pub(in crate::cli) fn failed(&self, failure: BuildError) -> Exit {
        let (exit, diagnostics) = self.diagnosed(failure);
        show(&diagnostics, &self.project);
        exit
    }

    /// What there is to show of a failure, and the exit status that goes with it.
    pub(in crate::cli) fn diagnosed(&self, failure: BuildError) -> (Exit, Vec<Diagnostic>) {
        let exit = match &failure {
            BuildError::Diagnosed(_) => Exit::Files,
            failure if failure.is_host_defect() => Exit::Host,
            _ => Exit::Failed,
        };
        let diagnostics = failure.located(&self.project.sources).diagnostics();
        let on_host = |diagnostic: &Diagnostic| is_about_the_host(diagnostic);
        let exit = if exit == Exit::Files && diagnostics.iter().any(on_host) { Exit::Host } else { exit };
        (exit, diagnostics)
    }

    /// Ends a build that failed: its record keeps what is shown, and what is shown ends with the way on.
    pub(in crate::cli) fn end_failed(&self, watch: Watch, failures: Vec<BuildError>, way_on: WayOn) -> Exit {
        let messages: Vec<String> = failures.iter().map(ToString::to_string).collect();
        let all: Vec<(Exit, Vec<Diagnostic>)> =
            failures.into_iter().map(|failure| self.diagnosed(failure)).collect();
        let exit = all.first().map_or(Exit::Failed, |(exit, _)| *exit);
        let diagnostics: Vec<Diagnostic> = all.into_iter().flat_map(|(_, diagnostics)| diagnostics).collect();
        watch.diagnosed(&report::human(&diagnostics, &self.project.sources, false));
        let build = watch.build();
        // The view ends before anything else is printed.
        watch.end(exec::Outcome::Failed, Some(&messages.join("; ")));
        show(&diagnostics, &self.project);
        way_on.show(&self.project.path, self.chosen_store(), build, &diagnostics, exit);
        exit
    }
}

impl Workspace {
    /// The store, if the command line chose it.
    fn chosen_store(&self) -> Option<&Path> {
        let store = &self.settings.store;
        matches!(store.origin, Origin::Flag(_)).then_some(store.value.as_path())
    }
}

/// What a person can do after a failure.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct WayOn {
    /// Whether a shell in the failed machine can be had by another run.
    pub shell: bool,
}

impl WayOn {
    fn show(
        self,
        file: &Path,
        store: Option<&Path>,
        build: Option<i64>,
        diagnostics: &[Diagnostic],
        exit: Exit,
    ) {
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
        if self.shell && exit == Exit::Failed {
            let file =
                if file == Path::new("ImageFile") { String::new() } else { format!("{} ", file.display()) };
            lines.push((format!("imgfile build {file}--on-failure shell"), "look around where it failed"));
        }
        let mut codes: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
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

/// Whether this host lacks something, rather than the user's files being wrong.
fn is_about_the_host(diagnostic: &Diagnostic) -> bool {
    // Where a checksum stands in the user's files, that is what may be wrong.
    let unasked = diagnostic.code == codes::DOWNLOAD_WRONG && diagnostic.labels.is_empty();
    diagnostic.code.cause() == Cause::Host || unasked
}

/// Shows diagnostics on stderr; says whether none is an error.
pub(super) fn show(found: &[Diagnostic], project: &Project) -> bool {
    findings::show(found, &project.sources);
    let errors = found.iter().any(Diagnostic::is_error);
    if let (true, Some(summary)) = (errors, report::summary(found)) {
        screen::say!("{summary}");
    }
    !errors
}
