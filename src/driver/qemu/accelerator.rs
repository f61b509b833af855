//! Which accelerator to use. That `/dev/kvm` opens proves nothing (there are hosts where every
//! guest dies under it, or hangs), so KVM is used only if a probe machine has really come up.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::super::{AcceleratorChoice, DriverError, Limits};
use super::start::{self, Host, RunningKernel};

/// What machines run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    Tcg,
}

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
        Ok(()) => {
            host.accelerator = Accelerator::Kvm;
            return Ok(None);
        }
        Err(reason) => reason,
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

/// Whether a guest runs under KVM, or why not. The inner answer is kept for as long as the host
/// runs with the same QEMU and CPU.
async fn usable(host: &mut Host, machines: &Path) -> Result<Result<(), String>, DriverError> {
    if let Err(error) = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        return Ok(Err(format!("/dev/kvm cannot be opened ({error})")));
    }
    let answer = machines.join(format!("kvm-{}", host.fingerprint()));
    match fs::read_to_string(&answer).as_deref() {
        Ok("works") => return Ok(Ok(())),
        Ok(reason) if !reason.is_empty() => return Ok(Err(reason.to_owned())),
        _ => {}
    }
    host.accelerator = Accelerator::Kvm;
    let failed = |source| DriverError::Host { doing: "probe KVM".to_owned(), source };
    fs::create_dir_all(machines).map_err(failed)?;
    let folder = tempfile::Builder::new().prefix(".probe-").tempdir_in(machines).map_err(failed)?;
    let limits = Limits { start: PROBE_LIMIT, operation: PROBE_LIMIT };
    let result = match start::kernel(host, &start::bare(folder.path(), limits), &RunningKernel::Build).await {
        Ok(_guest) => Ok(()),
        Err(DriverError::Hang { .. }) => Err("a probe machine hung under KVM".to_owned()),
        Err(DriverError::MachineEnded { .. }) => Err("a probe machine died under KVM".to_owned()),
        Err(fault) => return Err(fault),
    };
    let text = result.as_ref().map_or_else(String::as_str, |()| "works");
    // An answer that cannot be kept is found again next time.
    let _ = fs::write(&answer, text);
    Ok(result)
}
