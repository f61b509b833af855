//! An image from the disk of a machine that was there before: looked into, cleaned in an overlay, held to the rules for
//! finished disks, sealed and described as a build does it. The disk itself is only read.

mod accounts;
mod data;
mod image_file;
mod live;
mod managed;
mod mounts;
mod packages;
mod plan;
mod source;
mod system;
mod texts;
mod windows;

pub use self::{
    live::not_copied, managed::not_captured, source::cannot_capture, system::several_systems,
    windows::Answers,
};

use std::{io::Write as _, path::PathBuf, sync::Arc};

use self::{
    data::DataDisk,
    image_file::OfImage,
    source::Source,
    system::{CapturedSystem, look},
    windows::Windows,
};
use super::{
    build,
    error::{Class, Error},
    host_driver,
    inspect::unreadable,
    listener::Listener,
    paths::shown,
    recording::Recording,
    records::here,
    run::{Target, unique},
    settings::Settings,
};
use crate::{
    describe::{DocumentKind, file_name, stem},
    driver::{
        Driver,
        managed::{CopiedFiles, ManagedMachine},
    },
    exec::{
        self, Artifact, BuildError, BuildInputs, DescribeOptions, Executor, Options, ParentDisks,
        ProjectFiles, Reporter, Tests, Times, instance,
    },
    hygiene::Rule,
    model::{CleanupPreset, OutputFormat},
    store::{Records, Store, records::Kind, umask},
    text::Sources,
};

/// What is captured, and what becomes of it.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    /// Where the disk is.
    pub from: CapturedFrom,
    /// Disks beside it with data alone, which become images of their own.
    pub data: Vec<String>,
    /// Name of the image; without it that of the disk's file, or of the machine.
    pub name: Option<String>,
    /// Where the image goes; without it `out` in the working folder.
    pub out: Option<PathBuf>,
    /// What it is written as.
    pub format: OutputFormat,
    /// How much is cleared, and so what is asked of the disk.
    pub preset: CleanupPreset,
    /// Rules that the disk may break.
    pub allow: Vec<&'static Rule>,
    /// Files that imgfile did not write are replaced.
    pub force: bool,
    /// Boots the image under each firmware that it has, and compares two instances.
    pub test: bool,
}

/// Where a disk is.
#[derive(Debug, Clone)]
pub enum CapturedFrom {
    /// In a file: its path, or what `imgfile images` lists.
    Disk(String),
    /// In a machine that runs.
    Machine {
        /// The socket of its emulator's monitor.
        monitor: PathBuf,
        /// The socket of the agent in it.
        guest_agent: Option<PathBuf>,
    },
    /// In a machine that runs Windows, which is made a template first.
    Windows {
        /// The socket of its emulator's monitor.
        monitor: PathBuf,
        /// The socket of the agent in it.
        guest_agent: PathBuf,
        /// What its sysprep is told.
        answers: Answers,
    },
    /// In a machine that libvirt has, whether it runs or not.
    Managed(ManagedMachine),
}

/// What a capture made.
#[derive(Debug)]
pub struct Captured {
    /// The images.
    pub artifacts: Vec<Artifact>,
    /// The ImageFile that was written beside them; none where what was found cannot be said in one, or a file is there.
    pub image_file: Option<PathBuf>,
}

/// No file of a project is read: a disk is all there is.
struct NoFiles;

impl ProjectFiles for NoFiles {
    fn open(&self, path: &str) -> Result<Box<dyn std::io::Read>, BuildError> {
        Err(BuildError::InputChanged { path: path.to_owned() })
    }
}

/// Captures a disk.
///
/// Ends a capture that is dropped: what it used is cleared, and its record says that it was cancelled.
///
/// # Errors
/// `Usage` where it is not clear what is meant; `Files` where the disk holds no system that can be captured, breaks a rule,
/// or a file is in the way; `Failed` for a test; `Host` for what this host lacks.
pub async fn capture(
    options: &CaptureOptions,
    (settings, store): (&Settings, &Arc<Store>),
    records: &Records,
    listener: &dyn Listener,
) -> Result<Captured, Error> {
    let (mut machine, mut data) = (None, Vec::new());
    let target = match &options.from {
        CapturedFrom::Disk(disk) => Some(Target::find(records, Some(disk))?),
        CapturedFrom::Machine { .. } | CapturedFrom::Windows { .. } => None,
        CapturedFrom::Managed(named) => {
            let found = managed::look(settings.driver.value, named, listener).await?;
            machine = Some(found.name);
            found.disks.map(|(first, others)| {
                data = others;
                first
            })
        }
    };
    for disk in &options.data {
        let target = Target::find(records, Some(disk))?;
        data.push((target.name.clone(), target));
    }
    let paths: Vec<&PathBuf> =
        target.iter().chain(data.iter().map(|(_, target)| target)).map(|target| &target.path).collect();
    if let Some(twice) =
        paths.iter().enumerate().find_map(|(at, path)| paths[..at].contains(path).then_some(path))
    {
        let text = format!("`{}` is named twice: a disk is the system's, or has data alone", shown(twice));
        return Err(Error::message(Class::Usage, text));
    }
    let usual = machine.as_deref().or(target.as_ref().map(|target| target.name.as_str()));
    let capture = Capture::of(options, usual, target.as_ref())?;
    let data = capture.data(data, &[])?;
    let folder = here().map(PathBuf::from).or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    let recording = Recording::begin_at(Kind::Capture, store, (&folder, None), listener);
    let paths = data.iter().map(|data| capture.out.join(&data.file)).chain([capture.path.clone()]);
    let paths: Vec<PathBuf> = paths.collect();
    let kept = recording.kept(paths.iter().map(PathBuf::as_path));
    if let Some((path, keeps)) = kept {
        let message = build::kept(path, &keeps);
        recording.end(exec::Outcome::Failed, Some(&message));
        return Err(Error::message(Class::Files, message));
    }
    match capture.run((settings, store), (target, data), recording.reporter()).await {
        Ok(captured) => {
            recording.end(exec::Outcome::Done, None);
            Ok(captured)
        }
        Err(Failure::Build(failure)) => Err(recording.fail(vec![failure], &Sources::default())),
        Err(Failure::Told(error)) => {
            recording.end(exec::Outcome::Failed, Some(&error.to_string()));
            Err(error)
        }
    }
}

/// Why nothing was captured: in the words of a build, or of whoever looked at the disk.
enum Failure {
    Build(BuildError),
    Told(Error),
}

impl<T: Into<BuildError>> From<T> for Failure {
    fn from(failure: T) -> Self {
        Self::Build(failure.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

/// A disk with data, and what its image is called.
struct DataTarget {
    target: Target,
    name: String,
    file: String,
}

/// What is on the disk.
enum System {
    Linux(Box<CapturedSystem>),
    Windows(Windows),
}

/// One image to capture.
struct Capture<'a> {
    options: &'a CaptureOptions,
    /// Of the image.
    name: String,
    out: PathBuf,
    /// Of its file.
    file: String,
    path: PathBuf,
}

impl<'a> Capture<'a> {
    /// An image called as the options say, or else like `usual`.
    fn of(options: &'a CaptureOptions, usual: Option<&str>, target: Option<&Target>) -> Result<Self, Error> {
        let usual = || plain_name(usual.unwrap_or_default());
        let name = options.name.clone().unwrap_or_else(usual);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.len() <= 200
            && name.chars().all(is_plain)
            && options.format.takes_name(&name);
        if !is_name {
            let text = format!(
                "`{name}` is no name for an image: a letter or digit first, then `A-Z a-z 0-9 . _ -`"
            );
            return Err(Error::message(Class::Usage, text));
        }
        let out = options.out.clone().unwrap_or_else(|| "out".into());
        let file = format!("{name}.{}", options.format.extension());
        let path = out.join(&file);
        if target.is_some_and(|target| path.canonicalize().is_ok_and(|there| there == target.path)) {
            return Err(source::onto_itself(&path));
        }
        Ok(Self { options, name, out, file, path })
    }

    /// Names for the images of data disks, other than those of `before`.
    fn data(
        &self,
        targets: impl IntoIterator<Item = (String, Target)>,
        before: &[DataTarget],
    ) -> Result<Vec<DataTarget>, Error> {
        let mut found: Vec<DataTarget> = Vec::new();
        for (called, target) in targets {
            let first = format!("{}-{}", self.name, plain_name(&called));
            let is_taken =
                |name: &String| before.iter().chain(&found).any(|other: &DataTarget| other.name == *name);
            let more = (2..).map(|number| format!("{first}-{number}"));
            let name = std::iter::once(first.clone()).chain(more).find(|name| !is_taken(name));
            let name = name.unwrap_or(first);
            let file = format!("{name}.{}", self.options.format.extension());
            let path = self.out.join(&file);
            if path.canonicalize().is_ok_and(|there| there == target.path) {
                return Err(source::onto_itself(&path));
            }
            found.push(DataTarget { target, name, file });
        }
        Ok(found)
    }

    async fn run(
        &self,
        (settings, store): (&Settings, &Arc<Store>),
        (target, mut data): (Option<Target>, Vec<DataTarget>),
        reporter: &Reporter,
    ) -> Result<Captured, Failure> {
        let build = self.build_options();
        let answers = match &self.options.from {
            CapturedFrom::Windows { answers, .. } => answers.text()?,
            _ => String::new(),
        };
        let files = || std::iter::once(self.file.as_str()).chain(data.iter().map(|data| data.file.as_str()));
        let described: Vec<String> =
            files().map(|file| file_name(stem(file), DocumentKind::Manifest)).collect();
        let names = || files().chain(described.iter().map(String::as_str));
        // Told before the work, not after it.
        exec::output::check(store, &build, names())?;
        exec::output::writable(&build.out, names())?;
        let disks = (settings.driver.value.disks)();
        let driver = host_driver::open(settings, store, reporter).await?;
        let work = store.begin_build(&instance::folder_name(&unique()))?;
        let mut windows = None;
        // They go when the images are made of them.
        let mut _copies = CopiedFiles::default();
        let target = match (target, &self.options.from) {
            (Some(target), _) => target,
            (None, CapturedFrom::Managed(machine)) => {
                let (first, others, files) =
                    managed::copy(settings.driver.value, machine, &work, reporter).await?;
                _copies = files;
                data.extend(self.data(others, &data)?);
                first
            }
            (None, CapturedFrom::Machine { monitor, guest_agent }) => {
                let machine = (monitor.as_path(), guest_agent.as_deref());
                let way = "`--guest-agent SOCKET` has its agent freeze it";
                let copied = live::copy(settings.driver.value, machine, &work, Some(way), reporter).await?;
                data.extend(self.data(copied.1, &data)?);
                copied.0
            }
            (None, CapturedFrom::Windows { monitor, guest_agent, .. }) => {
                let machine = (monitor.as_path(), guest_agent.as_path());
                let generalized =
                    windows::generalize(settings.driver.value, machine, &answers, &work, reporter).await?;
                let (first, others, found) = generalized;
                data.extend(self.data(others, &data)?);
                windows = Some(found);
                first
            }
            (None, CapturedFrom::Disk(_)) => unreachable!("a disk has a target"),
        };
        let target = &target;
        let source = Source::open((store, disks.as_ref()), target, (&work, 0), reporter).await?;
        let system = match windows {
            Some(windows) => System::Windows(windows),
            None => {
                let step = format!("look into {}", target.name);
                let looked = reporter.step(&step, look(driver.as_ref(), &source, &work)).await;
                let system = looked.map_err(|failure| unreadable(failure, &target.name))?;
                system.is_fit(settings.driver.value.capabilities, target, self.options.preset, reporter)?;
                System::Linux(Box::new(system))
            }
        };
        let mut data_disks = Vec::new();
        for (number, DataTarget { target, name, file }) in (1..).zip(data) {
            let source = Source::open((store, disks.as_ref()), &target, (&work, number), reporter).await?;
            let looking = DataDisk::look(source, (name, file), driver.as_ref(), &work);
            data_disks.push(reporter.step(&format!("look into {}", target.name), looking).await?);
        }
        let disks = (&source, &system, &data_disks[..]);
        let artifacts = self.build((settings, store), driver.as_ref(), disks, &build, reporter).await?;
        let System::Linux(system) = &system else { return Ok(Captured { artifacts, image_file: None }) };
        let image_file = artifacts.first().and_then(|artifact| {
            let image = OfImage {
                name: &self.name,
                file: &self.file,
                format: self.options.format,
                sha256: artifact.sha256,
                disk: &source.file,
                size: source.size,
                data: &data_disks,
            };
            self.write_image_file(&image, system, reporter)
        });
        Ok(Captured { artifacts, image_file })
    }

    /// Writes the ImageFile beside the image. Somebody may have worked on one that is there: it stays.
    fn write_image_file(
        &self,
        image: &OfImage<'_>,
        system: &CapturedSystem,
        reporter: &Reporter,
    ) -> Option<PathBuf> {
        let Some(text) = image_file::text(image, system) else {
            reporter.note("no ImageFile is written: what was found cannot be said in one");
            return None;
        };
        let path = self.out.join(format!("{}.imagefile", self.name));
        let written = std::fs::File::create_new(&path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            umask::share(&file, 0o666)
        });
        match written {
            Ok(()) => Some(path),
            Err(error) => {
                reporter.note(format!("no ImageFile is written to {}: {error}", shown(&path)));
                None
            }
        }
    }

    fn build_options(&self) -> Options {
        Options {
            out: self.out.clone(),
            // The one that goes without saying is not a link into somebody else's folders.
            out_given: self.options.out.is_some(),
            force: self.options.force,
            tests: if self.options.test { Tests::All } else { Tests::None },
            // The store keeps results of steps that are done again; a machine is captured once.
            cache: false,
            describe: Some(Arc::new(DescribeOptions {
                time: Times::fixed_time(),
                ..DescribeOptions::default()
            })),
        }
    }

    async fn build(
        &self,
        (settings, store): (&Settings, &Arc<Store>),
        driver: &dyn Driver,
        (source, system, data): (&Source, &System, &[DataDisk]),
        options: &Options,
        reporter: &Reporter,
    ) -> Result<Vec<Artifact>, BuildError> {
        let inputs = BuildInputs {
            base: source.path.clone(),
            base_format: source.format,
            source: Some(Arc::clone(&source.held)),
            ..BuildInputs::default()
        };
        let executor = Executor {
            store,
            driver,
            project: &NoFiles,
            reporter,
            budget: &build::budget(settings),
            parent_disks: &ParentDisks::default(),
            failed_machines: None,
        };
        let (mut artifacts, entries) = match system {
            System::Linux(system) => {
                let plan = plan::of(self.options, (&self.name, &self.file), source, system);
                let entries = mounts::entries(&system.texts.text("/etc/fstab"));
                (executor.build(&plan, &inputs, options).await?, entries)
            }
            System::Windows(windows) => {
                let names = (self.name.clone(), self.file.clone());
                let plan = windows.plan(names, source, self.options.format);
                (executor.write_data_disk(&plan, &inputs, options).await?, Vec::new())
            }
        };
        for disk in data {
            let plan = disk.plan(&self.name, self.options.format, &entries);
            artifacts.extend(executor.write_data_disk(&plan, &disk.inputs(), options).await?);
        }
        Ok(artifacts)
    }
}

/// A name for an image out of that of a file.
fn plain_name(file: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = file.chars().map(plain).take(100).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { "captured".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_image_a_name_that_is_one() {
        for (file, name) in
            [("web", "web"), ("my disk (2)", "my-disk--2"), ("..", "captured"), ("ä", "captured")]
        {
            assert_eq!(plain_name(file), name);
        }
    }
}
