//! Disk files: the overlay a build works on, and the artifact it is sealed into. `qemu-img` does the work.

use std::{
    io,
    path::Path,
    process::Command,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};

use super::Failure;
use crate::{
    driver,
    plan::{Compression, DiskFormat, OutputPlan},
};

/// An overlay of `size` bytes on a backing file that stays as it is. `backing` may be relative to the
/// overlay, and need not exist yet.
pub(super) fn overlay(
    backing: &Path,
    backing_format: &str,
    overlay: &Path,
    size: u64,
) -> Result<(), Failure> {
    super::qcow2::overlay(overlay, backing, backing_format, size).map_err(|source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => driver::Fault::HostFull.into(),
        _ => Failure::Io { action: "create", path: overlay.to_owned(), source },
    })
}

/// Writes the build disk, overlay and base together, as the artifact.
pub(super) async fn seal(disk: &Path, to: &Path, output: &OutputPlan) -> Result<(), Failure> {
    if (output.format, output.compression) == (DiskFormat::Qcow2, Compression::Zstd) {
        if merged(disk, to).await.is_ok() {
            return Ok(());
        }
        // A base of another kind, or no room: the tool does it, or says why not.
        let _ = std::fs::remove_file(to);
    }
    let mut command = qemu_img("convert");
    // 16 coroutines out of order: 2 s instead of 14 s for a 700 MB image.
    command.args(["-q", "-m", "16", "-W", "-f", "qcow2", "-O", format_name(output.format)]);
    let options = match (output.format, output.compression) {
        (DiskFormat::Qcow2, Compression::Zstd) => Some("compression_type=zstd"),
        (DiskFormat::Vmdk, Compression::Zlib | Compression::Zstd) => Some("subformat=streamOptimized"),
        (DiskFormat::Vhd, _) => Some("subformat=dynamic,force_size=on"),
        _ => None,
    };
    if output.compression != Compression::None
        && matches!(output.format, DiskFormat::Qcow2 | DiskFormat::Vmdk)
    {
        command.arg("-c");
    }
    if let Some(options) = options {
        command.args(["-o", options]);
    }
    command.arg(disk).arg(to);
    run(command).await
}

async fn merged(disk: &Path, to: &Path) -> io::Result<()> {
    /// Ends the work when nobody waits for it any more.
    struct Stop(Arc<AtomicBool>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = Stop(Arc::default());
    let (disk, to, seen) = (disk.to_owned(), to.to_owned(), Arc::clone(&stop.0));
    let working = tokio::task::spawn_blocking(move || super::qcow2::merge::merge(&disk, &to, &seen));
    working.await.map_err(io::Error::other)?
}

/// Writes a disk with all it stands on as one file.
pub(super) async fn flat(disk: &Path, format: driver::DiskFormat, to: &Path) -> Result<(), Failure> {
    let format = match format {
        driver::DiskFormat::Qcow2 => "qcow2",
        driver::DiskFormat::Raw => "raw",
    };
    let mut command = qemu_img("convert");
    command.args(["-q", "-m", "16", "-W", "-f", format, "-O", "qcow2"]).arg(disk).arg(to);
    run(command).await
}

/// Makes an overlay that stands on a base directly: what the layers between them held is in it afterwards.
/// Nobody may have it open.
pub(super) async fn stand_on(overlay: &Path, backing: &Path, backing_format: &str) -> Result<(), Failure> {
    let mut command = qemu_img("rebase");
    command.args(["-q", "-f", "qcow2", "-F", backing_format, "-b"]).arg(backing).arg(overlay);
    run(command).await
}

/// What `qemu-img` calls a format.
const fn format_name(format: DiskFormat) -> &'static str {
    match format {
        DiskFormat::Qcow2 => "qcow2",
        DiskFormat::Raw => "raw",
        DiskFormat::Vmdk => "vmdk",
        DiskFormat::Vhd => "vpc",
        DiskFormat::Vhdx => "vhdx",
        DiskFormat::Vdi => "vdi",
    }
}

/// The format as drivers take disks; none for containers they do not boot from.
pub(super) const fn driver_format(format: DiskFormat) -> Option<driver::DiskFormat> {
    match format {
        DiskFormat::Qcow2 => Some(driver::DiskFormat::Qcow2),
        DiskFormat::Raw => Some(driver::DiskFormat::Raw),
        DiskFormat::Vmdk | DiskFormat::Vhd | DiskFormat::Vhdx | DiskFormat::Vdi => None,
    }
}

/// Finds out before a build whether files of these names can appear in the output folder. Nothing is made:
/// a build that fails leaves nothing.
pub(super) fn writable<'a>(out: &Path, mut names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let refused = |reason: String| Err(Failure::NoOutput { path: out.to_owned(), reason });
    // The folder, or the nearest one that is there, in which it is going to be made.
    let there = out.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("."));
    if !there.is_dir() {
        return refused(format!("`{}` is not a folder", there.display()));
    }
    if let Err(error) = tempfile::tempfile_in(there) {
        // Only its kind: the name that was tried means nothing to anybody.
        return refused(error.kind().to_string());
    }
    match names.find(|name| out.join(name).is_dir()) {
        Some(name) => refused(format!("`{name}` is a folder there")),
        None => Ok(()),
    }
}

fn qemu_img(verb: &str) -> Command {
    let mut command = Command::new("qemu-img");
    command.arg(verb);
    command
}

/// Runs `qemu-img` to its end; it does not outlive this process.
pub(super) async fn run(command: Command) -> Result<(), Failure> {
    let (status, detail) = driver::qemu::tool::run(command).await.map_err(not_run)?;
    if status.success() {
        return Ok(());
    }
    if detail.contains("No space left on device") {
        return Err(driver::Fault::HostFull.into());
    }
    Err(Failure::HostTool { program: "qemu-img", detail })
}

/// Why `qemu-img` could not be run.
pub(super) fn not_run(source: io::Error) -> Failure {
    if source.kind() != io::ErrorKind::NotFound {
        return Failure::Io { action: "start", path: "qemu-img".into(), source };
    }
    let install =
        "install it with your system's package manager, for example `sudo apt-get install qemu-utils`";
    driver::Fault::HostLacks { what: "`qemu-img`".into(), install: install.into() }.into()
}
