//! From locked packages to a disk, with the tools of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::{
    BaseMeta, Recipe,
    bootloader::{self, EfiLoaders},
    layout::{self, Identities},
    repository,
};
use crate::{
    driver::Fault,
    exec::Failure,
    store::{NewBase, Scratch, Store},
    text::Digest,
};

/// What `mmdebstrap` sees as the open disk.
const DISK_FD: i32 = 9;

/// Room a bootstrap takes while it runs: the system, its packages twice, indexes.
const SCRATCH_BYTES: u64 = 2 << 30;

/// Lines of a failing tool that are shown with the failure.
const TAIL_LINES: usize = 15;

/// Administrator programs are not in the path of an ordinary user, and `mke2fs` is one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes the disk of a new base.
pub(super) async fn make(
    store: &Store,
    recipe: &Recipe,
    debs: &BTreeMap<Digest, PathBuf>,
    new: &NewBase<'_>,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<BaseMeta, Failure> {
    let scratch = store.scratch(SCRATCH_BYTES)?;
    let ids = Identities::of(&new.key());
    let raw = new.dir().join("disk.raw");
    let disk = File::options().read(true).write(true).create_new(true).open(&raw).at("create", &raw)?;
    // Root of the user namespace is somebody else on the host. The folders above are private.
    disk.set_permissions(Permissions::from_mode(0o666)).at("change", &raw)?;
    disk.set_len(recipe.virtual_size).at("write", &raw)?;

    tokio::task::block_in_place(|| prepare(scratch.path(), recipe, debs, &ids))?;
    mmdebstrap(&scratch, recipe, &disk, new.dir(), line).await?;

    let out = new.dir();
    let installed = read_packages(&out.join("packages"), recipe)?;
    let used = fs::read_to_string(out.join("used")).at("read", &out.join("used"))?;
    tokio::task::block_in_place(|| write_boot(disk, recipe.virtual_size, out, &ids)).at("write", &raw)?;
    compress(&raw, &new.disk()).await?;
    Ok(BaseMeta {
        suite: recipe.suite.clone(),
        packages: installed,
        virtual_size: recipe.virtual_size,
        used: used.trim().parse().unwrap_or_default(),
        root_uuid: ids.root_uuid,
    })
}

/// Lays out what `mmdebstrap` and its hooks read, where root of the user namespace can read it.
fn prepare(
    scratch: &Path,
    recipe: &Recipe,
    debs: &BTreeMap<Digest, PathBuf>,
    ids: &Identities,
) -> Result<(), Failure> {
    let repository = scratch.join("repository");
    fs::create_dir(&repository).at("create", &repository)?;
    repository::write(&repository, &recipe.suite, &recipe.packages, debs)?;

    let root = layout::root(recipe.virtual_size);
    let assignments = format!(
        "root_uuid={}\nesp_uuid={}\nroot_number={}\nroot_start={}\nroot_kib={}\ndisk_fd={DISK_FD}\n",
        ids.root_uuid,
        ids.esp_uuid(),
        layout::ROOT_NUMBER,
        root.start,
        root.len / 1024,
    );
    let texts = [
        ("disk.sh", format!("{assignments}{}", include_str!("disk.sh"))),
        ("mke2fs.conf", include_str!("mke2fs.conf").to_owned()),
        ("finish.sh", recipe.finish.clone().unwrap_or_default()),
    ];
    for (name, text) in texts {
        let path = scratch.join(name);
        fs::write(&path, text).at("write", &path)?;
    }
    let path = scratch.join("files.tar");
    write_files(&path, recipe).at("write", &path)
}

/// The recipe's files as an archive; folders are made when it is unpacked.
fn write_files(path: &Path, recipe: &Recipe) -> io::Result<()> {
    let mut tar = tar::Builder::new(File::create_new(path)?);
    let sources = ("/etc/apt/sources.list.d/debian.sources", recipe.apt_sources.as_str());
    let files = recipe.files.iter().map(|(path, content)| (path.as_str(), content.as_str()));
    for (path, content) in files.chain([sources]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path.trim_start_matches('/'), content.as_bytes())?;
    }
    tar.into_inner()?.flush()
}

async fn mmdebstrap(
    scratch: &Scratch<'_>,
    recipe: &Recipe,
    disk: &File,
    out: &Path,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<(), Failure> {
    let dir = shell_word(scratch.path());
    let mode = if nix::unistd::geteuid().is_root() { "root" } else { "unshare" };
    let mut command = Command::new("mmdebstrap");
    command
        .arg(format!("--mode={mode}"))
        .args(["--variant=essential", "--format=null", "--skip=check/empty,cleanup"])
        .arg(format!("--architectures={}", recipe.arch))
        .arg(format!("--include={}", recipe.wanted.join(",")))
        .args([
            "--aptopt=APT::Install-Recommends \"false\"",
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=force-confold",
        ])
        .arg(format!("--essential-hook=tar-in {dir}/files.tar /"))
        .arg(format!("--customize-hook=chroot \"$1\" sh -e < {dir}/finish.sh"))
        .arg(format!("--customize-hook=sh {dir}/disk.sh \"$1\""));
    for name in ["boot.img", "core.img", "shim.efi", "grub.efi", "packages", "used"] {
        command.arg(format!("--customize-hook=download /tmp/out/{name} {}", shell_word(&out.join(name))));
    }
    command
        .args([&recipe.suite, "/dev/null"])
        .arg(format!("deb [trusted=yes] copy:{}/repository ./", scratch.path().display()));
    command
        .env_clear()
        .envs([
            ("PATH", PATH),
            ("LC_ALL", "C.UTF-8"),
            ("HOME", "/root"),
            ("DEBIAN_FRONTEND", "noninteractive"),
        ])
        .env("TMPDIR", scratch.path())
        .env("MKE2FS_CONFIG", scratch.path().join("mke2fs.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // A group of its own, so that all of it can be ended at once.
        .process_group(0);
    let fd = disk.as_raw_fd();
    // SAFETY: dup2 is async-signal-safe, and the closure touches nothing else.
    #[allow(unsafe_code)]
    unsafe {
        command.pre_exec(move || match nix::libc::dup2(fd, DISK_FD) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let (status, tail) = run_group(command, scratch, line).await?;
    if status.success() {
        return Ok(());
    }
    let detail = if tail.iter().any(|line| line.contains("No space left on device")) {
        return Err(Fault::HostFull.into());
    } else {
        tail.join("\n")
    };
    Err(Failure::HostTool { program: "mmdebstrap", detail })
}

/// Ends a process group when dropped, whatever state its members are in.
struct Group(Option<nix::unistd::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// Runs a command to its end; its last lines come back for a message.
async fn run_group(
    mut command: Command,
    scratch: &Scratch<'_>,
    line: &mut (dyn FnMut(&str) + Send),
) -> Result<(ExitStatus, Vec<String>), Failure> {
    let program = "mmdebstrap";
    let mut child = command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Failure::from(Fault::HostLacks {
            what: format!("`{program}`"),
            install: format!(
                "install it with your system's package manager, for example `sudo apt-get install {program}`"
            ),
        }),
        _ => Failure::Io { action: "start", path: program.into(), source },
    })?;
    let pid = child.id();
    let mut group = Group(pid.and_then(|pid| i32::try_from(pid).ok()).map(nix::unistd::Pid::from_raw));
    if let Some(pid) = pid {
        scratch.started_group(pid)?;
    }
    let mut tail = std::collections::VecDeque::with_capacity(TAIL_LINES + 1);
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Some(bytes) = lines.next_segment().await.at("read the output of", Path::new(program))? {
            let text = String::from_utf8_lossy(&bytes);
            // Progress bars return to the start of the line; the last state is what counts.
            let text = text.trim_end().rsplit('\r').next().unwrap_or_default();
            line(text);
            tail.push_back(text.to_owned());
            if tail.len() > TAIL_LINES {
                tail.pop_front();
            }
        }
    }
    let status = child.wait().await.at("wait for", Path::new(program))?;
    group.0 = None;
    Ok((status, tail.into()))
}

/// Checks that the system consists of exactly the locked packages, all of them set up.
fn read_packages(path: &Path, recipe: &Recipe) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path).at("read", path)?;
    let mut installed = BTreeSet::new();
    for line in text.lines() {
        let (status, package) = line.split_once(' ').unwrap_or((line, ""));
        if status.trim() != "ii" {
            return Err(wrong(format!("{package} is not set up")));
        }
        installed.insert(package.trim().to_owned());
    }
    let expected: BTreeSet<String> =
        recipe.packages.iter().map(|p| format!("{} {} {}", p.name, p.version, p.arch)).collect();
    if let Some(package) = expected.symmetric_difference(&installed).next() {
        let what =
            if expected.contains(package) { "was not installed" } else { "was installed and is not locked" };
        return Err(wrong(format!("{package} {what}")));
    }
    Ok(installed.into_iter().collect())
}

fn wrong(detail: String) -> Failure {
    Failure::HostTool { program: "mmdebstrap", detail }
}

/// Writes all of the disk but the root file system, which is there.
fn write_boot(mut disk: File, size: u64, out: &Path, ids: &Identities) -> io::Result<()> {
    layout::write_tables(&mut disk, size)?;
    bootloader::write_bios(&disk, &fs::read(out.join("boot.img"))?, &fs::read(out.join("core.img"))?)?;
    let loaders = EfiLoaders { shim: &out.join("shim.efi"), grub: &out.join("grub.efi") };
    bootloader::write_esp(&disk, loaders, "debian", ids)
}

/// The disk as the store keeps it: qcow2, zstd.
async fn compress(raw: &Path, to: &Path) -> Result<(), Failure> {
    let mut command = std::process::Command::new("qemu-img");
    command.args(["convert", "-q", "-c", "-m", "16", "-W", "-f", "raw", "-O", "qcow2"]);
    command.args(["-o", "compression_type=zstd"]).args([raw, to]);
    crate::exec::disk::run(command).await
}

/// A path as one word of a shell command.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// Adds what was tried, and where, to an [`io::Error`].
trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Failure>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Failure> {
        self.map_err(|source| Failure::Io { action, path: path.to_owned(), source })
    }
}
