//! The package step: the host hands over the locked .debs, the guest only unpacks and configures.

use std::collections::BTreeSet;

use super::{
    BuildError,
    pack::Meta,
    session::{Place, Session},
};
use crate::{plan::PackageChange, text::quoted};

/// Where apt remembers which packages came as dependencies only.
const EXTENDED_STATES: &str = "/var/lib/apt/extended_states";

/// Name of a package file on the payload disk.
pub(super) fn payload_name(index: usize) -> String {
    format!("{index}.deb")
}

/// Installs and removes in one transaction, and leaves apt's marks as apt itself would.
pub(super) async fn apply(
    session: &mut Session<'_>,
    place: Place<'_>,
    change: &PackageChange,
) -> Result<(), BuildError> {
    session.shell(place, &transaction(change)).await?;
    let mut pack = session.pack();
    pack.parents(EXTENDED_STATES)?;
    pack.file(EXTENDED_STATES, Meta::root(0o644), change.extended_states.as_bytes())?;
    session.put(place, pack).await
}

/// The commands of one package transaction.
///
/// All files of a stage go to one `dpkg`, which configures in dependency order and runs each trigger
/// once; `Pre-Depends` alone make further stages.
/// What goes is marked so first and removed last, as apt does it: a package that takes the place of one of
/// the base, and conflicts with it, then pushes it away itself once it can stand in for it, and nothing that
/// needs either of them is broken in between.
/// Nobody is there to answer questions: a changed configuration file of the base is kept
/// (`--force-confold`), as with unattended upgrades. The disk of a failed build is thrown away, so
/// syncing every file would only cost time (`--force-unsafe-io`).
fn transaction(change: &PackageChange) -> String {
    const DPKG: &str = "dpkg --force-unsafe-io --force-confdef --force-confold --auto-deconfigure";
    let mut script = "export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical\n".to_owned();
    let removed: Vec<String> = change.remove.iter().map(|name| quoted(name)).collect();
    let removed = removed.join(" ");
    if !removed.is_empty() {
        script += &format!("printf '%s deinstall\\n' {removed} | dpkg --set-selections\n");
    }
    let stages: BTreeSet<u16> = change.install.iter().map(|package| package.stage).collect();
    for stage in stages {
        let files: Vec<String> = (0..change.install.len())
            .filter(|i| change.install[*i].stage == stage)
            .map(|i| format!("/run/imagefile/payload/{}", payload_name(i)))
            .collect();
        script += &format!("{DPKG} --install {}\n", files.join(" "));
    }
    if !removed.is_empty() {
        script += &format!(
            "left=\nfor name in {removed}; do\n  case \"$(dpkg-query -W -f='${{db:Status-Status}}' \"$name\" 2>/dev/null)\" in\n    ''|not-installed|config-files) ;;\n    *) left=\"$left $name\" ;;\n  esac\ndone\n[ -z \"$left\" ] || {DPKG} --remove $left\n"
        );
    }
    script
}
