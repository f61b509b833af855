//! Reading the image: files, folders, accounts.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use imgfile_agent::protocol::frame::CHUNK;
use imgfile_agent::protocol::message::{Answer, Entry, Kind};

use crate::chroot::inside;
use crate::error::{AgentError, At, Result};
use crate::serve::Agent;

/// Sends a regular file's content.
pub fn get(agent: &Agent, id: u32, path: &str, limit: u64, truncate: bool) -> Result<Answer> {
    let port = &agent.port;
    inside(agent.mounts.root(), || {
        // Looked at before it is opened: opening a fifo would wait for ever.
        let found = fs::metadata(path).at(path)?;
        if !found.is_file() {
            return Err(AgentError::new(format!("{path}: not a regular file")));
        }
        if found.len() > limit && !truncate {
            return Err(AgentError::new(format!(
                "{path}: {} bytes, more than the {limit} allowed",
                found.len()
            )));
        }
        // Files of /proc and /sys have no length to go by, so the limit is kept while reading.
        let mut file = File::open(path).at(path)?.take(limit);
        loop {
            let mut chunk = Vec::new();
            file.by_ref().take(CHUNK as u64).read_to_end(&mut chunk).at(path)?;
            if chunk.is_empty() {
                return Ok(Answer::Nothing);
            }
            port.data(id, chunk)?;
        }
    })
}

/// The most entries a listing holds, and the most bytes of names, to fit into one message.
const LIST_LIMIT: usize = 200 * 1024;

pub fn list(root: &Path, path: &str) -> Result<Answer> {
    inside(root, || {
        let mut entries = Vec::new();
        let mut size = 0;
        for entry in fs::read_dir(path).at(path)? {
            let entry = entry.at(path)?;
            let found = fs::symlink_metadata(entry.path()).at(path)?;
            let kind = if found.is_symlink() {
                Kind::Symlink
            } else if found.is_dir() {
                Kind::Directory
            } else if found.is_file() {
                Kind::File
            } else {
                Kind::Other
            };
            let link = fs::read_link(entry.path()).ok().map(|target| target.to_string_lossy().into_owned());
            let name = entry.file_name().to_string_lossy().into_owned();
            size += name.len() + link.as_ref().map_or(0, String::len) + 32;
            if size > LIST_LIMIT {
                return Err(AgentError::new(format!("{path}: too many entries")));
            }
            entries.push(Entry { name, kind, size: found.len(), link });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Answer::Entries { entries })
    })
}

pub fn remove_empty(root: &Path, path: &str) -> Result<Answer> {
    inside(root, || {
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == 0) {
            fs::remove_file(path).at(path)?;
        }
        Ok(Answer::Nothing)
    })
}

/// An account of the image.
#[derive(Debug, Clone)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// Every group it is in, its own included.
    pub groups: Vec<u32>,
    pub home: String,
    pub shell: String,
}

/// The image's own passwd and group files; call it inside the image.
#[derive(Debug, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    pub fn read() -> Self {
        let read = |path| {
            fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        };
        Self { passwd: read("/etc/passwd"), group: read("/etc/group") }
    }

    pub fn account(&self, name: &str) -> Option<Account> {
        let fields: Vec<&str> = self
            .passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.len() >= 7 && fields[0] == name)?;
        let gid = fields[3].parse().ok()?;
        let mut groups = vec![gid];
        for line in self.group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if fields.len() >= 4
                && fields[3].split(',').any(|member| member == name)
                && let Ok(group) = fields[2].parse()
                && !groups.contains(&group)
            {
                groups.push(group);
            }
        }
        let or =
            |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
        Some(Account {
            name: name.to_owned(),
            uid: fields[2].parse().ok()?,
            gid,
            groups,
            home: or(fields[5], "/"),
            shell: or(fields[6], "/bin/sh"),
        })
    }

    pub fn group(&self, name: &str) -> Option<u32> {
        let line = self.group.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    }
}
