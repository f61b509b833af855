//! What is laid into the overlay of a disk that is to boot by itself, so that an agent answers.

use super::super::inspect::Init;

/// The planted agent's epoch.
pub(super) const EPOCH: u32 = 7;

const FOLDER: &str = "usr/lib/imagefile-agent";

const UNIT: &str = "[Unit]
Description=Build agent
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ExecStart=/usr/lib/imagefile-agent/agent
KillMode=mixed
Delegate=yes
OOMScoreAdjust=-900
";

/// The same for `OpenRC`.
const SERVICE: &str = "#!/sbin/openrc-run
description=\"Build agent\"
command=/usr/lib/imagefile-agent/agent
command_background=yes
pidfile=/run/imagefile-agent.pid
";

/// A tar archive of the agent, its state file and what makes `init` start it.
pub(super) fn archive(agent: &[u8], init: Init) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let state = format!("{EPOCH}\n{}\n\n", EPOCH + 1);
    file(&mut tar, &format!("{FOLDER}/agent"), 0o755, agent);
    file(&mut tar, &format!("{FOLDER}/state"), 0o644, state.as_bytes());
    match init {
        Init::Systemd | Init::Other => {
            let units = "etc/systemd/system";
            file(&mut tar, &format!("{units}/imagefile-agent.service"), 0o644, UNIT.as_bytes());
            let wanted = format!("{units}/multi-user.target.wants/imagefile-agent.service");
            link(&mut tar, &wanted, "../imagefile-agent.service");
        }
        Init::OpenRc => {
            file(&mut tar, "etc/init.d/imagefile-agent", 0o755, SERVICE.as_bytes());
            link(&mut tar, "etc/runlevels/default/imagefile-agent", "/etc/init.d/imagefile-agent");
        }
    }
    tar.into_inner().unwrap_or_default()
}

fn link(tar: &mut tar::Builder<Vec<u8>>, path: &str, target: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    // Writing to memory, with paths far below any limit, cannot fail.
    let _ = tar.append_link(&mut header, path, target);
}

fn file(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    let _ = tar.append_data(&mut header, path, content);
}
