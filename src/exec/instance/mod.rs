//! Instances: what is kept about a machine that runs an image while it runs, for whoever wants to log in to it, and what
//! has to be known of a disk before.
//!
//! Everything is in the instance's own working folder of the store, which its process has locked and which goes with
//! it: the key and its counterpart of the host, and [`InstanceRecord`]. All of them are this user's alone to read.

mod key;
mod look;

use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use key::SshKey;
pub use look::{cannot_run, look, whole_disk};

use super::BuildError;
use crate::store::{Store, StoreError};

/// What the names of their working folders begin with.
const PREFIX: &str = "run-";
const RECORD: &str = "instance.json";
const KEY: &str = "id_ed25519";
const KNOWN_HOSTS: &str = "known_hosts";
/// More than a record ever has.
const LARGEST: u64 = 64 << 10;

/// A machine that runs an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// What the image is called, as `imgfile ssh` takes it.
    pub name: String,
    /// The disk file that it runs, absolute.
    pub disk: PathBuf,
    /// Number of the process of imgfile that it belongs to.
    pub process: u32,
    /// How to log in; none where nobody gave the system a key.
    pub ssh: Option<SshAccess>,
}

/// How an instance is logged in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshAccess {
    /// The account, such as `debian`.
    pub user: String,
    /// The address of this host that leads to it.
    pub address: Ipv4Addr,
    /// The port there.
    pub port: u16,
}

/// An instance that runs, with the folder of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningInstance {
    /// What is known of it.
    pub record: InstanceRecord,
    folder: PathBuf,
}

impl RunningInstance {
    /// The private key that it lets in.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.join(KEY)
    }

    /// A file for `ssh` that has the key by which the instance itself is known.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join(KNOWN_HOSTS)
    }
}

/// The name of a working folder for an instance that nobody else has.
#[must_use]
pub fn folder_name(unique: &str) -> String {
    format!("{PREFIX}{unique}")
}

/// Writes what lets this user in: the private key, and the public line of the host's.
pub fn write_keys(folder: &Path, user: &SshKey, host: &SshKey, ssh: &SshAccess) -> Result<(), BuildError> {
    write(folder, KEY, user.private.as_bytes())?;
    // The form for a port that is not the usual one, sshd(8).
    write(folder, KNOWN_HOSTS, format!("[{}]:{} {}\n", ssh.address, ssh.port, host.public).as_bytes())
}

/// Writes the record, by which the instance is found from then on.
pub fn write_record(folder: &Path, record: &InstanceRecord) -> Result<(), BuildError> {
    // Plain data with text keys has a JSON form.
    let text = serde_json::to_vec(record).unwrap_or_default();
    let draft = folder.join(".instance.json");
    write(folder, ".instance.json", &text)?;
    let to = folder.join(RECORD);
    std::fs::rename(&draft, &to).map_err(|source| BuildError::Io { action: "write", path: to, source })
}

fn write(folder: &Path, name: &str, content: &[u8]) -> Result<(), BuildError> {
    let path = folder.join(name);
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(content));
    written.map_err(|source| BuildError::Io { action: "write", path, source })
}

/// The instances that run now, by name.
pub fn running(store: &Store) -> Result<Vec<RunningInstance>, StoreError> {
    let mut found = Vec::new();
    for folder in store.working_folders()? {
        let is_instance =
            folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
        // One that has no record yet is not up yet.
        if is_instance
            && let Ok(text) = crate::store::read_regular(&folder.join(RECORD), LARGEST)
            && let Ok(record) = serde_json::from_slice(&text)
        {
            found.push(RunningInstance { record, folder });
        }
    }
    found.sort_by(|a, b| (&a.record.name, a.record.process).cmp(&(&b.record.name, b.record.process)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_instance_is_found_while_its_process_has_its_folder_and_its_files_are_its_users_alone() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("store")).unwrap();
        assert!(running(&store).unwrap().is_empty());
        let work = store.begin_build(&folder_name("1")).unwrap();
        let other = store.begin_build("build-1").unwrap();
        assert!(running(&store).unwrap().is_empty(), "it has no record yet");
        let ssh = SshAccess { user: "debian".into(), address: Ipv4Addr::LOCALHOST, port: 2222 };
        let (user, host) = (SshKey::generate("user").unwrap(), SshKey::generate("host").unwrap());
        write_keys(work.path(), &user, &host, &ssh).unwrap();
        let record =
            InstanceRecord { name: "web".into(), disk: "/web.qcow2".into(), process: 1, ssh: Some(ssh) };
        write_record(work.path(), &record).unwrap();
        write_record(other.path(), &record).unwrap();
        let found = running(&store).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].record, record);
        let known = std::fs::read_to_string(found[0].known_hosts()).unwrap();
        assert!(known.starts_with("[127.0.0.1]:2222 ssh-ed25519 "), "{known}");
        for path in [found[0].key(), found[0].known_hosts(), work.path().join(RECORD)] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
        drop(work);
        assert!(running(&store).unwrap().is_empty() && !found[0].key().exists());
    }
}
