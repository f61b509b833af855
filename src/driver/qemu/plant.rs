//! What is laid into the overlay of a disk that is to boot by itself, so that an agent answers.

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

/// A tar archive of the agent, its state file and a unit that starts it.
pub(super) fn archive(agent: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let state = format!("{EPOCH}\n{}\n\n", EPOCH + 1);
    let units = "etc/systemd/system";
    file(&mut tar, &format!("{FOLDER}/agent"), 0o755, agent);
    file(&mut tar, &format!("{FOLDER}/state"), 0o644, state.as_bytes());
    file(&mut tar, &format!("{units}/imagefile-agent.service"), 0o644, UNIT.as_bytes());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    link.set_mode(0o777);
    let path = format!("{units}/multi-user.target.wants/imagefile-agent.service");
    // Writing to memory, with paths far below any limit, cannot fail.
    let _ = tar.append_link(&mut link, path, "../imagefile-agent.service");
    tar.into_inner().unwrap_or_default()
}

fn file(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    let _ = tar.append_data(&mut header, path, content);
}
