//! Packages set up on this host, with its tools: `mmdebstrap` unpacks and configures them in a cell of its own,
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
    packages::apt::base,
    store::{Scratch, room},
};

/// Room a bootstrap takes while it runs: the system, its packages twice, indexes.
const SCRATCH_BYTES: u64 = 2 << 30;

const PROGRAM: &str = base::MAKER;

const MAKER: HostNeed = need(PROGRAM, "makes Debian bases", PROGRAM, true);

/// What of the host bases are made with.
pub const NEEDS: &[HostNeed] = &[
    MAKER,
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
    mmdebstrap(&scratch, work, disk, line).await?;
    tokio::task::block_in_place(|| collect(&scratch.path().join("out"), work.outputs))?;
    Ok(())
}

/// Lays out what `mmdebstrap` and its hooks read.
fn prepare(scratch: &Path, work: &Work<'_>, disk: RawFd) -> Result<(), BuildError> {
    let recipe = work.recipe;
    let repository = scratch.join("repository");
    for folder in [&repository, &scratch.join("out")] {
        fs::create_dir(folder).at("create", folder)?;
    }
    repository::write(&repository, &recipe.suite, &recipe.packages, work.debs)?;

    let known = work::assignments(recipe.virtual_size, &work.ids);
    let here = shell_word(scratch);
    let texts = [
        ("native.sh", format!("{known}here={here}\ndisk_fd={disk}\n{}", base::NATIVE)),
        ("tidy.sh", format!("{known}{}", base::TIDY)),
        ("export.sh", base::EXPORT.to_owned()),
        ("mke2fs.conf", work::MKE2FS_CONF.to_owned()),
        ("finish.sh", recipe.finish.clone().unwrap_or_default()),
    ];
    for (name, text) in texts {
        let path = scratch.join(name);
        fs::write(&path, text).at("write", &path)?;
    }
    let path = scratch.join("files.tar");
    File::create_new(&path).and_then(|file| work::write_files(file, recipe)).at("write", &path)
}

async fn mmdebstrap(
    scratch: &Scratch<'_>,
    work: &Work<'_>,
    disk: OwnedFd,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<(), Stopped> {
    let recipe = work.recipe;
    let dir = shell_word(scratch.path());
    let mut cell = Cell::new(PROGRAM);
    cell.ids(Ids::System)
        .proc()
        .write(scratch.path())
        .inherit(disk)
        .file_size(recipe.virtual_size.max(SCRATCH_BYTES))
        .args(base::maker_arguments(&recipe.arch, &recipe.wanted))
        .arg(format!("--essential-hook=tar-in {dir}/files.tar /"))
        .arg(format!("--customize-hook=chroot \"$1\" sh -e < {dir}/finish.sh"))
        .arg(format!("--customize-hook=sh {dir}/native.sh \"$1\""))
        .args([recipe.suite.as_str(), "/dev/null"])
        .arg(base::source_line("copy", &format!("{}/repository", scratch.path().display())))
        .env("HOME", "/root")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("TMPDIR", scratch.path())
        .env("MKE2FS_CONFIG", scratch.path().join("mke2fs.conf"));
    let (status, tail) = run(cell, line).await?;
    if status.success() {
        return Ok(());
    }
    if tail.iter().any(|line| room::says_full(line)) {
        return Err(BuildError::from(DriverError::HostFull).into());
    }
    Err(BuildError::HostTool { program: PROGRAM, detail: tail.join("\n") }.into())
}

/// Runs the program to its end; its last lines come back for a message. Dropped, it ends all of it.
async fn run(
    mut cell: Cell,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<(ExitStatus, Vec<String>), Stopped> {
    let path = Path::new(PROGRAM);
    let (words, writer) = io::pipe().at("make a pipe for", path)?;
    cell.stderr(writer);
    // It holds the writing end, which has to be the program's alone by then.
    let mut process = cell.start().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Stopped::Failed(MAKER.lacking().into()),
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
fn collect(from: &Path, to: &Path) -> Result<(), BuildError> {
    for (name, limit) in OUTPUTS {
        let path = from.join(name);
        let mut options = File::options();
        options.read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
        let mut content = Vec::new();
        let read = options.open(&path).and_then(|file| file.take(limit + 1).read_to_end(&mut content));
        read.at("read", &path)?;
        if content.len() as u64 > limit {
            return Err(BuildError::HostTool { program: PROGRAM, detail: format!("{name} is too long") });
        }
        fs::write(to.join(name), content).at("write", &to.join(name))?;
    }
    Ok(())
}

/// A path as one word of a shell command.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
