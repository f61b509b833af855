//! One machine on its way through the steps of one image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{
    Exit, Failure, Reporter, Stream, What,
    pack::{Pack, Placement},
    project::ProjectFiles,
    tail::Tail,
};
use crate::{
    driver::{self, BootOptions, Exec, ExecEnd, Fault, Machine, MountOptions},
    plan::{Action, ImagePlan, RunAs, ScriptStep, Stage, Step},
    store::Store,
    text::{Digest, Span},
};

/// Where `with` puts project files, and the working directory of scripts that have some.
const PROJECT: &str = "/run/imagefile/project";

/// What the steps of an image need from outside the plan.
pub(super) struct Surroundings<'a> {
    pub image: &'a ImagePlan,
    pub store: &'a Store,
    pub project: &'a dyn ProjectFiles,
    pub reporter: &'a Reporter,
    /// Downloads of `copy url`, by digest.
    pub downloads: &'a BTreeMap<Digest, PathBuf>,
}

/// A running machine and what is around it.
pub(super) struct Session<'a> {
    pub machine: Box<dyn Machine>,
    around: &'a Surroundings<'a>,
}

/// The step an operation belongs to, for its output and its failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub name: &'a str,
    pub span: Option<Span>,
}

impl Place<'_> {
    pub(super) fn fault(self, fault: Fault) -> Failure {
        Failure::Step { step: self.name.to_owned(), span: self.span, fault }
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(machine: Box<dyn Machine>, around: &'a Surroundings<'a>) -> Self {
        Self { machine, around }
    }

    /// Brings the guest into the state a step needs.
    pub(super) async fn enter(&mut self, stage: Stage) -> Result<(), Failure> {
        match (self.machine.stage(), stage) {
            (driver::Stage::Mounted, Stage::Offline) | (driver::Stage::Booted, Stage::Booted) => {}
            (driver::Stage::Offline, Stage::Offline) => self.machine.mount(MountOptions::default()).await?,
            (driver::Stage::Booted, Stage::Offline) => {
                self.around.reporter.clone().step("shut down", self.machine.offline()).await?;
            }
            (driver::Stage::Offline | driver::Stage::Mounted, Stage::Booted) => {
                self.around.reporter.clone().step("boot", self.machine.boot(BootOptions::default())).await?;
            }
        }
        Ok(())
    }

    /// Does one step of the plan, the guest being in the step's stage.
    pub(super) async fn run(&mut self, step: &Step) -> Result<(), Failure> {
        let place = Place { name: &step.name, span: step.span };
        match &step.action {
            Action::Grow { .. } => {
                self.machine.grow_root().await.map(|_| ()).map_err(|fault| place.fault(fault))
            }
            Action::Packages(change) => super::packages::apply(self, place, change).await,
            Action::App(app) => {
                if !app.files.is_empty() {
                    let mut pack = self.pack();
                    for file in &app.files {
                        pack.inline(file)?;
                    }
                    self.put(place, pack).await?;
                }
                match &app.install {
                    Some(script) => self.shell(place, script).await,
                    None => Ok(()),
                }
            }
            Action::DefaultUser { name } => self.shell(place, &super::commands::default_user(name)).await,
            Action::Account(account) => self.shell(place, &super::commands::account(account)).await,
            Action::Copy(copy) => {
                let mut pack = self.pack();
                let download = match &copy.from {
                    crate::plan::CopyFrom::Download { sha256, .. } => self.around.downloads.get(sha256),
                    _ => None,
                };
                pack.copy(copy, self.around.project, download.map(PathBuf::as_path))?;
                self.put(place, pack).await
            }
            Action::Script(script) => self.script(place, script).await,
            Action::Reboot => {
                self.enter(Stage::Offline).await?;
                self.enter(Stage::Booted).await
            }
            Action::Services { units } => self.shell(place, &super::commands::services(units)).await,
            Action::KernelArgs { args } => self.shell(place, &super::commands::kernel_args(args)).await,
            Action::Cleanup(cleanup) => {
                let script: String =
                    cleanup.items.iter().map(|item| format!("{}\n", item.script.trim_end())).collect();
                // Last: nothing may write after it.
                self.shell(place, &format!("{script}{}", super::commands::RELABEL)).await
            }
        }
    }

    pub(super) fn pack(&self) -> Pack {
        Pack::new(self.around.store)
    }

    pub(super) fn image(&self) -> &'a ImagePlan {
        self.around.image
    }

    pub(super) async fn put(&mut self, place: Place<'_>, pack: Pack) -> Result<(), Failure> {
        let tar = pack.finish()?;
        self.machine.put(tar).await.map_err(|fault| place.fault(fault))
    }

    /// Runs a script of ours, or of the catalogue, as root; one without a shebang is for `sh -e`.
    pub(super) async fn shell(&mut self, place: Place<'_>, script: &str) -> Result<(), Failure> {
        let content =
            if script.starts_with("#!") { script.to_owned() } else { format!("#!/bin/sh -e\n{script}") };
        let mut exec = Exec::script(place.name, content);
        exec.timeout = super::commands::TIMEOUT;
        self.exec(place, exec).await
    }

    /// Runs a user's script, again if it may.
    pub(super) async fn script(&mut self, place: Place<'_>, script: &ScriptStep) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            let result = self.script_once(place, script).await;
            match result {
                Err(Failure::Script { .. }) if tries < script.retries => {
                    tries += 1;
                    let pause = std::time::Duration::from_secs(1 << tries.min(6));
                    let text = format!(
                        "`{}` failed; try {} follows in {} s",
                        place.name,
                        tries + 1,
                        pause.as_secs()
                    );
                    self.around.reporter.note(text);
                    tokio::time::sleep(pause).await;
                }
                other => return other,
            }
        }
    }

    async fn script_once(&mut self, place: Place<'_>, script: &ScriptStep) -> Result<(), Failure> {
        if !script.with.is_empty() {
            let mut pack = self.pack();
            for tree in &script.with {
                let to = format!("{PROJECT}/{}", tree.path.trim_end_matches('/'));
                pack.tree(tree, to.trim_end_matches('/'), Placement::READ_ONLY, self.around.project)?;
            }
            self.put(place, pack).await?;
        }
        let mut exec = Exec::script(place.name, script.content.clone());
        exec.user = match &script.user {
            RunAs::Default => Some(self.image().user.clone()),
            RunAs::Root => None,
            RunAs::Named(name) => Some(name.clone()),
        };
        exec.timeout = std::time::Duration::from_secs(script.timeout_secs);
        exec.cwd = (!script.with.is_empty()).then(|| PROJECT.to_owned());
        exec.env = script.env.clone().into_iter().collect();
        let result = self.exec(place, exec).await;
        if !script.with.is_empty() && !matches!(result, Err(Failure::Step { .. })) {
            let removal = Exec::argv(["rm", "-rf", PROJECT]);
            self.machine.exec(removal, &mut |_| {}).await.map_err(|fault| place.fault(fault))?;
        }
        result
    }

    /// Runs a command with its output reported as the step's.
    pub(super) async fn exec(&mut self, place: Place<'_>, exec: Exec) -> Result<(), Failure> {
        let reporter = self.around.reporter;
        let timeout_secs = exec.timeout.as_secs();
        let mut tail = Tail::default();
        let mut sink = |output: driver::Output| {
            let text = String::from_utf8_lossy(&output.bytes).into_owned();
            tail.push(&text);
            let stream = match output.stream {
                driver::Stream::Out => Stream::Stdout,
                driver::Stream::Err => Stream::Stderr,
            };
            reporter.report(What::Output { step: place.name.to_owned(), stream, text });
        };
        let end = self.machine.exec(exec, &mut sink).await.map_err(|fault| place.fault(fault))?;
        let exit = match end {
            ExecEnd::Code(code) => Exit::Status(code),
            ExecEnd::Signal(signal) => Exit::Signal(signal),
            ExecEnd::TimedOut => Exit::TimedOut,
        };
        reporter.report(What::Exited { step: place.name.to_owned(), exit });
        match end {
            ExecEnd::Code(0) => Ok(()),
            end => Err(Failure::Script {
                step: place.name.to_owned(),
                span: place.span,
                end,
                timeout_secs,
                tail: tail.lines(),
            }),
        }
    }
}
