//! Which accelerator to use. That `/dev/kvm` opens proves nothing (there are hosts where every
//! guest dies under it, or hangs), so KVM is used only if a probe machine has really come up.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::{AcceleratorChoice, AcceleratorState, DriverError, Limits};
use super::shared::{Accelerator, Host, RunningKernel};
use super::start;

const DEVICE: &str = "/dev/kvm";
/// The answer that is kept where a probe machine came up.
const WORKS: &str = "works";

/// A probe machine comes up in less than a second where KVM works.
const PROBE_LIMIT: Duration = Duration::from_secs(15);

/// Sets the host's accelerator; answers a line for the user when there is something to say.
pub(super) async fn decide(
    host: &mut Host,
    choice: AcceleratorChoice,
    machines: &Path,
) -> Result<Option<String>, DriverError> {
    if choice == AcceleratorChoice::Tcg {
        host.accelerator = Accelerator::Tcg;
        return Ok(None);
    }
    let refused = match usable(host, machines).await? {
        Probe::Works => {
            host.accelerator = Accelerator::Kvm;
            return Ok(None);
        }
        Probe::Fails(reason) => reason,
    };
    if choice == AcceleratorChoice::Kvm {
        return Err(DriverError::HostLacks {
            what: "working hardware virtualisation (KVM)".into(),
            install: format!("{refused}; `--accel tcg` builds without it, more slowly"),
        });
    }
    host.accelerator = Accelerator::Tcg;
    Ok(Some(format!("{refused}: machines are emulated, which takes several times longer")))
}

/// What is known of KVM without trying it: the newest answer that is kept with what is known of this host's machines.
pub(super) fn tried(machines: &Path) -> AcceleratorState {
    if let Err(error) = fs::OpenOptions::new().read(true).write(true).open(DEVICE) {
        return AcceleratorState::Emulated(format!("{DEVICE}: {error}"));
    }
    match answer(machines).as_deref() {
        None => AcceleratorState::Untried,
        Some(WORKS) => AcceleratorState::Works,
        Some(reason) => AcceleratorState::Emulated(format!("{DEVICE} opens, but {reason}")),
    }
}

fn answer(machines: &Path) -> Option<String> {
    let answers = fs::read_dir(machines).ok()?.flatten();
    let answers = answers.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"kvm-"));
    let newest = answers.max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok())?;
    fs::read_to_string(newest.path()).ok().filter(|answer| !answer.is_empty())
}

/// Whether a guest runs under KVM.
enum Probe {
    Works,
    /// The reason.
    Fails(String),
}

/// Tries whether a guest runs under KVM. The answer is kept for as long as the host
/// runs with the same QEMU and CPU.
async fn usable(host: &mut Host, machines: &Path) -> Result<Probe, DriverError> {
    if let Err(error) = fs::OpenOptions::new().read(true).write(true).open(DEVICE) {
        return Ok(Probe::Fails(format!("{DEVICE} cannot be opened ({error})")));
    }
    let answer = machines.join(format!("kvm-{}", host.fingerprint()));
    match fs::read_to_string(&answer).as_deref() {
        Ok(WORKS) => return Ok(Probe::Works),
        Ok(reason) if !reason.is_empty() => return Ok(Probe::Fails(reason.to_owned())),
        _ => {}
    }
    host.accelerator = Accelerator::Kvm;
    let failed = |source| DriverError::Host { doing: "probe KVM".to_owned(), source };
    fs::create_dir_all(machines).map_err(failed)?;
    let folder = tempfile::Builder::new().prefix(".probe-").tempdir_in(machines).map_err(failed)?;
    let limits = Limits { start: PROBE_LIMIT, operation: PROBE_LIMIT };
    let result = match start::kernel(host, &start::bare(folder.path(), limits), &RunningKernel::Build).await {
        Ok(_guest) => Probe::Works,
        Err(DriverError::Hang { .. }) => Probe::Fails("a probe machine hung under KVM".to_owned()),
        Err(DriverError::MachineEnded { .. }) => Probe::Fails("a probe machine died under KVM".to_owned()),
        Err(fault) => return Err(fault),
    };
    let text = match &result {
        Probe::Works => WORKS,
        Probe::Fails(reason) => reason,
    };
    // An answer that cannot be kept is found again next time.
    let _ = fs::write(&answer, text);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_found_out_about_kvm_counts() {
        let machines = tempfile::tempdir().unwrap();
        assert_eq!(answer(machines.path()), None);
        assert_eq!(answer(&machines.path().join("not there")), None);
        fs::write(machines.path().join("kvm-0"), "a probe machine died under KVM").unwrap();
        fs::write(machines.path().join("0.state"), "").unwrap();
        assert_eq!(answer(machines.path()).as_deref(), Some("a probe machine died under KVM"));
    }
}
