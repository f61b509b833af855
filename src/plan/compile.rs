//! From what an image says and what was resolved for it, to the steps that make it.

use std::{collections::BTreeMap, sync::Arc};

use super::archives;
use super::{
    AccountStep, Action, AppStep, BasePlan, Cleanup, Conditions, CopyFrom, CopyStep, Gate, GroupStep,
    ImagePlan, InlineFile, Key, MachinePlan, OsPlan, OutputPlan, PackageChange, PlannedPackage, RunAs,
    ScriptStep, SecretPlan, SecretSource, Stage, Step, Test, TestCheck, Tree, UnitState, Walker, WantedUnit,
    key_parts,
};
use crate::{
    check::{self, CopySource, CopySpec, Files, ImageSpec, Script, StepSpec},
    diagnostic::Diagnostic,
    model::{OutputFormat, Package},
    packages::{KeptArchive, Manager, Selected, Solution},
    resolve::{Resolution, ResolvedApp},
    text::{Digest, Span, glob_matches},
};

/// The build machine unless `machine` says otherwise: enough for every application of the built-in
/// catalogue, little enough for two builds at once on a laptop.
const MACHINE: MachinePlan = MachinePlan { cpus: 2, memory_mib: 2048 };
/// The account that needs no making.
const ROOT: &str = "root";
/// How long an application's own check of itself may take, in seconds.
const VERIFY_TIMEOUT: u64 = 600;

/// Everything a plan is made from.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "`Files` is a door, not data")]
pub struct Inputs<'a> {
    /// What the ImageFile says of the image.
    pub spec: &'a ImageSpec,
    /// What the resolver chose for it.
    pub resolution: &'a Resolution,
    /// The pinned base.
    pub base: &'a BasePlan,
    /// Who looks after packages in the image.
    pub manager: Manager,
    /// Exact packages on top of the base.
    pub packages: &'a Solution,
    /// Those that it installs, as the plan has them: [`planned`] of each.
    pub planned: &'a Arc<[PlannedPackage]>,
    /// Bytes that they take unpacked, beyond what they replace.
    pub packages_grow: u64,
    /// Bytes that packages and copies of the images below put on the base: [`growth`](super::growth) of each.
    pub base_grown: u64,
    /// The manager's marks once they are installed.
    pub marks: &'a Arc<str>,
    /// Packages that go before clean-up, and the marks then.
    pub temporary: (&'a [String], &'a Arc<str>),
    /// Where the image gets more of its distribution's archive, if anybody knows.
    pub mirror: Option<&'a str>,
    /// Where copied files, and those of scripts, are read.
    pub files: &'a dyn Files,
    /// Part of every key: another agent may do the same step differently.
    pub agent_version: &'a str,
}

/// Plans one image.
pub fn compile(inputs: Inputs<'_>) -> Result<ImagePlan, Vec<Diagnostic>> {
    let named = inputs.spec.user.as_ref().map(|user| user.value.as_str());
    let user = named.or(inputs.resolution.base.user.as_deref()).unwrap_or(ROOT);
    let network = inputs.spec.network == check::Network::Full;
    let mut compiler = Compiler {
        walker: Walker::new(inputs.files),
        parent: base_key(inputs.base),
        conditions: Conditions { agent_version: inputs.agent_version, user, network },
        env: environment(inputs.spec, inputs.resolution),
        stage: Stage::Offline,
        steps: Vec::new(),
        diagnostics: Vec::new(),
    };
    let disk_size =
        inputs.spec.min_storage.as_ref().map_or(inputs.base.virtual_size, |size| size.value.bytes());
    // Each unit is a power of two: the largest is a multiple of the others.
    let unit = inputs.spec.outputs.iter().map(|output| output.format.size_unit()).max();
    let disk_size = disk_size.next_multiple_of(unit.unwrap_or(1));

    compiler.offline_part(inputs, disk_size);
    for step in inputs.spec.steps.iter().filter(|step| !is_early(step)) {
        compiler.written(step);
    }
    compiler.closing_part(inputs);
    let tests = compiler.tests(inputs.spec, inputs.resolution);
    compiler.diagnostics.extend(super::storage::check(inputs, &compiler.steps));
    if !compiler.diagnostics.is_empty() {
        return Err(compiler.diagnostics);
    }
    let spec = inputs.spec;
    tracing::debug!(image = spec.name.value, steps = compiler.steps.len(), tests = tests.len(), "planned");
    let mut plan = ImagePlan {
        image: spec.name.value.clone(),
        description: spec.description.as_ref().map(|text| text.value.clone()),
        labels: spec
            .labels
            .iter()
            .map(|label| (label.key.value.clone(), label.value.value.clone()))
            .collect(),
        os: OsPlan {
            distro: inputs.resolution.os.distro.clone(),
            version: inputs.resolution.os.version.to_string(),
        },
        arch: inputs.resolution.arch,
        base: inputs.base.clone(),
        disk_size,
        machine: machine(&spec.machine),
        network,
        user: user.to_owned(),
        secrets: spec.secrets.iter().map(secret).collect(),
        steps: compiler.steps,
        tests,
        gate: Gate::of(spec),
        outputs: spec.outputs.iter().map(output).collect(),
    };
    let appliance = plan.appliance();
    let described = |output: &&mut OutputPlan| output.format == OutputFormat::Packed(Package::Ova);
    plan.outputs.iter_mut().filter(described).for_each(|output| output.appliance = Some(appliance.clone()));
    Ok(plan)
}

/// What the first step stands on.
#[must_use]
pub fn base_key(base: &BasePlan) -> Key {
    use super::BaseSource as S;
    match &base.source {
        S::Bootstrap { recipe, packages, .. } => {
            let pins: String = packages.iter().map(|package| format!("{}\n", package.sha256)).collect();
            Key(Digest::of(format!("bootstrap {recipe}\n{pins}")))
        }
        S::File { sha256, .. } | S::Url { sha256, .. } | S::Captured { sha256, .. } => {
            Key(Digest::of(format!("disk {sha256}\n")))
        }
        S::Image { key, .. } => *key,
    }
}

struct Compiler<'a> {
    walker: Walker<'a>,
    parent: Key,
    conditions: Conditions<'a>,
    /// The image's environment: part of every script, and so of every script's key.
    env: BTreeMap<String, String>,
    /// The stage the step before leaves the guest in.
    stage: Stage,
    steps: Vec<Step>,
    diagnostics: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn push(&mut self, name: impl Into<String>, stage: Stage, action: Action, span: Option<Span>) {
        let name = self.unique(name.into());
        let parts = key_parts(&name, stage, &action, self.conditions);
        let key = Key::of(self.parent, &parts);
        self.parent = key;
        self.stage = stage;
        self.steps.push(Step { name, stage, action, key, parts, span });
    }

    /// Two copies of one file need two names.
    fn unique(&self, name: String) -> String {
        let taken = |name: &str| self.steps.iter().any(|step| step.name == name);
        let mut unique = name.clone();
        let mut number = 1;
        while taken(&unique) {
            number += 1;
            unique = format!("{name} ({number})");
        }
        unique
    }

    /// Base, packages, applications, accounts: nothing of the image runs yet.
    fn offline_part(&mut self, inputs: Inputs<'_>, disk_size: u64) {
        let spec = inputs.spec;
        if disk_size != inputs.base.virtual_size {
            let span = spec.min_storage.as_ref().map(|size| size.span);
            self.push("grow the disk", Stage::Offline, Action::Grow { disk_size }, span);
        }
        for preseed in &spec.preseeds {
            let action = Action::Script(preseed_script(&preseed.value));
            self.push("preseed", Stage::Offline, action, Some(preseed.span));
        }
        for step in spec.steps.iter().filter(|step| is_early(step)) {
            self.written(step);
        }
        let solution = inputs.packages;
        if !solution.install.is_empty() || !solution.remove.is_empty() || !solution.now_manual.is_empty() {
            let change = PackageChange {
                install: Arc::clone(inputs.planned),
                remove: solution.remove.clone(),
                marks: Arc::clone(inputs.marks),
                manager: inputs.manager,
            };
            let span = spec.packages.first().map(|package| package.span);
            self.push("packages", Stage::Offline, Action::Packages(change), span);
        }
        for file in archives::files(inputs) {
            if let Some(from) = self.archive_file(file.content) {
                let action = Action::Copy(CopyStep {
                    from,
                    to: file.path,
                    owner: ROOT.to_owned(),
                    group: ROOT.to_owned(),
                    mode: Some(0o644),
                    dir_mode: None,
                });
                self.push(format!("archive {}", file.archive), Stage::Offline, action, Some(file.span));
            }
        }
        for app in inputs.resolution.own_apps() {
            if !app.files.is_empty() || app.install.is_some() {
                let action = Action::App(app_step(app, inputs.manager));
                self.push(format!("app {}", app.name), Stage::Offline, action, app.span);
            }
        }
        let name = self.conditions.user;
        if name != ROOT && (spec.user.is_some() || needs_account(spec, name)) {
            let action = Action::DefaultUser { name: name.to_owned(), temporary: !spec.keep_user };
            self.push(
                format!("user {name}"),
                Stage::Offline,
                action,
                spec.user.as_ref().map(|user| user.span),
            );
        }
        for group in &spec.groups {
            let name = group.name.value.clone();
            let action = GroupStep { name, gid: group.gid.map(|gid| gid.value), system: group.system };
            let name = format!("group {}", group.name.value);
            self.push(name, Stage::Offline, Action::Group(action), Some(group.name.span));
        }
        for account in &spec.accounts {
            let action = Action::Account(AccountStep {
                name: account.name.value.clone(),
                uid: account.uid.as_ref().map(|uid| uid.value),
                gid: account.gid.map(|gid| gid.value),
                home: account.home.as_ref().map(|home| home.value.clone()),
                system: account.system,
                comment: account.comment.as_ref().map(|comment| comment.value.clone()),
                groups: account.groups.iter().map(|group| group.value.clone()).collect(),
                sudo: account.sudo,
                shell: account.shell.as_ref().map(|shell| shell.value.clone()),
                ssh_keys: account.ssh_keys.iter().map(|key| key.value.clone()).collect(),
                password_hash: account.password_hash.as_ref().map(|hash| hash.value.clone()),
            });
            self.push(
                format!("account {}", account.name.value),
                Stage::Offline,
                action,
                Some(account.name.span),
            );
        }
    }

    fn archive_file(&mut self, content: archives::Content<'_>) -> Option<CopyFrom> {
        match content {
            archives::Content::Text(content) => Some(CopyFrom::Text { content }),
            archives::Content::File(path, span) => self.tree(path, span).map(CopyFrom::Tree),
        }
    }

    /// A copy, script or reboot, in the order written.
    fn written(&mut self, step: &StepSpec) {
        match step {
            StepSpec::Copy(copy) => {
                let from = match &copy.source {
                    CopySource::File { path } | CopySource::Folder { path } => path.value.clone(),
                    CopySource::Glob { folder, pattern } => {
                        format!("{}/{pattern}", folder.value).trim_start_matches('/').to_owned()
                    }
                    CopySource::Inline { .. } => "text".to_owned(),
                    CopySource::Url { url, .. } => url.value.clone(),
                };
                if let Some(action) = self.copy(copy) {
                    // A copy works in either stage and changes it for nobody.
                    let from = if from.is_empty() { "./" } else { from.as_str() };
                    let name = format!("copy {from} to {}", copy.dest.value);
                    self.push(name, self.stage, Action::Copy(action), Some(copy.span));
                }
            }
            StepSpec::Script(script) => {
                let stage = if script.offline { Stage::Offline } else { Stage::Booted };
                if let Some(action) = self.script(script) {
                    self.push(
                        format!("script {}", script.name),
                        stage,
                        Action::Script(action),
                        Some(script.span),
                    );
                }
            }
            StepSpec::Reboot(span) => self.push("reboot", Stage::Booted, Action::Reboot, Some(*span)),
        }
    }

    /// Services, kernel arguments, cleanup: the system is at rest again.
    fn closing_part(&mut self, inputs: Inputs<'_>) {
        let spec = inputs.spec;
        if !spec.services.is_empty() {
            let units = spec.services.iter().map(unit).collect();
            let span = spec.services.first().map(|service| service.span);
            self.push("services", Stage::Offline, Action::Services { units }, span);
        }
        if let Some(first) = spec.kernel_args.first() {
            let args = spec.kernel_args.iter().map(|arg| arg.value.clone()).collect();
            self.push("kernel arguments", Stage::Offline, Action::KernelArgs { args }, Some(first.span));
        }
        let (temporary, states) = inputs.temporary;
        if !temporary.is_empty() {
            let change = PackageChange {
                install: Arc::default(),
                remove: temporary.to_vec(),
                marks: Arc::clone(states),
                manager: inputs.manager,
            };
            let span = spec.packages.iter().find(|package| !package.keep).map(|package| package.span);
            self.push("remove packages", Stage::Offline, Action::Packages(change), span);
        }
        let mut cleanup: Cleanup = super::cleanup::of(&spec.cleanup, self.conditions.user);
        if let Some(user) = spec.user.as_ref().filter(|_| !spec.keep_user) {
            cleanup.items.insert(0, super::cleanup::user(&user.value));
        }
        self.push("clean up", Stage::Offline, Action::Cleanup(cleanup), None);
    }

    fn tests(&mut self, spec: &ImageSpec, resolution: &Resolution) -> Vec<Test> {
        let mut tests = Vec::new();
        let units: Vec<String> = spec
            .services
            .iter()
            .filter(|service| service.active && service.state.value == check::ServiceState::Enabled)
            .map(|service| unit(service).unit)
            .collect();
        if !units.is_empty() {
            let span = spec.services.first().map(|service| service.span);
            let check = TestCheck::UnitsActive { units };
            tests.push(Test { name: "services are active".into(), stage: Stage::Booted, check, span });
        }
        for app in &resolution.apps {
            if let Some(verify) = &app.verify {
                let check = TestCheck::Script(verify_script(verify, &self.env));
                let name = format!("verify {}", app.name);
                tests.push(Test { name, stage: Stage::Booted, check, span: app.span });
            }
        }
        for test in &spec.tests {
            let stage = if test.script.offline { Stage::Offline } else { Stage::Booted };
            if let Some(mut script) = self.script(&test.script) {
                // The finished image has no default user any more.
                if !spec.keep_user && script.user == RunAs::Default {
                    script.user = RunAs::Root;
                }
                let check = TestCheck::Script(script);
                tests.push(Test { name: test.name.value.clone(), stage, check, span: Some(test.name.span) });
            }
        }
        tests
    }

    fn copy(&mut self, copy: &CopySpec) -> Option<CopyStep> {
        let dest = &copy.dest.value;
        let (from, to) = match &copy.source {
            CopySource::File { path } => {
                (CopyFrom::Tree(self.tree(&path.value, path.span)?), file_dest(dest, &path.value))
            }
            CopySource::Folder { path } => {
                let to = dest.trim_end_matches('/').to_owned();
                (CopyFrom::Tree(self.tree(&path.value, path.span)?), to)
            }
            CopySource::Glob { folder, pattern } => {
                let to = dest.trim_end_matches('/').to_owned();
                let mut tree = self.tree(&folder.value, folder.span)?;
                tree.entries.retain(|entry| {
                    let name = entry.path.split('/').next().unwrap_or_default();
                    entry.path.is_empty() || glob_matches(pattern, name)
                });
                (CopyFrom::Tree(tree), to)
            }
            CopySource::Inline { text } => (CopyFrom::Text { content: text.value.clone() }, dest.clone()),
            CopySource::Url { url, checksum, unpack, strip } => {
                let to =
                    if *unpack { dest.trim_end_matches('/').to_owned() } else { file_dest(dest, &url.value) };
                let (unpack, strip) = (*unpack, *strip);
                (CopyFrom::Download { url: url.value.clone(), checksum: checksum.value, unpack, strip }, to)
            }
        };
        let owner = copy.owner.as_ref().map_or("root", |owner| &owner.value).to_owned();
        // As `chown USER:` would: the group of the same name, where only the owner is named.
        let group = copy.group.as_ref().map_or_else(|| owner.clone(), |group| group.value.clone());
        Some(CopyStep {
            from,
            to,
            owner,
            group,
            mode: copy.mode.as_ref().map(|mode| mode.value),
            dir_mode: copy.dir_mode.as_ref().map(|mode| mode.value),
        })
    }

    fn script(&mut self, script: &Script) -> Option<ScriptStep> {
        let with: Option<Vec<Tree>> =
            script.with.iter().map(|path| self.tree(&path.value, path.span)).collect();
        let user = match script.user.as_ref().map(|user| user.value.as_str()) {
            // Before a boot the system is being set up, which is root's.
            None if script.offline => RunAs::Root,
            None => RunAs::Default,
            Some(ROOT) => RunAs::Root,
            Some(name) => RunAs::Named(name.to_owned()),
        };
        let mut env = self.env.clone();
        env.extend(script.env.iter().map(|env| (env.key.value.clone(), env.value.value.clone())));
        Some(ScriptStep {
            network: script.network,
            // `check` refuses scripts that are not UTF-8 text.
            content: String::from_utf8_lossy(&script.body.content).into_owned(),
            user,
            env,
            timeout_secs: script.timeout.as_secs(),
            retries: script.retries,
            with: with?,
            secrets: script.secrets.iter().map(|secret| secret.value.clone()).collect(),
            at: Some((script.body.source, script.body.start)),
        })
    }

    fn tree(&mut self, path: &str, span: Span) -> Option<Tree> {
        match self.walker.tree(path) {
            Ok(tree) => Some(tree),
            Err(error) => {
                self.diagnostics.push(error.diagnostic(span));
                None
            }
        }
    }
}

/// Whether a step comes before packages.
const fn is_early(step: &StepSpec) -> bool {
    matches!(step, StepSpec::Copy(copy) if copy.early)
}

/// Whether a script or test of the image runs as this account, its default one, or a copy is to belong to it.
fn needs_account(spec: &ImageSpec, name: &str) -> bool {
    let is = |word: &crate::text::Spanned<String>| word.value == name;
    let runs = |script: &Script| script.user.as_ref().is_none_or(is);
    spec.keep_user && spec.tests.iter().any(|test| runs(&test.script))
        || spec.steps.iter().any(|step| match step {
            StepSpec::Script(script) => runs(script),
            StepSpec::Copy(copy) => [&copy.owner, &copy.group].into_iter().flatten().any(is),
            StepSpec::Reboot(_) => false,
        })
}

/// Where one file goes: into a folder if the destination ends in `/`.
fn file_dest(dest: &str, source: &str) -> String {
    let name = source.rsplit('/').next().unwrap_or(source);
    if dest.ends_with('/') { format!("{dest}{name}") } else { dest.to_owned() }
}

/// A package of the lock, as a step installs it.
#[must_use]
pub fn planned(package: &Selected) -> PlannedPackage {
    PlannedPackage {
        name: package.name.clone(),
        version: package.version.to_string(),
        arch: package.arch.clone(),
        sha256: package.sha256,
        size: package.size,
        stage: package.stage,
        auto: package.auto,
    }
}

fn app_step(app: &ResolvedApp, manager: Manager) -> AppStep {
    let files = app.files.iter().map(|file| InlineFile {
        path: file.path.clone(),
        content: file.content.clone(),
        mode: file.mode,
        owner: file.owner.clone(),
        group: file.group.clone(),
    });
    AppStep {
        app: app.name.clone(),
        version: app.version.to_string(),
        files: repository_files(app, manager).chain(files).collect(),
        install: app.install.clone(),
    }
}

/// The archives an application brings stay in the image's own sources, so that it gets updates.
fn repository_files(app: &ResolvedApp, manager: Manager) -> impl Iterator<Item = InlineFile> {
    let file = |path: String, content: String| InlineFile {
        path,
        content,
        mode: 0o644,
        owner: "root".to_owned(),
        group: "root".to_owned(),
    };
    app.repositories.iter().enumerate().flat_map(move |(number, repository)| -> Vec<InlineFile> {
        let name = if number == 0 { app.name.clone() } else { format!("{}-{}", app.name, number + 1) };
        let components: Vec<&str> = repository.components.iter().map(String::as_str).collect();
        let files = manager.archive_files(&KeptArchive {
            name: &name,
            url: &repository.url,
            suite: &repository.suite,
            components: &components,
            key_is_text: true,
            priority: None,
        });
        let others = files.others.into_iter().map(|other| file(other.path, other.text));
        std::iter::once(file(files.key_path, repository.key.clone())).chain(others).collect()
    })
}

/// Answers for debconf, before any package asks.
fn preseed_script(answers: &str) -> ScriptStep {
    // A line that no answer is.
    let end = format!("answers-end-{}", Digest::of(answers).short());
    ScriptStep {
        network: false,
        content: format!("#!/bin/sh -e\ndebconf-set-selections <<'{end}'\n{}\n{end}\n", answers.trim_end()),
        user: RunAs::Root,
        env: BTreeMap::new(),
        timeout_secs: VERIFY_TIMEOUT,
        retries: 0,
        with: Vec::new(),
        secrets: Vec::new(),
        at: None,
    }
}

fn verify_script(text: &str, env: &BTreeMap<String, String>) -> ScriptStep {
    ScriptStep {
        network: false,
        content: if text.starts_with("#!") { text.to_owned() } else { format!("#!/bin/sh -e\n{text}") },
        user: RunAs::Root,
        env: env.clone(),
        timeout_secs: VERIFY_TIMEOUT,
        retries: 0,
        with: Vec::new(),
        secrets: Vec::new(),
        at: None,
    }
}

fn secret(secret: &check::Secret) -> SecretPlan {
    let source = match &secret.source {
        check::SecretSource::Env(variable) => SecretSource::Env { variable: variable.value.clone() },
        check::SecretSource::File(path) => SecretSource::File { path: path.value.clone() },
        check::SecretSource::User => SecretSource::User,
    };
    SecretPlan { name: secret.name.value.clone(), source, span: Some(secret.name.span) }
}

fn unit(service: &check::Service) -> UnitState {
    let name = &service.name.value;
    let state = match service.state.value {
        check::ServiceState::Enabled => WantedUnit::Enabled,
        check::ServiceState::Disabled => WantedUnit::Disabled,
        check::ServiceState::Masked => WantedUnit::Masked,
    };
    let unit = if name.contains('.') { name.clone() } else { format!("{name}.service") };
    UnitState { unit, state, must_be_active: service.active && state == WantedUnit::Enabled }
}

fn machine(wanted: &check::MachineSize) -> MachinePlan {
    MachinePlan {
        cpus: wanted.cpus.as_ref().map_or(MACHINE.cpus, |cpus| cpus.value),
        memory_mib: wanted.memory.as_ref().map_or(MACHINE.memory_mib, |memory| memory.value.bytes() >> 20),
    }
}

fn environment(spec: &ImageSpec, resolution: &Resolution) -> BTreeMap<String, String> {
    let given = spec.env.iter().map(|env| (env.key.value.clone(), env.value.value.clone()));
    let own = [
        ("IMGFILE_IMAGE", spec.name.value.clone()),
        ("IMGFILE_OS", resolution.os.distro.clone()),
        ("IMGFILE_OS_VERSION", resolution.os.version.to_string()),
        ("IMGFILE_ARCH", resolution.arch.to_string()),
    ];
    given.chain(own.map(|(key, value)| (key.to_owned(), value))).collect()
}

fn output(output: &check::Output) -> OutputPlan {
    let format = output.format;
    let asked = output.compression.as_ref().map(|compression| compression.value);
    let compression = asked.unwrap_or_else(|| format.usual_compression());
    OutputPlan { file: output.file_name(), format, compression, dynamic: output.dynamic, appliance: None }
}
