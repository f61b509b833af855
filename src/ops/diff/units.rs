//! What starts at boot, read from the files of a system: units of systemd, services of `OpenRC`.

use std::collections::{BTreeMap, BTreeSet};

use super::files::shown;
use crate::model::{FileKind, SystemTree};

/// Where systemd looks for units, those of the administrator first (systemd.unit(5)).
const FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const KINDS: [&str; 8] =
    [".service", ".socket", ".timer", ".target", ".mount", ".automount", ".path", ".swap"];
/// Of `OpenRC`.
const SCRIPTS: &str = "/etc/init.d";
const RUNLEVELS: &str = "/etc/runlevels";

/// Each unit with its state: `enabled in TARGET…` (something of the administrator's wants it), `masked` or `installed`.
pub(in crate::ops) fn states(tree: &SystemTree) -> BTreeMap<String, String> {
    let mut installed: BTreeSet<String> = BTreeSet::new();
    let mut masked: BTreeSet<String> = BTreeSet::new();
    let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in FOLDERS {
        let Some(number) = tree.resolve(folder) else { continue };
        for (entry, node) in tree.entries(number) {
            let name = shown(&node.name);
            let by = name.strip_suffix(".wants").or_else(|| name.strip_suffix(".requires"));
            // What packages want among themselves is part of them; who enables a unit does it in /etc.
            if let Some(by) = by.filter(|_| folder == FOLDERS[0]) {
                for (_, node) in tree.entries(entry) {
                    wanted.entry(shown(&node.name)).or_default().insert(by.to_owned());
                }
            } else if KINDS.iter().any(|kind| name.ends_with(kind)) {
                if folder == FOLDERS[0] && node.kind() == FileKind::Symlink && *node.target == *b"/dev/null" {
                    masked.insert(name.clone());
                }
                installed.insert(name);
            }
        }
    }
    if let Some(scripts) = tree.resolve(SCRIPTS).filter(|_| tree.resolve(RUNLEVELS).is_some()) {
        installed.extend(tree.entries(scripts).map(|(_, node)| shown(&node.name)));
    }
    for (level, node) in tree.resolve(RUNLEVELS).into_iter().flat_map(|levels| tree.entries(levels)) {
        for (_, service) in tree.entries(level) {
            wanted.entry(shown(&service.name)).or_default().insert(shown(&node.name));
        }
    }
    let names: BTreeSet<&String> = installed.iter().chain(wanted.keys()).collect();
    let state = |name: &String| match wanted.get(name) {
        _ if masked.contains(name) => "masked".to_owned(),
        Some(by) => format!("enabled in {}", by.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        None => "installed".to_owned(),
    };
    names.into_iter().map(|name| (name.clone(), state(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TreeNode;

    #[test]
    fn units_are_enabled_masked_or_only_there() {
        let link = |target: &str| TreeNode::link(target);
        let tree = SystemTree::of_paths(
            [
                ("/lib", link("usr/lib")),
                ("/usr/lib/systemd/system/nginx.service", TreeNode::file(1)),
                ("/usr/lib/systemd/system/cron.service", TreeNode::file(1)),
                ("/usr/lib/systemd/system/ssh.socket", TreeNode::file(1)),
                ("/usr/lib/systemd/system/timers.target.wants/x.timer", link("../x.timer")),
                (
                    "/etc/systemd/system/multi-user.target.wants/nginx.service",
                    link("/usr/lib/systemd/system/nginx.service"),
                ),
                (
                    "/etc/systemd/system/own.target.requires/nginx.service",
                    link("/usr/lib/systemd/system/nginx.service"),
                ),
                ("/etc/systemd/system/cron.service", link("/dev/null")),
                ("/etc/init.d/sshd", TreeNode::file(1)),
                ("/etc/init.d/acpid", TreeNode::file(1)),
                ("/etc/runlevels/default/sshd", link("/etc/init.d/sshd")),
            ]
            .map(|(path, node)| (path.as_bytes().to_vec(), node)),
        );
        let states: Vec<String> =
            states(&tree).into_iter().map(|(name, state)| format!("{name}: {state}")).collect();
        assert_eq!(
            states,
            [
                "acpid: installed",
                "cron.service: masked",
                "nginx.service: enabled in multi-user.target, own.target",
                "ssh.socket: installed",
                "sshd: enabled in default",
            ]
        );
    }
}
