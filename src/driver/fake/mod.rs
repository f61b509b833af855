//! A driver without machines: it keeps the rules of the stages, records what it is asked, answers
//! from a script, and fails or hangs where it is told to. What it shows of an executor, it shows in
//! milliseconds.

mod instance;
mod machine;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;

use crate::model::{Arch, DiskLayout};
use crate::packages::{Manager, SystemFiles};
use crate::text::Digest;

use super::inspect::{Facts, Init, Kernel, RootFs};
use super::registry::usual_disks;
use super::{
    Disks, Driver, DriverError, ExecEnd, Firmware, Instance, InstanceSpec, Machine, MachineSpec, Op, Publish,
    Stage, Start,
};
use instance::FakeInstance;
use machine::FakeMachine;

/// One thing a machine was asked, in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A machine started; with [`Start::Firmware`] it is booted at once.
    Start(Start),
    /// An instance started, with these ports.
    Run(Vec<Publish>),
    /// [`Machine::inspect`]: the answer is what the script says of the disk, else a Debian 13.
    Inspect,
    /// [`Machine::mount`].
    Mount,
    /// [`Machine::view`].
    View,
    /// [`Machine::tree`].
    Tree,
    /// [`Machine::read_files`], with the paths.
    ReadFiles(Vec<String>),
    /// [`Machine::digests`], with the number of paths.
    Digests(usize),
    /// [`Machine::unmount`].
    Unmount,
    /// The script's name, or the command line; and the user.
    Exec {
        /// Name of the script, or the words of the command line with spaces between.
        what: String,
        /// Account it runs as, such as `root`.
        user: String,
    },
    /// The command on a terminal.
    Shell(String),
    /// Paths of the archive, in order.
    Put(Vec<String>),
    /// [`Machine::get`], with the path in the image.
    Get(String),
    /// [`Machine::grow_root`].
    GrowRoot,
    /// [`Machine::boot`].
    Boot,
    /// [`Machine::save`].
    Save,
    /// A machine went on that was saved: [`Driver::resume`].
    Resume,
    /// [`Machine::offline`].
    Offline,
    /// [`Machine::cut`].
    Cut,
    /// [`Machine::trim`].
    Trim,
    /// [`Machine::power_off`].
    PowerOff,
    /// The machine was dropped while it ran.
    Killed,
}

impl Event {
    /// The operation's name, as [`FakeDriver::fail`] and [`FakeDriver::hang`] take it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Run(_) => "run",
            Self::Inspect => "inspect",
            Self::Mount => "mount",
            Self::View => "view",
            Self::Tree => "tree",
            Self::ReadFiles(_) => "read_files",
            Self::Digests(_) => "digests",
            Self::Unmount => "unmount",
            Self::Exec { .. } => "exec",
            Self::Shell(_) => "shell",
            Self::Put(_) => "put",
            Self::Get(_) => "get",
            Self::GrowRoot => "grow_root",
            Self::Boot => "boot",
            Self::Save => "save",
            Self::Resume => "resume",
            Self::Offline => "offline",
            Self::Cut => "cut",
            Self::Trim => "trim",
            Self::PowerOff => "power_off",
            Self::Killed => "killed",
        }
    }
}

/// What happens instead of an operation.
enum Mishap {
    Fail(DriverError),
    Hang,
}

/// How a command that matches is answered.
struct Scripted {
    needle: String,
    output: String,
    ends: VecDeque<ExecEnd>,
}

#[derive(Default)]
struct Script {
    events: Vec<Event>,
    started: usize,
    facts: Option<Facts>,
    files: BTreeMap<String, Vec<u8>>,
    layout: DiskLayout,
    commands: Vec<Scripted>,
    saves: bool,
    /// By operation: how many more times it works before the mishap.
    mishaps: Vec<(String, usize, Option<Mishap>)>,
    chaos: Option<Chaos>,
}

impl Script {
    /// A file by its path in bytes.
    fn file(&self, path: &[u8]) -> Option<&Vec<u8>> {
        self.files.get(std::str::from_utf8(path).ok()?)
    }
}

/// Mishaps by chance, the same for the same seed.
struct Chaos {
    state: u64,
    /// Of a thousand operations, so many fail.
    failing: u64,
}

impl Chaos {
    /// Marsaglia's xorshift: good enough to shuffle.
    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % bound
    }
}

/// The fake driver; clones share script and record.
#[derive(Clone)]
pub struct FakeDriver {
    script: Arc<Mutex<Script>>,
}

impl std::fmt::Debug for FakeDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeDriver").finish_non_exhaustive()
    }
}

impl Default for FakeDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeDriver {
    /// A driver whose every operation works, on a Debian 13 disk.
    #[must_use]
    pub fn new() -> Self {
        Self { script: Arc::default() }
    }

    /// What an inspection finds.
    #[must_use]
    pub fn facts(self, facts: Facts) -> Self {
        self.script().facts = Some(facts);
        self
    }

    /// What [`Machine::view`] answers; without it, a disk of which nothing is known.
    #[must_use]
    pub fn layout(self, layout: DiskLayout) -> Self {
        self.script().layout = layout;
        self
    }

    /// A file that the image has.
    #[must_use]
    pub fn file(self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.script().files.insert(path.into(), content.into());
        self
    }

    /// Commands whose script name, text or command line contains `needle` print `output` and end
    /// as `ends` says, one after the other, the last for good. The first rule that matches counts.
    #[must_use]
    pub fn command(self, needle: impl Into<String>, output: impl Into<String>, ends: &[ExecEnd]) -> Self {
        let ends = ends.iter().copied().collect();
        self.script().commands.push(Scripted { needle: needle.into(), output: output.into(), ends });
        self
    }

    /// Its machines can be saved, and gone on with by [`Driver::resume`].
    #[must_use]
    pub fn saving(self) -> Self {
        self.script().saves = true;
        self
    }

    /// The operation of this name fails after it has worked `after` times; then it works again.
    #[must_use]
    pub fn fail(self, operation: &str, after: usize, fault: DriverError) -> Self {
        self.script().mishaps.push((operation.to_owned(), after, Some(Mishap::Fail(fault))));
        self
    }

    /// The operation of this name never comes back after it has worked `after` times.
    #[must_use]
    pub fn hang(self, operation: &str, after: usize) -> Self {
        self.script().mishaps.push((operation.to_owned(), after, Some(Mishap::Hang)));
        self
    }

    /// Every operation takes a while (it gives way to others, up to seven times), and of a thousand so many
    /// fail in one way or another; what exactly happens follows from the seed.
    #[must_use]
    pub fn chaos(self, seed: u64, failing: u64) -> Self {
        // Of a state of 0 nothing ever comes.
        self.script().chaos = Some(Chaos { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, failing });
        self
    }

    /// How many machines were started and neither powered off nor killed.
    #[must_use]
    pub fn running(&self) -> usize {
        let script = self.script();
        let count =
            |wanted: &[&str]| script.events.iter().filter(|event| wanted.contains(&event.name())).count();
        script.started - count(&["power_off", "killed"]).min(script.started)
    }

    /// Everything asked so far, by any machine, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.script().events.clone()
    }

    /// Everything asked so far, by name.
    #[must_use]
    pub fn operations(&self) -> Vec<&'static str> {
        self.script().events.iter().map(Event::name).collect()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives way to others and has a mishap, if that is how it falls out.
    async fn chance(&self, doing: &str) -> Result<(), DriverError> {
        let (turns, mishap) = {
            let mut script = self.script();
            let Some(chaos) = &mut script.chaos else { return Ok(()) };
            (chaos.below(8), (chaos.below(1000) < chaos.failing).then(|| chaos.below(4)))
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        let doing = doing.to_owned();
        let console = String::new();
        match mishap {
            None => Ok(()),
            Some(0) => Err(DriverError::HostFull),
            Some(1) => Err(DriverError::MachineEnded { end: super::End::PoweredOff, doing, console }),
            Some(2) => Err(DriverError::Protocol { detail: doing }),
            Some(_) => {
                let after = std::time::Duration::from_secs(1);
                Err(DriverError::Hang { doing, after, console, screen: None })
            }
        }
    }

    /// Records an event, and has the mishap that is due.
    async fn happen(&self, event: Event) -> Result<(), DriverError> {
        self.chance(event.name()).await?;
        let mishap = {
            let mut script = self.script();
            let name = event.name();
            script.events.push(event);
            let mut due = None;
            for (operation, after, mishap) in &mut script.mishaps {
                if operation == name && mishap.is_some() {
                    if *after == 0 {
                        due = mishap.take();
                        break;
                    }
                    *after -= 1;
                }
            }
            due
        };
        match mishap {
            None => Ok(()),
            Some(Mishap::Fail(fault)) => Err(fault),
            Some(Mishap::Hang) => std::future::pending().await,
        }
    }

    async fn do_start(&self, spec: MachineSpec) -> Result<Box<dyn Machine>, DriverError> {
        self.happen(Event::Start(spec.start)).await?;
        let stage = match spec.start {
            Start::Offline => Stage::Offline,
            Start::Firmware(_) => Stage::Booted,
        };
        self.script().started += 1;
        Ok(Box::new(FakeMachine::new(self.clone(), stage, spec)))
    }
}

impl Driver for FakeDriver {
    fn note(&self) -> Option<&str> {
        None
    }

    fn is_accelerated(&self) -> bool {
        false
    }

    /// Files are real: nothing is gained by others.
    fn disks(&self) -> Arc<dyn Disks> {
        usual_disks()
    }

    fn start(&self, spec: MachineSpec) -> Op<'_, Box<dyn Machine>> {
        self.do_start(spec).boxed()
    }

    fn make(&self, spec: &MachineSpec) -> Option<Digest> {
        let make = format!("{} {} {:?}", spec.cpus, spec.memory_mib, spec.network);
        self.script().saves.then(|| Digest::of(make))
    }

    fn resume<'a>(&'a self, spec: MachineSpec, from: &'a Path) -> Op<'a, Box<dyn Machine>> {
        async move {
            self.happen(Event::Resume).await?;
            let host = |source| DriverError::Host { doing: "resume".into(), source };
            let disk = spec.disks.first().map(|disk| disk.path.clone()).unwrap_or_default();
            std::fs::copy(from.join(machine::SAVED_DISK), disk).map_err(host)?;
            self.script().started += 1;
            Ok(Box::new(FakeMachine::new(self.clone(), Stage::Booted, spec)) as Box<dyn Machine>)
        }
        .boxed()
    }

    /// An instance whose console says what is typed, and that ends when its power button is pressed.
    fn run(&self, spec: InstanceSpec) -> Op<'_, Box<dyn Instance>> {
        async move {
            self.happen(Event::Run(spec.published)).await?;
            self.script().started += 1;
            Ok(Box::new(FakeInstance::new(self.clone())?) as Box<dyn Instance>)
        }
        .boxed()
    }
}

/// Facts of a small Debian system of this version, such as `13`.
#[must_use]
pub fn debian(version: &str) -> Facts {
    let mut files = SystemFiles::default();
    let manager = Manager::default();
    let arch = Arch::default();
    for (path, text) in
        manager.base_maker().into_iter().flat_map(|maker| maker.first_files(manager.arch(arch)))
    {
        files.insert(format!("/{path}"), text);
    }
    let release = format!("6.12.1-cloud-{}", manager.arch(arch));
    let os_release = [("ID", "debian"), ("VERSION_ID", version)];
    Facts {
        os_release: os_release.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        arch: arch.to_string(),
        root: RootFs {
            device: "vda1".into(),
            fs_type: "ext4".into(),
            size: 3 << 30,
            free: 2 << 30,
            last_partition: true,
        },
        kernels: vec![Kernel { path: format!("/boot/vmlinuz-{release}"), release }],
        init: Init::Systemd,
        default_user: None,
        files,
        units: Vec::new(),
        firmware: vec![Firmware::Bios, Firmware::Uefi],
    }
}
