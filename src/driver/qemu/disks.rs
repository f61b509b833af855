//! The files of disks as QEMU has them. `qemu-img` does the work, but where this crate does it faster ([`qcow2`]).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use serde::Deserialize;

use super::super::disks::{DiskError, DiskFacts, DiskFile, DiskForm, DiskOp, Disks, FoundFormat, HeldDisk};
use super::super::{DiskFormat, DriverError};
use super::{backing, format, host, image_lock, qcow2, tool};
use crate::cell::{Access, Cell};
use crate::model::Compression;
use crate::store::room;

/// Of zstd: QEMU's own choice.
const LEVEL: i32 = 3;
const FAST_LEVEL: i32 = 1;

/// Disk files by `qemu-img`.
#[derive(Debug, Clone, Copy, Default)]
pub struct QemuDisks;

impl Disks for QemuDisks {
    fn conversion(&self) -> &'static str {
        "`qemu-img convert -O qcow2 IT base.qcow2` makes a base of most disks"
    }

    fn overlay(&self, overlay: &Path, on: DiskFile<'_>, size: u64) -> Result<(), DiskError> {
        qcow2::overlay(overlay, on.path, on.format.qemu(), size).map_err(|source| {
            if room::is_full(&source) {
                return DriverError::HostFull.into();
            }
            DiskError::Io { action: "create", path: overlay.to_owned(), source }
        })
    }

    fn hold(&self, path: &Path) -> io::Result<Option<HeldDisk>> {
        Ok(image_lock::against_writers(path)?.map(HeldDisk))
    }

    fn stands_on(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let header = backing::header(path)?.filter(|header| !header.data_file);
        Ok(header.and_then(|header| header.backing))
    }

    fn stand_on<'a>(&'a self, overlay: &'a Path, on: DiskFile<'a>) -> DiskOp<'a, ()> {
        async move {
            let mut command = tool::qemu_img("rebase");
            command.args(["-q", "-f", "qcow2", "-F", on.format.qemu(), "-b"]).arg(on.path).arg(overlay);
            show(&mut command, &overlay.parent().unwrap_or(Path::new(".")).join(on.path))?;
            show(&mut command, overlay)?;
            command.write(overlay);
            run(command).await.map(drop)
        }
        .boxed()
    }

    fn write<'a>(&'a self, disk: DiskFile<'a>, to: &'a Path, form: DiskForm) -> DiskOp<'a, Option<String>> {
        async move {
            let level = match (disk.format, form.format, form.compression) {
                (DiskFormat::Qcow2, DiskFormat::Qcow2, Compression::Zstd) => Some(LEVEL),
                (DiskFormat::Qcow2, DiskFormat::Qcow2, Compression::Fast) => Some(FAST_LEVEL),
                _ => None,
            };
            let remark = match level {
                Some(level) => match taken_over(disk.path, to, level).await? {
                    TakenOver::Yes => return Ok(None),
                    TakenOver::No { remark } => remark,
                },
                None => None,
            };
            convert(disk, to, form).await?;
            Ok(remark)
        }
        .boxed()
    }

    fn import<'a>(&'a self, disk: DiskFile<'a>, to: &'a Path) -> DiskOp<'a, ()> {
        // By the tool alone, whose cell is what a disk made to do harm would harm.
        convert(disk, to, DiskForm::usual(DiskFormat::Qcow2)).boxed()
    }

    fn format(&self, path: &Path) -> io::Result<FoundFormat> {
        format::of(path)
    }

    fn look<'a>(&'a self, disk: DiskFile<'a>) -> DiskOp<'a, DiskFacts> {
        look(disk).boxed()
    }

    fn check<'a>(&'a self, disk: DiskFile<'a>) -> DiskOp<'a, ()> {
        async move {
            let mut command = tool::qemu_img("check");
            command.args(["-q", "-f", disk.format.qemu()]).arg(disk.path);
            show(&mut command, disk.path)?;
            let (status, detail) = tool::run(command).await.map_err(not_run)?;
            // Leaked clusters (status 3) waste space and hurt nobody.
            match status.code() {
                Some(0 | 3) => Ok(()),
                _ => Err(DiskError::Tool { program: "qemu-img", detail }),
            }
        }
        .boxed()
    }
}

/// How it went to take a disk over as it lies.
enum TakenOver {
    Yes,
    /// The tool has to do it; the remark is about what should not have been.
    No {
        remark: Option<String>,
    },
}

async fn taken_over(disk: &Path, to: &Path, level: i32) -> Result<TakenOver, DiskError> {
    let Err(error) = merged(disk, to, level).await else { return Ok(TakenOver::Yes) };
    let _ = std::fs::remove_file(to);
    match error.kind() {
        // A disk on a base that only the tool reads is nothing to speak of.
        io::ErrorKind::Unsupported => Ok(TakenOver::No { remark: None }),
        // What is cut off reads as zeroes for the tool, and it would say nothing of that.
        io::ErrorKind::InvalidData => {
            let reason = format!("{error}, in it or in what it stands on");
            Err(DiskError::Damaged { path: disk.to_owned(), reason })
        }
        _ if room::is_full(&error) => Err(DriverError::HostFull.into()),
        _ => {
            let remark = format!("the disk could not be taken over as it is ({error}); `qemu-img` writes it");
            Ok(TakenOver::No { remark: Some(remark) })
        }
    }
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
    let working = tokio::task::spawn_blocking(move || qcow2::merge::merge(&disk, &to, level, &seen));
    working.await.map_err(io::Error::other)?
}

async fn convert(disk: DiskFile<'_>, to: &Path, form: DiskForm) -> Result<(), DiskError> {
    let mut command = tool::qemu_img("convert");
    // 16 coroutines out of order: 2 s instead of 14 s for a 700 MB image.
    command.args(["-q", "-m", "16", "-W", "-f", disk.format.qemu(), "-O", form.format.qemu()]);
    let packed = form.compression != Compression::None;
    let options = match form.format {
        DiskFormat::Qcow2 if matches!(form.compression, Compression::Zstd | Compression::Fast) => {
            Some("compression_type=zstd")
        }
        // Behind the controller that an OVA of it names.
        DiskFormat::Vmdk if packed => Some("subformat=streamOptimized,adapter_type=lsilogic"),
        // Of exactly the disk's size: left to itself the tool takes the next larger one that cylinders, heads and
        // sectors can express, which Azure refuses.
        DiskFormat::Vhd if form.dynamic => Some("subformat=dynamic,force_size=on"),
        DiskFormat::Vhd => Some("subformat=fixed,force_size=on"),
        _ => None,
    };
    if packed && matches!(form.format, DiskFormat::Qcow2 | DiskFormat::Vmdk) {
        command.arg("-c");
    }
    if let Some(options) = options {
        command.args(["-o", options]);
    }
    command.arg(disk.path).arg(to);
    show(&mut command, disk.path)?;
    tool::show_output(&mut command, to).map_err(at("create", to))?;
    // Of the others the file says nothing about its disk's size.
    if disk.format.is_for_machines() {
        command.file_size(tool::largest_file(tool::size_of(disk.path).map_err(at("open", disk.path))?));
    }
    run(command).await.map(drop)
}

/// What `qemu-img info` says and matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    virtual_size: u64,
    backing_filename: Option<String>,
    #[serde(default)]
    encrypted: bool,
    format_specific: Option<FormatSpecific>,
}

#[derive(Debug, Deserialize)]
struct FormatSpecific {
    data: Option<SpecificData>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SpecificData {
    data_file: Option<serde_json::Value>,
}

async fn look(disk: DiskFile<'_>) -> Result<DiskFacts, DiskError> {
    // A header that names other files is not shown to a program that opens them.
    if disk.format == DiskFormat::Qcow2
        && let Ok(Some(header)) = backing::header(disk.path)
        && (header.backing.is_some() || header.data_file)
    {
        return Ok(DiskFacts { size: header.size, is_part: true, encrypted: false });
    }
    let mut command = tool::qemu_img("info");
    command.args(["--output=json", "-f", disk.format.qemu()]).arg(disk.path).read(disk.path);
    let answer = run(command).await?;
    let info: Info = serde_json::from_slice(&answer)
        .map_err(|error| DiskError::Tool { program: "qemu-img", detail: error.to_string() })?;
    let data_file =
        info.format_specific.as_ref().and_then(|specific| specific.data.as_ref()?.data_file.as_ref());
    Ok(DiskFacts {
        size: info.virtual_size,
        is_part: info.backing_filename.is_some() || data_file.is_some(),
        encrypted: info.encrypted,
    })
}

/// Shows a disk of ours, and all it stands on, to be read.
fn show(command: &mut Cell, disk: &Path) -> Result<(), DiskError> {
    tool::show_disk(command, disk, Access::Read).map_err(at("open", disk))
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError + use<> {
    let path = path.to_owned();
    move |source| DiskError::Io { action, path, source }
}

/// Runs `qemu-img` to its end, and returns its answer; it does not outlive this process.
async fn run(command: Cell) -> Result<Vec<u8>, DiskError> {
    let output = tool::output(command).await.map_err(not_run)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if room::says_full(&detail) {
        return Err(DriverError::HostFull.into());
    }
    Err(DiskError::Tool { program: "qemu-img", detail })
}

/// Why `qemu-img` could not be run.
fn not_run(source: io::Error) -> DiskError {
    if source.kind() != io::ErrorKind::NotFound {
        return DiskError::Io { action: "start", path: "qemu-img".into(), source };
    }
    host::DISK_TOOL.lacking().into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn tool(dir: &Path, args: &[&str]) {
        let output = Command::new("qemu-img").args(args).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Writes `disk` of a folder to `sealed`, packed as artifacts are.
    fn sealed(dir: &Path, disk: &str) -> Result<Option<String>, DiskError> {
        let disk = dir.join(disk);
        let disk = DiskFile { path: &disk, format: DiskFormat::Qcow2 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let to = dir.join("sealed");
        runtime.block_on(QemuDisks.write(disk, &to, DiskForm::usual(DiskFormat::Qcow2)))
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
            assert_eq!(sealed(dir.path(), disk).unwrap(), None, "{disk}");
            tool(dir.path(), &["compare", "-q", "raw", "sealed"]);
            std::fs::remove_file(dir.path().join("sealed")).unwrap();
        }
    }

    #[test]
    fn a_disk_that_should_have_been_taken_over_is_written_and_spoken_of() {
        let dir = disks();
        // Something is in the way.
        std::fs::write(dir.path().join("sealed"), "").unwrap();
        let remark = sealed(dir.path(), "on-base").unwrap();
        assert!(remark.as_ref().is_some_and(|remark| remark.contains("exists")), "{remark:?}");
        tool(dir.path(), &["compare", "-q", "raw", "sealed"]);
    }

    #[test]
    fn a_disk_that_is_cut_off_is_not_sealed() {
        let dir = disks();
        let base = std::fs::File::options().write(true).open(dir.path().join("base")).unwrap();
        base.set_len(base.metadata().unwrap().len() / 2).unwrap();
        let failure = sealed(dir.path(), "on-base").unwrap_err().to_string();
        assert!(failure.contains("is damaged: a table beyond the end of the file"), "{failure}");
        assert!(!dir.path().join("sealed").exists());
    }
}
