//! The way into an image that `imgfile run` runs: the host's own `ssh`, with nothing of the user's configuration.

use std::ffi::OsString;

use super::error::{Class, Error};
use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{HostNeed, NeedKind},
    exec::instance::{self, RunningInstance, SshAccess},
    store::Store,
    text::Sources,
};

/// The program that logs in.
pub const CLIENT: HostNeed = HostNeed {
    name: "ssh",
    purpose: "logs in to machines that `imgfile run` runs",
    kind: NeedKind::Program { tells_version: false },
    debian: "openssh-client",
    fedora: "openssh-clients",
};

/// The program with its arguments that logs in to the instance of this name, or to the only one that runs, and runs a
/// command there, or a shell.
///
/// # Errors
/// `Usage` where no machine is meant, or nobody can log in to it; `Host` where the program is not installed.
pub fn login(
    store: &Store,
    name: Option<&str>,
    command: &[String],
) -> Result<(OsString, Vec<OsString>), Error> {
    let instance = find(instance::running(store)?, name)?;
    let Some(ssh) = &instance.record.ssh else {
        let message = format!("nobody can log in to `{}`", instance.record.name);
        let help =
            "its console is where `imgfile run` runs; an image with cloud-init and a default user gets a key";
        return Err(nobody(message, help.to_owned()));
    };
    let program = CLIENT
        .found()
        .map_err(|fault| Error::diagnosed(Class::Host, vec![fault.diagnostic()], Sources::default()))?;
    Ok((program.into(), arguments(&instance, ssh, command)))
}

fn find(running: Vec<RunningInstance>, name: Option<&str>) -> Result<RunningInstance, Error> {
    let all: Vec<String> = running.iter().map(|one| one.record.name.clone()).collect();
    let is_meant = |one: &RunningInstance| {
        let path = name.and_then(|name| std::path::Path::new(name).canonicalize().ok());
        name.is_none_or(|name| one.record.name == name || path.as_ref() == Some(&one.record.disk))
    };
    let mut found = running.into_iter().filter(is_meant);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) if name.is_none() => {
            let help = format!("say which: `imgfile ssh {}`", all[0]);
            Err(nobody(format!("several machines run: {}", all.join(", ")), help))
        }
        (Some(one), Some(_)) => {
            let message = format!("`{}` runs more than once", one.record.name);
            Err(nobody(message, "end one, or run a copy under another name".to_owned()))
        }
        (None, _) if all.is_empty() => {
            let help = "start one in another terminal: `imgfile run`";
            Err(nobody("no machine runs".to_owned(), help.to_owned()))
        }
        (None, _) => {
            let message = format!("no machine runs `{}`", name.unwrap_or_default());
            Err(nobody(message, format!("what runs: {}", all.join(", "))))
        }
    }
}

/// No machine runs that could be logged in to.
#[must_use]
pub fn nobody(message: String, help: String) -> Error {
    Error::diagnosed(
        Class::Usage,
        vec![Diagnostic::new(codes::NO_INSTANCE, message).help(help)],
        Sources::default(),
    )
}

/// `ssh(1)`, `ssh_config(5)`: only the instance's key, only its host key, and nothing of this host for the other end.
fn arguments(instance: &RunningInstance, ssh: &SshAccess, command: &[String]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-F", "none", "-a", "-x", "-p"].map(OsString::from).into();
    arguments.push(ssh.port.to_string().into());
    arguments.push("-i".into());
    arguments.push(instance.key().into());
    let mut known_hosts = OsString::from("UserKnownHostsFile=");
    // A path with blanks is quoted for the parser of the option.
    known_hosts.push("\"");
    known_hosts.push(instance.known_hosts());
    known_hosts.push("\"");
    let options = [
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "IdentitiesOnly=yes",
        "IdentityAgent=none",
        "PreferredAuthentications=publickey",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "CheckHostIP=no",
        "LogLevel=ERROR",
    ];
    for option in options.map(OsString::from).into_iter().chain([known_hosts]) {
        arguments.extend(["-o".into(), option]);
    }
    arguments.push(format!("{}@{}", ssh.user, ssh.address).into());
    if !command.is_empty() {
        arguments.push("--".into());
        arguments.extend(command.iter().map(OsString::from));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::instance::{InstanceRecord, folder_name, write_record};

    /// Stores keep an instance as long as its folder is held.
    fn running(store: &Store, name: &str, ssh: bool) -> crate::store::WorkFolder {
        let work = store.begin_build(&folder_name(name)).unwrap();
        let address = std::net::Ipv4Addr::LOCALHOST;
        let ssh = ssh.then(|| SshAccess { user: "debian".into(), address, port: 2222 });
        let name = name.split('.').next().unwrap().to_owned();
        let record = InstanceRecord { name, disk: "/disk".into(), process: std::process::id(), ssh };
        write_record(work.path(), &record).unwrap();
        work
    }

    #[test]
    fn the_machine_that_is_meant_is_found_or_the_message_says_what_there_is() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("store")).unwrap();
        let said = |name: Option<&str>| match login(&store, name, &[]) {
            Ok((_, arguments)) => arguments.last().unwrap().to_string_lossy().into_owned(),
            Err(error) => {
                let diagnostic = &error.diagnostics()[0];
                format!("{} ({})", diagnostic.message, diagnostic.helps.join(" "))
            }
        };
        assert!(said(None).contains("no machine runs (start one in another terminal"));
        let _web = running(&store, "web", true);
        assert_eq!(said(None), "debian@127.0.0.1");
        let _plain = running(&store, "plain", false);
        assert!(said(None).contains("several machines run: plain, web (say which: `imgfile ssh plain`"));
        assert_eq!(said(Some("web")), "debian@127.0.0.1");
        assert!(said(Some("plain")).contains("nobody can log in to `plain`"));
        assert!(said(Some("other")).contains("no machine runs `other` (what runs: plain, web)"));
        let _again = running(&store, "web.2", true);
        assert!(said(Some("web")).contains("`web` runs more than once"));
    }

    #[test]
    fn a_command_is_no_option_of_ssh() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path().join("store")).unwrap();
        let _web = running(&store, "web", true);
        let (_, arguments) = login(&store, None, &["-v".to_owned(), "x".to_owned()]).unwrap();
        let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(words[words.len() - 4..], ["debian@127.0.0.1", "--", "-v", "x"]);
    }
}
