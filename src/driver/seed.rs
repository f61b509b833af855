//! What an instance is told when it first boots, in the form that cloud-init's data source `NoCloud` reads: a disk called
//! `cidata` with two files of YAML. No system needs a network or a cloud for it.
//!
//! The rules are cloud-init's own (its documentation of `NoCloud` and of the modules `ssh` and `set_hostname`). JSON is
//! YAML, so nothing here has to be escaped by rules of YAML.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use super::{PayloadFile, iso};

/// What a seed says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seed {
    /// Tells one instance from another: with another name cloud-init does its first-boot work again.
    pub instance_id: String,
    /// The host name, such as `web`.
    pub host_name: String,
    /// Keys with which the default user logs in, a line each as in `authorized_keys`.
    pub authorized_keys: Vec<String>,
    /// The key of the host itself, an OpenSSH private key and its public line; it makes its own without one.
    pub host_key: Option<(String, String)>,
}

impl Seed {
    /// The texts of both files: `user-data` and `meta-data`.
    #[must_use]
    pub fn texts(&self) -> (String, String) {
        let mut user = json!({ "ssh_authorized_keys": self.authorized_keys });
        if let Some((private, public)) = &self.host_key {
            user["ssh_keys"] = json!({ "ed25519_private": private, "ed25519_public": public });
        }
        let meta = json!({ "instance-id": self.instance_id, "local-hostname": self.host_name });
        (format!("#cloud-config\n{user}\n"), format!("{meta}\n"))
    }

    /// Writes the disk to `to`, which must not be there yet; the folder that it is in takes the files meanwhile.
    pub fn write(&self, to: &Path) -> io::Result<()> {
        let (user, meta) = self.texts();
        let folder = tempfile::tempdir_in(to.parent().unwrap_or(Path::new(".")))?;
        let files = [("user-data", user), ("meta-data", meta)].map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).map(|()| PayloadFile { name: name.to_owned(), path })
        });
        let files: Vec<_> = files.into_iter().collect::<io::Result<_>>()?;
        iso::write("cidata", &files, to)?;
        // There may be a key in it.
        std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_seed_says_is_yaml_for_cloud_init() {
        let seed = Seed {
            instance_id: "i-1".into(),
            host_name: "web".into(),
            authorized_keys: vec!["ssh-ed25519 AAAA a \"b\": c".into()],
            host_key: Some(("-----BEGIN\nx\n".into(), "ssh-ed25519 BBBB".into())),
        };
        let (user, meta) = seed.texts();
        assert!(user.starts_with("#cloud-config\n"));
        let user: serde_yaml::Value = serde_yaml::from_str(&user).unwrap();
        assert_eq!(user["ssh_authorized_keys"][0].as_str(), Some("ssh-ed25519 AAAA a \"b\": c"));
        assert_eq!(user["ssh_keys"]["ed25519_private"].as_str(), Some("-----BEGIN\nx\n"));
        let meta: serde_yaml::Value = serde_yaml::from_str(&meta).unwrap();
        assert_eq!(
            (meta["instance-id"].as_str(), meta["local-hostname"].as_str()),
            (Some("i-1"), Some("web"))
        );
    }
}
