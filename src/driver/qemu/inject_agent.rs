//! What is laid into the overlay of a disk that is to boot by itself, so that an agent answers.

use super::super::init::{InitFile, InitSystem};

/// The planted agent's epoch.
pub(super) const EPOCH: u32 = 7;

const FOLDER: &str = "usr/lib/imgfile-agent";

/// A tar archive of the agent, its state file and what makes `init` start it.
pub(super) fn archive(agent: &[u8], init: &dyn InitSystem) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let state = format!("{EPOCH}\n{}\n\n", EPOCH + 1);
    file(&mut tar, &format!("{FOLDER}/agent"), 0o755, agent);
    file(&mut tar, &format!("{FOLDER}/state"), 0o644, state.as_bytes());
    for laid in init.agent_files() {
        match *laid {
            InitFile::File { path, mode, content } => file(&mut tar, path, mode, content.as_bytes()),
            InitFile::Link { path, target } => link(&mut tar, path, target),
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
