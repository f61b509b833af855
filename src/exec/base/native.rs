//! Packages set up on this host, with its tools: a program (`mmdebstrap`) unpacks and configures them in a cell of its own,
//! and `mke2fs` fills the root file system from there. No guest boots for it, which under emulation would take
//! longer than all the rest.
//!
//! Root of that cell is nobody on the host, and root of the host is not in it either: it sees the host's programs
//! and one folder, and has no network.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitStatus;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;

use super::{
    repository,
    work::{self, At, OUTPUTS, TAIL_LINES, Work},
};
use crate::{
    cell::{self, Cell, Ids},
    driver::{DriverError, HostNeed, NeedKind},
    exec::BuildError,
    packages::{HostProgram, MANAGERS, NewSystem},
    store::{Scratch, room},
};

/// Room a bootstrap takes while it runs: the system, its packages twice, indexes.
const SCRATCH_BYTES: u64 = 2 << 30;

/// What of the host bases are made with.
#[must_use]
pub fn needs() -> Vec<HostNeed> {
    let makers = MANAGERS.iter().filter_map(|manager| manager.base_maker());
    makers.map(|maker| program(maker.host_program())).chain(FILE_SYSTEMS).collect()
}

/// A package manager's program as a need of the host.
const fn program(program: HostProgram) -> HostNeed {
    need(program.name, program.purpose, program.name, true)
}

const FILE_SYSTEMS: [HostNeed; 3] = [
    need("mke2fs", "makes the bases' file systems", "e2fsprogs", false),
    need("mkfs.fat", "makes the bases' EFI partitions", "dosfstools", false),
    need("mcopy", "fills the bases' EFI partitions", "mtools", false),
];

const fn need(
    name: &'static str,
    purpose: &'static str,
    package: &'static str,
    tells_version: bool,
) -> HostNeed {
    HostNeed { name, purpose, kind: NeedKind::Program { tells_version }, debian: package, fedora: package }
}

/// Why nothing was set up.
pub(super) enum Stopped {
    /// This host lets no cell be made; the reason is for people.
    NoCell(String),
    Failed(BuildError),
}

impl<E: Into<BuildError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Sets the packages up and fills the root file system.
pub(super) async fn set_up(work: &Work<'_>, line: &mut (dyn FnMut(&str) + Send)) -> Result<(), Stopped> {
    if let Some(missing) = &cell::walls().user.missing {
        return Err(Stopped::NoCell(missing.reason.clone()));
    }
    let scratch = work.store.scratch(SCRATCH_BYTES)?;
    let disk: OwnedFd = work.disk.try_clone().at("open", &work.raw)?.into();
    tokio::task::block_in_place(|| prepare(scratch.path(), work, disk.as_raw_fd()))?;
    make(&scratch, work, disk, line).await?;
    tokio::task::block_in_place(|| collect(&scratch.path().join("out"), work))?;
    Ok(())
}

/// Lays out what the program and its hooks read.
fn prepare(scratch: &Path, work: &Work<'_>, disk: RawFd) -> Result<(), BuildError> {
    let recipe = work.recipe;
    let repository = scratch.join("repository");
    for folder in [&repository, &scratch.join("out")] {
        fs::create_dir(folder).at("create", folder)?;
    }
    repository::write(&repository, work)?;

    let known = work::assignments(recipe.virtual_size, &work.ids);
    let here = shell_word(scratch);
    let scripts = work.maker.scripts();
    let texts = [
        ("native.sh", format!("{known}here={here}\ndisk_fd={disk}\n{}", scripts.native)),
        ("tidy.sh", format!("{known}{}", scripts.tidy)),
        ("export.sh", scripts.export.to_owned()),
        ("mke2fs.conf", work::MKE2FS_CONF.to_owned()),
        ("finish.sh", recipe.finish.clone().unwrap_or_default()),
    ];
    for (name, text) in texts {
        let path = scratch.join(name);
        fs::write(&path, text).at("write", &path)?;
    }
    let path = scratch.join("files.tar");
    File::create_new(&path).and_then(|file| work::write_files(file, work)).at("write", &path)
}

async fn make(
    scratch: &Scratch<'_>,
    work: &Work<'_>,
    disk: OwnedFd,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<(), Stopped> {
    let recipe = work.recipe;
    let maker = program(work.maker.host_program());
    let system = NewSystem {
        arch: &recipe.arch,
        wanted: &recipe.wanted,
        suite: &recipe.suite,
        folder: scratch.path(),
    };
    let mut cell = Cell::new(maker.name);
    cell.ids(Ids::System)
        .proc()
        .write(scratch.path())
        .inherit(disk)
        .file_size(recipe.virtual_size.max(SCRATCH_BYTES))
        .args(work.maker.host_arguments(&system))
        .env("HOME", "/root")
        .env("TMPDIR", scratch.path())
        .env("MKE2FS_CONFIG", scratch.path().join("mke2fs.conf"));
    for (name, value) in work.maker.environment() {
        cell.env(name, value);
    }
    let (status, tail) = run(maker, cell, line).await?;
    if status.success() {
        return Ok(());
    }
    if tail.iter().any(|line| room::says_full(line)) {
        return Err(BuildError::from(DriverError::HostFull).into());
    }
    Err(BuildError::HostTool { program: maker.name, detail: tail.join("\n") }.into())
}

/// Runs the program to its end; its last lines come back for a message. Dropped, it ends all of it.
async fn run(
    maker: HostNeed,
    mut cell: Cell,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<(ExitStatus, Vec<String>), Stopped> {
    let path = Path::new(maker.name);
    let (words, writer) = io::pipe().at("make a pipe for", path)?;
    cell.stderr(writer);
    // It holds the writing end, which has to be the program's alone by then.
    let mut process = cell.start().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Stopped::Failed(maker.lacking().into()),
        _ => Stopped::NoCell(error.to_string()),
    })?;
    let mut tail = std::collections::VecDeque::with_capacity(TAIL_LINES + 1);
    let words = Receiver::from_owned_fd(words.into()).at("read the output of", path)?;
    let mut lines = BufReader::new(words).split(b'\n');
    while let Some(bytes) = lines.next_segment().await.at("read the output of", path)? {
        let text = String::from_utf8_lossy(&bytes);
        // Progress bars return to the start of the line; the last state is what counts.
        let text = text.trim_end().rsplit('\r').next().unwrap_or_default();
        line(text);
        tail.push_back(text.to_owned());
        if tail.len() > TAIL_LINES {
            tail.pop_front();
        }
    }
    let status = process.wait().await.at("wait for", path)?;
    Ok((status, tail.into()))
}

/// Takes what is left of setting up: regular files of a bounded size, whatever the cell has made of them.
fn collect(from: &Path, work: &Work<'_>) -> Result<(), BuildError> {
    for (name, limit) in OUTPUTS {
        let path = from.join(name);
        let mut options = File::options();
        options.read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
        let mut content = Vec::new();
        let read = options.open(&path).and_then(|file| file.take(limit + 1).read_to_end(&mut content));
        read.at("read", &path)?;
        if content.len() as u64 > limit {
            let program = work.maker.host_program().name;
            return Err(BuildError::HostTool { program, detail: format!("{name} is too long") });
        }
        let to = work.outputs.join(name);
        fs::write(&to, content).at("write", &to)?;
    }
    Ok(())
}

/// A path as one word of a shell command.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
