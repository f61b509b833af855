//! Bases that are disks already: `base file`, and `base url` once it is downloaded.
//!
//! The disk is looked at with suspicion, copied into the store (so that a later change of the
//! user's file cannot pull the ground from under a layer) and inspected in a machine, once for each
//! content. The copy of a disk that cannot be built upon goes again.

use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{
        Disk, DiskAccess, DiskError, DiskFacts, DiskFile, DiskFormat, Disks, Driver, DriverError,
        FoundFormat, Limits, MachineSpec, Network, Start, inspect,
    },
    exec::BuildError,
    store::{
        Base, BaseSlot, NewBase, Store, StoreError, WorkFolder, copy_whole, digest_of, fetch::FetchError,
        open_regular,
    },
    text::{Checksum, Digest, Span, Spanned},
};

/// Changes when an old copy or old facts would no longer do.
const IMPORT: &str = "import-v1";
const FACTS: &str = "disk-v2";

/// What any disk with a system on it is larger than.
const SMALLEST: u64 = 1 << 20;

/// Of a disk that is not whole.
const PART: &str = "it is only a part of a disk: it refers to another file";

/// The machine of an inspection is small: it only reads.
const MEMORY_MIB: u32 = 512;

/// A disk that a statement names.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// As the ImageFile writes it, for messages.
    pub name: &'a str,
    /// Where it is written.
    pub span: Span,
    /// Where the file is.
    pub path: &'a Path,
    /// What its content must be, if the ImageFile or the lock says.
    pub sha256: Option<Spanned<Digest>>,
    /// It lies in the store, where nobody else changes anything.
    pub is_ours: bool,
}

/// A whole disk of which the store has a copy. It is kept once it was looked into.
#[derive(Debug)]
pub struct DiskImport<'a> {
    copy: Copy<'a>,
    sha256: Digest,
    size: u64,
    virtual_size: u64,
}

/// The store's copy, as it is inside, without anything it may depend on.
#[derive(Debug)]
enum Copy<'a> {
    Kept(Base),
    New(NewBase<'a>),
}

/// A disk that may be built upon.
#[derive(Debug, Clone)]
pub struct ImportedDisk {
    /// The store's copy, qcow2.
    pub base: Base,
    /// Of the user's file.
    pub sha256: Digest,
    /// Bytes of the user's file.
    pub size: u64,
    /// Bytes of the disk.
    pub virtual_size: u64,
    /// What was found in it.
    pub facts: inspect::Facts,
}

/// What the store remembers about a copy.
#[derive(Debug, Serialize, Deserialize)]
struct Copied {
    sha256: Digest,
    virtual_size: u64,
}

/// Opens a disk. What is open stays what it is, whatever gets its name meanwhile.
pub fn open(named: Named<'_>) -> Result<File, BuildError> {
    let metadata = std::fs::metadata(named.path).map_err(|error| unreadable(named, &error))?;
    let no_file =
        || refuse(named, "it is not a regular file", "give a disk image in the format qcow2 or raw");
    if !metadata.is_file() {
        return Err(no_file());
    }
    open_regular(named.path).map_err(|error| match error.raw_os_error() {
        Some(_) => unreadable(named, &error),
        None => no_file(),
    })
}

/// Takes an open disk in, once for each content. Needs neither a machine nor the network.
pub async fn import<'a>(
    (store, disks): (&'a Store, &dyn Disks),
    named: Named<'_>,
    mut file: File,
) -> Result<DiskImport<'a>, BuildError> {
    let metadata = file.metadata().map_err(|error| unreadable(named, &error))?;
    let digested = tokio::task::block_in_place(|| store.digest_open(&mut file, named.path));
    let sha256 = digested.map_err(|error| match error {
        StoreError::Io { source, .. } => unreadable(named, &source),
        error => error.into(),
    })?;
    if let Some(expected) = named.sha256.filter(|expected| expected.value != sha256) {
        return Err(BuildError::Diagnosed(vec![
            Diagnostic::new(
                codes::BASE_CHANGED,
                format!("the base `{}` is not the disk that is pinned", named.name),
            )
            .label(expected.span, "expected this sha256")
            .note(format!("the file's sha256 is {sha256}"))
            .help("if the new content is meant, write its sha256"),
        ]));
    }
    let (copy, virtual_size) = copy((store, disks), named, &file, sha256).await?;
    Ok(DiskImport { copy, sha256, size: metadata.len(), virtual_size })
}

impl DiskImport<'_> {
    /// What an earlier look found.
    #[must_use]
    pub fn known(&self, store: &Store) -> Option<inspect::Facts> {
        store.facts().get(FACTS, &self.sha256)
    }

    /// Boots a machine that only reads the disk.
    pub async fn look(
        &self,
        store: &Store,
        driver: &dyn Driver,
        named: Named<'_>,
    ) -> Result<inspect::Facts, BuildError> {
        let step = format!("look into {}", named.name);
        let fault = |fault| match fault {
            DriverError::Unsupported { what } => unsupported(named, what),
            fault @ DriverError::Windows { .. } => unsupported(named, fault.to_string()),
            fault => BuildError::Step { step: step.clone(), span: Some(named.span), fault },
        };
        let work: WorkFolder =
            store.begin_build(&format!("inspect-{}-{}", self.sha256.short(), std::process::id()))?;
        let run_dir: PathBuf = work.path().join("machine");
        std::fs::create_dir(&run_dir).map_err(|source| BuildError::Io {
            action: "create",
            path: run_dir.clone(),
            source,
        })?;
        let path = match &self.copy {
            Copy::Kept(base) => base.disk.clone(),
            Copy::New(new) => new.disk(),
        };
        let disk = Disk { path, format: DiskFormat::Qcow2, access: DiskAccess::Read };
        let spec = MachineSpec {
            cpus: 1,
            memory_mib: MEMORY_MIB,
            start: Start::Offline,
            disks: vec![disk],
            payload: Vec::new(),
            network: Network::None,
            run_dir,
            limits: Limits::default(),
        };
        let mut machine = driver.start(spec).await.map_err(fault)?;
        let facts = machine.inspect().await.map_err(fault)?;
        machine.power_off().await.map_err(fault)?;
        store.facts().put(FACTS, &self.sha256, &facts)?;
        Ok(facts)
    }

    /// Keeps the copy of a disk that can be built upon.
    pub fn keep(self, facts: inspect::Facts) -> Result<ImportedDisk, BuildError> {
        let Self { copy, sha256, size, virtual_size } = self;
        let base = match copy {
            Copy::Kept(base) => base,
            Copy::New(new) => tokio::task::block_in_place(|| new.commit(&Copied { sha256, virtual_size }))?,
        };
        Ok(ImportedDisk { base, sha256, size, virtual_size, facts })
    }
}

/// What is wrong with the download of a `base url`, at the statement.
#[must_use]
pub fn download_error(error: FetchError, url: &Spanned<String>, checksum: Spanned<Checksum>) -> BuildError {
    let kind = checksum.value.kind();
    let message = error.to_string();
    let (diagnostic, help) = match error {
        FetchError::Store(error) => return error.into(),
        FetchError::Wrong { .. } | FetchError::NotPublished { .. } => {
            let wrong = Diagnostic::new(
                codes::DOWNLOAD_WRONG,
                format!("`{}` is not the disk that is pinned", url.value),
            )
            .label(checksum.span, format!("expected this {kind}"))
            .label(url.span, "has another");
            let wrong = match error {
                FetchError::Wrong { actual, .. } => wrong.note(format!("the download's {kind} is {actual}")),
                _ => wrong,
            };
            (
                wrong,
                "compare with what the publisher says before you write another checksum: the file was replaced, \
                 or somebody changed it on the way",
            )
        }
        FetchError::Gone { .. } => (
            Diagnostic::new(codes::DOWNLOAD_GONE, message).label(url.span, "not found by the server"),
            "publishers remove old images: look for the one that takes its place, and its checksum",
        ),
        FetchError::Refused { .. } => (
            Diagnostic::new(codes::NO_NETWORK, message).label(url.span, "refused by the server"),
            "check the address; a disk that wants a log-in is downloaded by hand, for `base file`",
        ),
        FetchError::Offline { .. } => (
            Diagnostic::new(
                codes::NO_NETWORK,
                "a base is not in the store, and the network is off (--offline)",
            )
            .label(url.span, "not downloaded yet"),
            "run once without `--offline`",
        ),
        FetchError::Slow { .. } => (
            Diagnostic::new(codes::SERVER_TOO_SLOW, message).label(url.span, "comes too slowly"),
            "try again later, or take it from another server: what has arrived is kept, and the next try goes \
             on from there",
        ),
        FetchError::TooLarge { .. } => (
            Diagnostic::new(codes::DOWNLOAD_WRONG, message).label(url.span, "too large"),
            "make room in the store, or look whether the address is right",
        ),
        _ => (
            Diagnostic::new(codes::NO_NETWORK, message).label(url.span, "cannot be downloaded"),
            "check the connection and the setting `proxy` (`imgfile doctor` shows it); what has arrived is \
             kept, and the next try goes on from there",
        ),
    };
    BuildError::Diagnosed(vec![diagnostic.help(help)])
}

/// What is known about a disk without looking into it now: for commands that start no machine.
#[must_use]
pub fn known(store: &Store, path: &Path) -> Option<inspect::Facts> {
    store.facts().get(FACTS, &store.digest_file(path).ok()?)
}

/// Remembers what a look into a disk found, for [`known`].
pub fn remember(store: &Store, path: &Path, facts: &inspect::Facts) -> Result<(), StoreError> {
    store.facts().put(FACTS, &store.digest_file(path)?, facts)
}

/// The copy, made unless it is there.
async fn copy<'a>(
    (store, disks): (&'a Store, &dyn Disks),
    named: Named<'_>,
    file: &File,
    sha256: Digest,
) -> Result<(Copy<'a>, u64), BuildError> {
    let key = Digest::of(format!("{IMPORT} {sha256}"));
    let new = match super::claim(store, &key, || ()).await? {
        BaseSlot::Ready(base) => {
            let copied: Copied = base.meta()?;
            return Ok((Copy::Kept(base), copied.virtual_size));
        }
        BaseSlot::Missing(new) => new,
    };
    // A driver takes names, and what has this name may be exchanged between two looks. In the store nobody does that.
    let own = new.dir().join("given");
    let named = if named.is_ours {
        named
    } else {
        // What cannot be a base anyway is not copied.
        format_of(disks, named, &own_path(file))?;
        tokio::task::block_in_place(|| bring_in(file, &own, sha256)).map_err(|error| match error {
            Some(error) => BuildError::Io { action: "write", path: own.clone(), source: error },
            None => damaged(named).into(),
        })?;
        Named { path: &own, ..named }
    };
    let (format, size) = examine(disks, named).await?;
    match disks.import(DiskFile { path: named.path, format }, &new.disk()).await {
        Ok(()) => Ok((Copy::New(new), size)),
        Err(error) => Err(unusable(named, error)),
    }
}

/// A name that leads to an open file: proc(5).
fn own_path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Copies an open file to a place of ours; nothing as an error says that the content is not this one.
fn bring_in(file: &File, to: &Path, sha256: Digest) -> Result<(), Option<io::Error>> {
    let mut copy = File::options().read(true).write(true).create_new(true).open(to).map_err(Some)?;
    copy_whole(file, &copy).map_err(Some)?;
    copy.rewind().map_err(Some)?;
    if digest_of(&mut copy).map_err(Some)? == sha256 { Ok(()) } else { Err(None) }
}

/// The format of the disk at a path. It is found by its first bytes alone: other formats name files of the host that
/// would be opened.
fn format_of(disks: &dyn Disks, named: Named<'_>, path: &Path) -> Result<DiskFormat, BuildError> {
    let other = match disks.format(path).map_err(|error| unreadable(named, &error))? {
        FoundFormat::Known(format) if format.is_for_machines() => return Ok(format),
        FoundFormat::Known(format) => format.as_str(),
        FoundFormat::Other(name) => name,
    };
    Err(refuse(named, &format!("its format is {other}, and a base is qcow2 or raw"), disks.conversion()))
}

/// Refuses what is no whole, independent disk; answers its format and its bytes.
async fn examine(disks: &dyn Disks, named: Named<'_>) -> Result<(DiskFormat, u64), BuildError> {
    let format = format_of(disks, named, named.path)?;
    let file = DiskFile { path: named.path, format };
    let DiskFacts { size, is_part, encrypted } =
        disks.look(file).await.map_err(|error| unusable(named, error))?;
    if is_part {
        return Err(refuse(named, PART, disks.conversion()));
    }
    if encrypted {
        return Err(refuse(named, "it is encrypted", disks.conversion()));
    }
    if size < SMALLEST {
        let reason = format!("it is a disk of {size} bytes, too small for a system");
        return Err(refuse(named, &reason, "give a disk image in the format qcow2 or raw"));
    }
    // Of a raw disk every file is a sound one.
    if format == DiskFormat::Qcow2 {
        disks.check(file).await.map_err(|error| match error {
            DiskError::Tool { .. } => BuildError::from(damaged(named)),
            error => error.into(),
        })?;
    }
    Ok((format, size))
}

/// What became of a disk: if not the host is at fault, the disk is.
fn unusable(named: Named<'_>, error: DiskError) -> BuildError {
    match error {
        DiskError::Tool { detail, .. } => damaged(named).map_note(&last_line(&detail)).into(),
        DiskError::Damaged { reason, .. } => damaged(named).map_note(&reason).into(),
        error => error.into(),
    }
}

fn unreadable(named: Named<'_>, error: &io::Error) -> BuildError {
    if error.kind() == io::ErrorKind::NotFound {
        return BuildError::Diagnosed(vec![
            Diagnostic::new(codes::BASE_UNUSABLE, format!("there is no disk `{}`", named.name))
                .label(named.span, "not found")
                .help("give a path relative to the ImageFile's folder, or an absolute one"),
        ]);
    }
    refuse(named, &error.to_string(), "give a disk image that this user may read")
}

fn refuse(named: Named<'_>, reason: &str, help: &str) -> BuildError {
    BuildError::Diagnosed(vec![
        Diagnostic::new(codes::BASE_UNUSABLE, format!("`{}` cannot be a base", named.name))
            .label(named.span, reason.to_owned())
            .help(help),
    ])
}

/// A whole disk, and nothing that can be built upon.
fn unsupported(named: Named<'_>, what: String) -> BuildError {
    BuildError::Diagnosed(vec![
        Diagnostic::new(codes::IMAGE_UNSUPPORTED, format!("`{}` cannot be a base", named.name))
            .label(named.span, what)
            .help(
                "take a disk whose root is a plain ext4, xfs or btrfs partition, such as a distribution's \
                 cloud image",
            ),
    ])
}

/// A diagnostic under way to a [`BuildError`].
struct Damage(Diagnostic);

fn damaged(named: Named<'_>) -> Damage {
    Damage(
        Diagnostic::new(codes::BASE_UNUSABLE, format!("the disk `{}` is damaged", named.name))
            .label(named.span, "cut off, or written to while it was copied")
            .help("copy or download it again"),
    )
}

impl Damage {
    fn map_note(self, detail: &str) -> Self {
        if detail.is_empty() { self } else { Self(self.0.note(detail)) }
    }
}

impl From<Damage> for BuildError {
    fn from(damage: Damage) -> Self {
        Self::Diagnosed(vec![damage.0])
    }
}

/// The last words of a tool; a damaged disk makes it say the same thing thousands of times.
fn last_line(said: &str) -> String {
    said.lines().last().unwrap_or_default().chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::qemu::QemuDisks;
    use crate::text::SourceId;
    use std::process::Command as Sync;

    fn named(path: &Path) -> Named<'_> {
        Named { name: "disk", span: Span::new(SourceId(0), 0, 1), path, sha256: None, is_ours: false }
    }

    async fn told(path: &Path) -> String {
        let failure = examine(&QemuDisks, named(path)).await.unwrap_err();
        let diagnostic = failure.diagnostics().remove(0);
        format!("{}: {}", diagnostic.message, diagnostic.labels[0].text)
    }

    fn create(args: &[&str], path: &Path) {
        let made =
            Sync::new("qemu-img").args(["create", "-q"]).args(args).arg(path).arg("64M").status().unwrap();
        assert!(made.success());
    }

    #[tokio::test]
    async fn what_is_no_whole_disk_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        create(&["-f", "qcow2"], &path("good.qcow2"));
        create(&["-f", "vmdk"], &path("other.vmdk"));
        create(&["-f", "qcow2", "-F", "qcow2", "-b", "good.qcow2"], &path("overlay.qcow2"));
        std::fs::write(path("small"), "hello").unwrap();

        let good = examine(&QemuDisks, named(&path("good.qcow2"))).await.unwrap();
        assert_eq!(good, (DiskFormat::Qcow2, 64 << 20));
        assert_eq!(
            told(&path("other.vmdk")).await,
            "`disk` cannot be a base: its format is vmdk, and a base is qcow2 or raw"
        );
        assert_eq!(
            told(&path("overlay.qcow2")).await,
            "`disk` cannot be a base: it is only a part of a disk: it refers to another file"
        );
        assert_eq!(
            told(&path("small")).await,
            "`disk` cannot be a base: it is a disk of 512 bytes, too small for a system"
        );
    }

    #[tokio::test]
    async fn nothing_that_a_disk_names_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        // Whoever opens it waits for ever.
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let pipe = path("pipe").display().to_string();
        std::fs::write(
            path("flat.vmdk"),
            format!(
                "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n\
                 createType=\"monolithicFlat\"\nRW 8192 FLAT \"{pipe}\" 0\n"
            ),
        )
        .unwrap();
        assert_eq!(
            told(&path("flat.vmdk")).await,
            "`disk` cannot be a base: its format is vmdk, and a base is qcow2 or raw"
        );
        // A header that names the pipe as what it stands on, or as where its content is.
        create(&["-f", "qcow2"], &path("good.qcow2"));
        let good = std::fs::read(path("good.qcow2")).unwrap();
        for (name, edit) in [("backed", true), ("elsewhere", false)] {
            let mut bytes = good.clone();
            if edit {
                let at = bytes.len();
                bytes.extend(pipe.bytes());
                bytes[8..16].copy_from_slice(&(at as u64).to_be_bytes());
                bytes[16..20].copy_from_slice(&u32::try_from(pipe.len()).unwrap().to_be_bytes());
            } else {
                bytes[79] |= 4;
            }
            std::fs::write(path(name), bytes).unwrap();
            assert_eq!(
                told(&path(name)).await,
                "`disk` cannot be a base: it is only a part of a disk: it refers to another file"
            );
        }
    }

    #[tokio::test]
    async fn a_truncated_disk_is_noticed_before_anything_boots() {
        let dir = tempfile::tempdir().unwrap();
        let (raw, path) = (dir.path().join("raw"), dir.path().join("disk.qcow2"));
        std::fs::write(&raw, vec![7; 8 << 20]).unwrap();
        let made =
            Sync::new("qemu-img").args(["convert", "-O", "qcow2"]).args([&raw, &path]).status().unwrap();
        assert!(made.success());
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(4 << 20).unwrap();
        assert_eq!(
            told(&path).await,
            "the disk `disk` is damaged: cut off, or written to while it was copied"
        );
        file.set_len(10).unwrap();
        assert!(
            told(&path).await.starts_with("`disk` cannot be a base") || told(&path).await.contains("damaged")
        );
    }
}
