//! One machine on its way through the steps of one image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{
    BuildError, EventKind, Exit, Reporter, Stream,
    failed_machine::CommandContext,
    failing_line,
    pack::{Meta, Pack, Placement},
    project::ProjectFiles,
    secret::{Mask, Masked, Secrets},
    tail::Tail,
};
use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{
        self, BootOptions, DriverError, Exec, ExecEnd, Machine, MountOptions,
        init::{self, InitSystem},
    },
    packages::Staged,
    plan::{Action, BaseSource, Cleanup, ImagePlan, PackageChange, RunAs, ScriptStep, Stage, Step, cleanup},
    store::Store,
    text::{Digest, Span},
};

/// Where the guest finds package files.
const PAYLOAD: &str = "/run/imgfile/payload";

/// Where `with` puts project files, and the working directory of scripts that have some.
const PROJECT: &str = "/run/imgfile/project";

/// Where secrets are shown.
const SECRETS: &str = "/run/secrets";
/// A ramfs is a tmpfs that never goes to a swap partition of the image. One that a step before left, because
/// its script could not be run, goes first.
const LAY_SECRETS: &str = "umount -l /run/secrets 2>/dev/null || true
mkdir -p -m 0755 /run/secrets
mount -t ramfs -o mode=0755,nosuid,nodev,noexec imgfile-secrets /run/secrets";
/// Of a list of what clean-up leaves: more than this of it is not read, nor so many shown.
const LEFT_BYTES: u64 = 64 * 1024;
const LEFT_SHOWN: usize = 20;
/// Files that a copy cannot keep as they are, at most so many shown.
const LOSSES_SHOWN: usize = 20;
const TAKE_SECRETS: &str = "rm -f /run/secrets/*
umount -l /run/secrets
rmdir /run/secrets";

/// What the steps of an image need from outside the plan.
pub(super) struct StepContext<'a> {
    pub image: &'a ImagePlan,
    pub store: &'a Store,
    pub project: &'a dyn ProjectFiles,
    pub reporter: &'a Reporter,
    /// Downloads of `copy url`, by the `id` of their checksum.
    pub downloads: &'a BTreeMap<Digest, PathBuf>,
    pub secrets: &'a Secrets,
    /// Hides the secrets in what the guest prints.
    pub mask: Mask,
}

/// A variable, and the same by the name that the build's own variables had before (W0216).
fn with_former_name((name, value): (String, String)) -> impl Iterator<Item = (String, String)> {
    let former = name.strip_prefix("IMGFILE_").map(|rest| (format!("IMAGEFILE_{rest}"), value.clone()));
    former.into_iter().chain([(name, value)])
}

/// A running machine, and what its steps have to do with.
pub(super) struct Session<'a> {
    pub machine: Box<dyn Machine>,
    context: &'a StepContext<'a>,
    console: PathBuf,
    /// How the last command was run, for a shell in its place.
    last_command: CommandContext,
}

/// The step an operation belongs to, for its output and its failure.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepPlace<'a> {
    pub name: &'a str,
    pub span: Option<Span>,
}

impl StepPlace<'_> {
    pub(super) fn fault(self, fault: DriverError) -> BuildError {
        BuildError::Step { step: self.name.to_owned(), span: self.span, fault }
    }

    /// What the end of a command means for the step; `tail` is the last it printed.
    fn verdict(self, end: ExecEnd, timeout_secs: u64, tail: &Tail) -> Result<(), BuildError> {
        if end == ExecEnd::Code(0) {
            return Ok(());
        }
        let (step, tail) = (self.name.to_owned(), tail.lines());
        Err(BuildError::Script { step, span: self.span, line: None, end, timeout_secs, tail })
    }
}

impl<'a> Session<'a> {
    /// `console` is where the machine's console is written.
    pub(super) fn new(machine: Box<dyn Machine>, context: &'a StepContext<'a>, console: PathBuf) -> Self {
        Self { machine, context, console, last_command: CommandContext::default() }
    }

    /// The machine, and how the last command in it was run.
    pub(super) fn into_failed_machine(self) -> (Box<dyn Machine>, CommandContext) {
        (self.machine, self.last_command)
    }

    /// Brings the guest into the state a step needs.
    pub(super) async fn enter(&mut self, stage: Stage) -> Result<(), BuildError> {
        if self.machine.stage() == driver::Stage::Viewed {
            self.machine.unmount().await?;
        }
        match (self.machine.stage(), stage) {
            (driver::Stage::Mounted, Stage::Offline) | (driver::Stage::Booted, Stage::Booted) => {}
            (driver::Stage::Offline | driver::Stage::Viewed, Stage::Offline) => {
                self.machine.mount(MountOptions::default()).await?;
            }
            (driver::Stage::Booted, Stage::Offline) => {
                self.context.reporter.clone().step("shut down", self.machine.offline()).await?;
            }
            (driver::Stage::Offline | driver::Stage::Viewed | driver::Stage::Mounted, Stage::Booted) => {
                let boot = self.machine.boot(BootOptions::default());
                super::boot::step(self.context.reporter, "boot", &self.console, boot).await?;
            }
        }
        Ok(())
    }

    /// Does one step of the plan, the guest being in the step's stage.
    pub(super) async fn run(&mut self, step: &Step) -> Result<(), BuildError> {
        let place = StepPlace { name: &step.name, span: step.span };
        match &step.action {
            Action::Grow { .. } => {
                self.machine.grow_root().await.map(|_| ()).map_err(|fault| place.fault(fault))
            }
            Action::Packages(change) => self.packages(place, change).await,
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
            Action::DefaultUser { name, temporary: false } => {
                self.shell(place, &super::commands::default_user(name)).await
            }
            Action::DefaultUser { name, temporary: true } => self.temporary_user(place, name).await,
            Action::Group(group) => self.shell(place, &super::commands::group(group)).await,
            Action::Account(account) => self.shell(place, &super::commands::account(account)).await,
            Action::Copy(copy) => {
                let mut pack = self.pack();
                let download = match &copy.from {
                    crate::plan::CopyFrom::Download { checksum, .. } => {
                        self.context.downloads.get(&checksum.id())
                    }
                    _ => None,
                };
                pack.copy(copy, self.context.project, download.map(PathBuf::as_path), step.span)?;
                let losses = pack.take_losses();
                for loss in losses.iter().take(LOSSES_SHOWN) {
                    self.context.reporter.note(format!("warning[{}]: {loss}", codes::COPY_LOSES));
                }
                self.put(place, pack).await
            }
            Action::Script(script) => self.script(place, script).await,
            Action::Reboot => {
                self.enter(Stage::Offline).await?;
                self.enter(Stage::Booted).await
            }
            Action::Services { units } => {
                let script = self.init(place).await?.set_units(units);
                self.shell(place, &script).await
            }
            Action::KernelArgs { args } => self.shell(place, &super::commands::kernel_args(args)).await,
            Action::Cleanup(cleanup) => self.clean_up(place, cleanup).await,
        }
    }

    /// Installs and removes in one transaction, and leaves the manager's marks as it would itself. The host hands over
    /// the locked package files; the guest only unpacks and configures.
    async fn packages(&mut self, place: StepPlace<'_>, change: &PackageChange) -> Result<(), BuildError> {
        let manager = change.manager;
        let install: Vec<Staged> =
            change.install.iter().map(|package| Staged { stage: package.stage }).collect();
        self.shell(place, &manager.transaction(PAYLOAD, &install, &change.remove)).await?;
        let mut pack = self.pack();
        pack.parents(manager.marks())?;
        pack.file(manager.marks(), Meta::root(0o644), change.marks.as_bytes())?;
        self.put(place, pack).await
    }

    /// The init system that the image has by now.
    pub(super) async fn init(&mut self, place: StepPlace<'_>) -> Result<&'static dyn InitSystem, BuildError> {
        let found = self.machine.init().await.map_err(|fault| place.fault(fault))?;
        Ok(init::system(found))
    }

    /// Makes an account that clean-up takes away, and so one that nobody had made before.
    async fn temporary_user(&mut self, place: StepPlace<'_>, name: &str) -> Result<(), BuildError> {
        match self.shell(place, &super::commands::temporary_user(name)).await {
            Err(BuildError::Script { end: ExecEnd::Code(super::commands::USER_EXISTS), .. }) => {
                let name: String = name.escape_debug().collect();
                let message =
                    format!("`{name}` is there before the build makes it, and so is not its to take away");
                let diagnostic = Diagnostic::new(codes::USER_OF_BASE, message)
                    .note("the base has this account, or a package or an application brought it")
                    .help("name an account that is not there yet, or leave out `keep = false`");
                Err(BuildError::Diagnosed(vec![match place.span {
                    Some(span) => diagnostic.label(span, "is somebody else's"),
                    None => diagnostic,
                }]))
            }
            other => other,
        }
    }

    /// Clears what the image is not to hold, and names the private keys that are left in it.
    async fn clean_up(&mut self, place: StepPlace<'_>, cleanup: &Cleanup) -> Result<(), BuildError> {
        let mut pack = self.pack();
        let lines = |paths: Vec<String>| -> String { paths.into_iter().map(|path| path + "\n").collect() };
        pack.parents(cleanup::COPIED)?;
        for (path, text) in [
            (cleanup::COPIED, lines(self.image().written_paths()).as_str()),
            (cleanup::KEPT, &lines(cleanup.keep.clone())),
            (cleanup::SHARED, cleanup::FUNCTIONS),
        ] {
            pack.file(path, Meta::root(0o644), text.as_bytes())?;
        }
        self.put(place, pack).await?;
        // Last: nothing may write after it.
        let drivers = super::hypervisors::listing();
        let script = format!("{drivers}{}{}", cleanup::whole(cleanup), super::commands::RELABEL);
        self.shell(place, &script).await?;
        let facts = self.context.store.facts();
        if let Ok(list) = self.machine.get(super::hypervisors::LIST, super::hypervisors::LIST_BYTES).await {
            super::hypervisors::remember(facts, self.image().key(), &String::from_utf8_lossy(&list));
        }
        // Of a machine that is captured nobody knows when it was made.
        let made = match &self.image().base.source {
            BaseSource::Captured { .. } => "no package brought",
            _ => "was made while building",
        };
        for path in self.left(place, cleanup::KEYS_LEFT).await? {
            self.context.reporter.note(format!(
                "warning[{}]: the image holds a private key that {made}, {path}, and all its instances will share it",
                codes::KEY_LEFT,
            ));
        }
        for path in self.left(place, cleanup::USER_LEFT).await? {
            self.context.reporter.note(format!(
                "warning[{}]: {path} belongs to the account that was taken away, and will be that of the next \
                 account with its number",
                codes::OWNER_GONE,
            ));
        }
        Ok(())
    }

    /// What clean-up listed in a file of the guest, as people may see it.
    async fn left(&mut self, place: StepPlace<'_>, list: &str) -> Result<Vec<String>, BuildError> {
        let left = match self.machine.get(list, LEFT_BYTES).await {
            Ok(left) => self.context.mask.text(&String::from_utf8_lossy(&left)),
            // A topic that was not cleared lists nothing.
            Err(DriverError::Refused { .. }) => return Ok(Vec::new()),
            Err(fault) => return Err(place.fault(fault)),
        };
        Ok(left
            .lines()
            .take(LEFT_SHOWN)
            .map(|path| path.chars().flat_map(char::escape_debug).collect())
            .collect())
    }

    pub(super) fn pack(&self) -> Pack {
        Pack::new(self.context.store, self.context.image.disk_size).dated(self.context.project.times())
    }

    pub(super) fn image(&self) -> &'a ImagePlan {
        self.context.image
    }

    pub(super) async fn put(&mut self, place: StepPlace<'_>, pack: Pack) -> Result<(), BuildError> {
        let tar = pack.finish()?;
        self.machine.put(tar).await.map_err(|fault| place.fault(fault))
    }

    /// Runs a script of ours, or of the catalogue, as root; one without a shebang is for `sh -e`.
    pub(super) async fn shell(&mut self, place: StepPlace<'_>, script: &str) -> Result<(), BuildError> {
        let content =
            if script.starts_with("#!") { script.to_owned() } else { format!("#!/bin/sh -e\n{script}") };
        let mut exec = Exec::script(place.name, content);
        exec.timeout = super::commands::TIMEOUT;
        self.exec(place, exec).await
    }

    /// Runs a user's script, again if it may.
    pub(super) async fn script(
        &mut self,
        place: StepPlace<'_>,
        script: &ScriptStep,
    ) -> Result<(), BuildError> {
        let mut tries = 0;
        loop {
            let result = self.script_once(place, script).await;
            match result {
                Err(BuildError::Script { .. }) if tries < script.retries => {
                    tries += 1;
                    let pause = std::time::Duration::from_secs(1 << tries.min(6));
                    let text = format!(
                        "`{}` failed; try {} follows in {} s",
                        place.name,
                        tries + 1,
                        pause.as_secs()
                    );
                    self.context.reporter.note(text);
                    tokio::time::sleep(pause).await;
                }
                other => return other,
            }
        }
    }

    async fn script_once(&mut self, place: StepPlace<'_>, script: &ScriptStep) -> Result<(), BuildError> {
        if !script.with.is_empty() {
            let mut pack = self.pack();
            for tree in &script.with {
                let to = format!("{PROJECT}/{}", tree.path.trim_end_matches('/'));
                pack.tree(tree, to.trim_end_matches('/'), Placement::READ_ONLY, self.context.project)?;
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
        exec.network = script.network;
        exec.cwd = (!script.with.is_empty()).then(|| PROJECT.to_owned());
        exec.env = script.env.clone().into_iter().flat_map(with_former_name).collect();
        if !script.secrets.is_empty() {
            self.lay_secrets(place, script, exec.user.as_deref()).await?;
        }
        if failing_line::is_known(script) {
            let mut pack = self.pack();
            failing_line::lay(&mut pack)?;
            self.put(place, pack).await?;
            exec.env.push(failing_line::variable());
        }
        let mut result = self.exec(place, exec).await;
        self.last_command.env.retain(|(name, _)| name != failing_line::VARIABLE);
        if let Err(BuildError::Script { end: ExecEnd::Code(code), line, .. }) = &mut result
            && failing_line::is_known(script)
        {
            *line = failing_line::of(self.machine.as_mut(), script, *code).await;
        }
        // A machine that could not run the script can do nothing else either.
        if matches!(result, Err(BuildError::Step { .. })) {
            return result;
        }
        if !script.secrets.is_empty() {
            self.quiet(place, TAKE_SECRETS).await?;
        }
        // What failed may be looked at in its surroundings; the next try lays them anew.
        if !script.with.is_empty() && result.is_ok() {
            self.quiet(place, &format!("rm -rf {PROJECT}")).await?;
        }
        result
    }

    /// Shows a script the secrets it names: in memory that is never swapped, for its user only.
    async fn lay_secrets(
        &mut self,
        place: StepPlace<'_>,
        script: &ScriptStep,
        user: Option<&str>,
    ) -> Result<(), BuildError> {
        self.quiet(place, LAY_SECRETS).await?;
        let mut pack = self.pack();
        for name in &script.secrets {
            // The plan's secrets were all looked at before the machine was started.
            let value = self.context.secrets.get(name).unwrap_or_default();
            let meta = Meta { owner: user.unwrap_or("root"), group: "root", mode: 0o400 };
            pack.file(&format!("{SECRETS}/{name}"), meta, value)?;
        }
        self.put(place, pack).await
    }

    /// Runs a small script of ours as root; what it prints matters only if it fails.
    async fn quiet(&mut self, place: StepPlace<'_>, script: &str) -> Result<(), BuildError> {
        let exec = Exec::script(place.name, format!("#!/bin/sh -e\n{script}\n"));
        let timeout_secs = exec.timeout.as_secs();
        let mut tail = Tail::default();
        let mut sink = |output: driver::Output| tail.push(&String::from_utf8_lossy(&output.bytes));
        let end = self.machine.exec(exec, &mut sink).await.map_err(|fault| place.fault(fault))?;
        place.verdict(end, timeout_secs, &tail)
    }

    /// Runs a command with its output reported as the step's.
    pub(super) async fn exec(&mut self, place: StepPlace<'_>, exec: Exec) -> Result<(), BuildError> {
        let reporter = self.context.reporter;
        let timeout_secs = exec.timeout.as_secs();
        self.last_command =
            CommandContext { user: exec.user.clone(), env: exec.env.clone(), cwd: exec.cwd.clone() };
        let mask = &self.context.mask;
        let mut tail = Tail::default();
        let mut streams = [(Stream::Stdout, Masked::default()), (Stream::Stderr, Masked::default())];
        let mut show = |stream: Stream, bytes: Vec<u8>| {
            if !bytes.is_empty() {
                let text = String::from_utf8(bytes)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
                tail.push(&text);
                reporter.report(EventKind::Output { step: place.name.to_owned(), stream, text });
            }
        };
        let mut sink = |output: driver::Output| {
            let (stream, masked) = &mut streams[usize::from(output.stream == driver::Stream::Err)];
            show(*stream, masked.push(mask, output.bytes));
        };
        let end = self.machine.exec(exec, &mut sink).await;
        for (stream, masked) in &mut streams {
            show(*stream, masked.end(mask));
        }
        let end = end.map_err(|fault| place.fault(fault.masked(|text| mask.text(text))))?;
        let exit = match end {
            ExecEnd::Code(code) => Exit::Status(code),
            ExecEnd::Signal(signal) => Exit::Signal(signal),
            ExecEnd::TimedOut => Exit::TimedOut,
        };
        reporter.report(EventKind::Exited { step: place.name.to_owned(), exit });
        place.verdict(end, timeout_secs, &tail)
    }
}
