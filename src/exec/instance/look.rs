//! What has to be known of a disk before it is run: that it is one, and what is on it.

use std::path::Path;

use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{
        Disk, DiskAccess, DiskError, DiskFacts, DiskFile, DiskFormat, Disks, Driver, DriverError,
        FoundFormat, Limits, MachineSpec, Network, Start, inspect::Facts,
    },
    exec::{BuildError, base::imported},
    store::{Store, WorkFolder},
};

/// The machine of a look is small: it only reads.
const MEMORY_MIB: u32 = 512;

/// The form of a disk file, and the bytes of its disk. What is only a part of one, is encrypted or is damaged is refused:
/// other files that it names are not opened.
pub async fn whole_disk(disks: &dyn Disks, path: &Path) -> Result<(DiskFormat, u64), BuildError> {
    let unreadable = |error: std::io::Error| cannot_run(path, &error.to_string(), None);
    let format = match disks.format(path).map_err(unreadable)? {
        FoundFormat::Known(format) => format,
        FoundFormat::Other(name) => return Err(cannot_run(path, &format!("its format is {name}"), None)),
    };
    let damaged = |error| match error {
        DiskError::Tool { detail, .. } => {
            let reason = format!("it is damaged: {}", detail.lines().last().unwrap_or_default());
            cannot_run(path, &reason, None)
        }
        DiskError::Damaged { reason, .. } => cannot_run(path, &format!("it is damaged: {reason}"), None),
        error => error.into(),
    };
    let file = DiskFile { path, format };
    let DiskFacts { size, is_part, encrypted } = disks.look(file).await.map_err(damaged)?;
    if is_part {
        let help = "changes that `imgfile run --persist` keeps are run as they were made: name the image, and the \
                    file with `--persist`";
        return Err(cannot_run(path, "it is only a part of a disk: it refers to another file", Some(help)));
    }
    if encrypted {
        return Err(cannot_run(path, "it is encrypted", None));
    }
    Ok((format, size))
}

/// What is on a disk: by an earlier look at the same content, else by a machine that only reads it.
pub async fn look(
    (store, driver): (&Store, &dyn Driver),
    work: &WorkFolder,
    (path, format): (&Path, DiskFormat),
) -> Result<Facts, BuildError> {
    if let Some(known) = imported::known(store, path) {
        return Ok(known);
    }
    let run_dir = work.path().join("look");
    std::fs::create_dir(&run_dir).map_err(|source| BuildError::Io {
        action: "create",
        path: run_dir.clone(),
        source,
    })?;
    let spec = MachineSpec {
        cpus: 1,
        memory_mib: MEMORY_MIB,
        start: Start::Offline,
        disks: vec![Disk { path: path.to_owned(), format, access: DiskAccess::Read }],
        payload: Vec::new(),
        network: Network::None,
        run_dir: run_dir.clone(),
        limits: Limits::default(),
    };
    let nothing = |fault| match fault {
        DriverError::Unsupported { what } => cannot_run(path, &what, None),
        fault @ DriverError::Windows { .. } => cannot_run(path, &fault.to_string(), None),
        fault => fault.into(),
    };
    let mut machine = driver.start(spec).await.map_err(nothing)?;
    let facts = machine.inspect().await.map_err(nothing)?;
    machine.power_off().await.map_err(nothing)?;
    let _ = std::fs::remove_dir_all(&run_dir);
    imported::remember(store, path, &facts)?;
    Ok(facts)
}

/// A disk is refused. `reason` may be a stranger's words.
#[must_use]
pub fn cannot_run(path: &Path, reason: &str, help: Option<&str>) -> BuildError {
    let message = format!("`{}` cannot be run", path.display());
    let usual = "a disk can be run that has a Linux system on a plain partition, such as those that `imgfile build` makes";
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(300).collect();
    BuildError::Diagnosed(vec![
        Diagnostic::new(codes::CANNOT_RUN, message).note(reason).help(help.unwrap_or(usual)),
    ])
}
