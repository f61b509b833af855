//! Disk files: the overlay a build works on, and the artifact it is sealed into. `qemu-img` does the work.

use std::{
    io,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{BuildError, Reporter};
use crate::{
    cell::{Access, Cell},
    driver::{self, qemu::tool},
    model::{Compression, DiskFormat},
    plan::OutputPlan,
    store::{StoreError, room},
};

/// QEMU's own choice.
const LEVEL: i32 = 3;
const FAST_LEVEL: i32 = 1;

/// An overlay of `size` bytes on a backing file that stays as it is. `backing` may be relative to the
/// overlay, and need not exist yet.
pub(super) fn overlay(
    backing: &Path,
    backing_format: &str,
    overlay: &Path,
    size: u64,
) -> Result<(), BuildError> {
    super::qcow2::overlay(overlay, backing, backing_format, size).map_err(|source| {
        if room::is_full(&source) {
            return driver::DriverError::HostFull.into();
        }
        BuildError::Io { action: "create", path: overlay.to_owned(), source }
    })
}

/// Writes the build disk, overlay and base together, as the artifact.
pub(super) async fn seal(
    disk: &Path,
    to: &Path,
    output: &OutputPlan,
    reporter: &Reporter,
) -> Result<(), BuildError> {
    let level = match (output.format, output.compression) {
        (DiskFormat::Qcow2, Compression::Zstd) => Some(LEVEL),
        (DiskFormat::Qcow2, Compression::Fast) => Some(FAST_LEVEL),
        _ => None,
    };
    if let Some(level) = level {
        let Err(error) = merged(disk, to, level).await else { return Ok(()) };
        let _ = std::fs::remove_file(to);
        match error.kind() {
            // A disk on a base that only the tool reads is nothing to speak of.
            io::ErrorKind::Unsupported => {}
            // What is cut off reads as zeroes for the tool, and it would say nothing of that.
            io::ErrorKind::InvalidData => {
                let reason = format!("{error}, in it or in what it stands on");
                return Err(StoreError::Damaged { path: disk.to_owned(), reason }.into());
            }
            _ if room::is_full(&error) => return Err(driver::DriverError::HostFull.into()),
            _ => {
                reporter.note(format!(
                    "the disk could not be taken over as it is ({error}); `qemu-img` writes it"
                ));
            }
        }
    }
    let mut command = tool::qemu_img("convert");
    // 16 coroutines out of order: 2 s instead of 14 s for a 700 MB image.
    command.args(["-q", "-m", "16", "-W", "-f", "qcow2", "-O", output.format.qemu()]);
    let options = match (output.format, output.compression) {
        (DiskFormat::Qcow2, Compression::Zstd | Compression::Fast) => Some("compression_type=zstd"),
        (DiskFormat::Vmdk, Compression::Zlib | Compression::Zstd | Compression::Fast) => {
            Some("subformat=streamOptimized")
        }
        (DiskFormat::Vhd, _) => Some(vhd_options(output.dynamic)),
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
    shown(&mut command, disk, Some(to))?;
    run(command).await
}

/// What makes `qemu-img` write a VHD of exactly the disk's size; left to itself it takes the next larger one that
/// cylinders, heads and sectors can express, which Azure refuses.
#[must_use]
pub const fn vhd_options(dynamic: bool) -> &'static str {
    if dynamic { "subformat=dynamic,force_size=on" } else { "subformat=fixed,force_size=on" }
}

async fn merged(disk: &Path, to: &Path, level: i32) -> io::Result<()> {
    /// Ends the work when nobody waits for it any more.
    struct Stop(Arc<AtomicBool>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = Stop(Arc::default());
    let (disk, to, seen) = (disk.to_owned(), to.to_owned(), Arc::clone(&stop.0));
    let working = tokio::task::spawn_blocking(move || super::qcow2::merge::merge(&disk, &to, level, &seen));
    working.await.map_err(io::Error::other)?
}

/// Writes a disk with all it stands on as one file.
pub(super) async fn flat(disk: &Path, format: DiskFormat, to: &Path) -> Result<(), BuildError> {
    let mut command = tool::qemu_img("convert");
    command.args(["-q", "-m", "16", "-W", "-f", format.qemu(), "-O", "qcow2"]).arg(disk).arg(to);
    shown(&mut command, disk, Some(to))?;
    run(command).await
}

/// Makes an overlay that stands on a base directly: what the layers between them held is in it afterwards.
/// Nobody may have it open.
pub(super) async fn stand_on(overlay: &Path, backing: &Path, backing_format: &str) -> Result<(), BuildError> {
    let mut command = tool::qemu_img("rebase");
    command.args(["-q", "-f", "qcow2", "-F", backing_format, "-b"]).arg(backing).arg(overlay);
    shown(&mut command, &overlay.parent().unwrap_or(Path::new(".")).join(backing), None)?;
    shown(&mut command, overlay, None)?;
    command.write(overlay);
    run(command).await
}

/// Finds out before a build whether files of these names can appear in the output folder. Nothing is made:
/// a build that fails leaves nothing.
pub(super) fn writable<'a>(out: &Path, mut names: impl Iterator<Item = &'a str>) -> Result<(), BuildError> {
    let refused = |reason: String| Err(BuildError::NoOutput { path: out.to_owned(), reason });
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

/// Shows a disk of ours to be read, and a file that is written, which becomes no larger than such a disk.
pub(super) fn shown(command: &mut Cell, disk: &Path, output: Option<&Path>) -> Result<(), BuildError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::Io { action: "open", path, source }
    };
    tool::show_disk(command, disk, Access::Read).map_err(at(disk))?;
    if let Some(output) = output {
        tool::show_output(command, output).map_err(at(output))?;
        command.file_size(tool::largest_file(tool::size_of(disk).map_err(at(disk))?));
    }
    Ok(())
}

/// Runs `qemu-img` to its end; it does not outlive this process.
pub(super) async fn run(command: Cell) -> Result<(), BuildError> {
    let (status, detail) = tool::run(command).await.map_err(not_run)?;
    if status.success() {
        return Ok(());
    }
    if room::says_full(&detail) {
        return Err(driver::DriverError::HostFull.into());
    }
    Err(BuildError::HostTool { program: "qemu-img", detail })
}

/// Why `qemu-img` could not be run.
pub(super) fn not_run(source: io::Error) -> BuildError {
    if source.kind() != io::ErrorKind::NotFound {
        return BuildError::Io { action: "start", path: "qemu-img".into(), source };
    }
    let install =
        "install it with your system's package manager, for example `sudo apt-get install qemu-utils`";
    driver::DriverError::HostLacks { what: "`qemu-img`".into(), install: install.into() }.into()
}

#[cfg(test)]
mod tests {
    use std::{process::Command, sync::Mutex};

    use super::*;
    use crate::exec::{Event, EventKind, Observer};

    /// What was noted.
    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Observer for Notes {
        fn event(&self, event: &Event) {
            if let EventKind::Note { text } = &event.what {
                self.0.lock().unwrap().push(text.clone());
            }
        }
    }

    fn tool(dir: &Path, args: &[&str]) {
        let output = Command::new("qemu-img").args(args).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Seals `disk` of a folder to `sealed`; answers what was noted about that.
    fn sealed(dir: &Path, disk: &str) -> (Result<(), BuildError>, Vec<String>) {
        let notes = Arc::<Notes>::default();
        let reporter = Reporter::new(Arc::clone(&notes) as Arc<dyn Observer>);
        let output = OutputPlan {
            format: DiskFormat::Qcow2,
            compression: Compression::Zstd,
            dynamic: false,
            file: "sealed".into(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(seal(&dir.join(disk), &dir.join("sealed"), &output, &reporter));
        let notes = notes.0.lock().unwrap().clone();
        (result, notes)
    }

    /// A disk of a mebibyte on a base of the same size, raw or compressed.
    fn disks() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..1_u32 << 18).flat_map(|number| (number / 3).to_le_bytes()).collect();
        std::fs::write(dir.path().join("raw"), content).unwrap();
        tool(dir.path(), &["convert", "-c", "-o", "compression_type=zstd", "-O", "qcow2", "raw", "base"]);
        for (base, format, disk) in [("raw", "raw", "on-raw"), ("base", "qcow2", "on-base")] {
            tool(dir.path(), &["create", "-q", "-f", "qcow2", "-F", format, "-b", base, disk]);
        }
        dir
    }

    #[test]
    fn a_disk_that_only_the_tool_reads_is_left_to_it_in_silence() {
        let dir = disks();
        for disk in ["on-base", "on-raw"] {
            let (result, notes) = sealed(dir.path(), disk);
            result.unwrap();
            assert_eq!(notes, Vec::<String>::new(), "{disk}");
            tool(dir.path(), &["compare", "-q", "raw", "sealed"]);
            std::fs::remove_file(dir.path().join("sealed")).unwrap();
        }
    }

    #[test]
    fn a_disk_that_should_have_been_taken_over_is_written_and_spoken_of() {
        let dir = disks();
        // Something is in the way.
        std::fs::write(dir.path().join("sealed"), "").unwrap();
        let (result, notes) = sealed(dir.path(), "on-base");
        result.unwrap();
        assert!(notes.len() == 1 && notes[0].contains("exists"), "{notes:?}");
        tool(dir.path(), &["compare", "-q", "raw", "sealed"]);
    }

    #[test]
    fn a_disk_that_is_cut_off_is_not_sealed() {
        let dir = disks();
        let base = std::fs::File::options().write(true).open(dir.path().join("base")).unwrap();
        base.set_len(base.metadata().unwrap().len() / 2).unwrap();
        let (result, notes) = sealed(dir.path(), "on-base");
        let failure = result.unwrap_err().to_string();
        assert!(failure.contains("is damaged: a table beyond the end of the file"), "{failure}");
        assert_eq!(notes, Vec::<String>::new());
        assert!(!dir.path().join("sealed").exists());
    }
}
