//! The shell commands behind steps that are not the user's own scripts. Run as root in a chroot.

use std::{fmt::Write as _, time::Duration};

use crate::plan::{AccountStep, GroupStep};
use crate::text::quoted;

/// Long enough for the slowest install script of the catalogue under emulation.
pub(super) const TIMEOUT: Duration = Duration::from_hours(1);

/// The account that runs scripts, made if the base does not have it yet. Groups that a distribution
/// does not have are left out, as cloud-init does.
pub(super) fn default_user(name: &str) -> String {
    let user = quoted(name);
    format!(
        r#"if ! id -u {user} >/dev/null 2>&1; then
  shell=/bin/sh
  [ -x /bin/bash ] && shell=/bin/bash
  useradd --create-home --user-group --shell "$shell" {user}
  for group in adm systemd-journal sudo wheel; do
    if getent group "$group" >/dev/null; then usermod --append --groups "$group" {user}; fi
  done
fi
{sudoers}"#,
        sudoers = sudoers(name),
    )
}

/// Exit status of [`temporary_user`] where the account is there already.
pub(super) const USER_EXISTS: i32 = 45;

/// An account that runs scripts and is taken away when the image is cleaned; not one that is there already.
pub(super) fn temporary_user(name: &str) -> String {
    let user = quoted(name);
    format!("if id -u {user} >/dev/null 2>&1; then exit {USER_EXISTS}; fi\n{}", default_user(name))
}

/// Gives an account sudo without a password, by a file of its own.
fn sudoers(name: &str) -> String {
    format!(
        r"mkdir -p -m 0750 /etc/sudoers.d
umask 0337
printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' {user} > /etc/sudoers.d/{file}
umask 0022
",
        user = quoted(name),
        // sudo skips files with a dot in their names.
        file = quoted(&format!("90-imagefile-{}", name.replace('.', "_"))),
    )
}

/// A group made or given its number.
pub(super) fn group(group: &GroupStep) -> String {
    let name = quoted(&group.name);
    let number = group.gid.map_or_else(String::new, |gid| format!(" --gid {gid}"));
    let system = if group.system { " --system" } else { "" };
    format!(
        "if getent group {name} >/dev/null; then\n  {}\nelse\n  groupadd{system}{number} {name}\nfi\n",
        if number.is_empty() { ":".to_owned() } else { format!("groupmod{number} {name}") },
    )
}

/// An account made or brought into the wanted shape.
pub(super) fn account(account: &AccountStep) -> String {
    let user = quoted(&account.name);
    let mut options = String::new();
    if let Some(uid) = account.uid {
        let _ = write!(options, " --uid {uid}");
    }
    let mut script = String::new();
    if let Some(gid) = account.gid {
        // Its own group, which has its name.
        let _ = writeln!(script, "getent group {gid} >/dev/null || groupadd --gid {gid} {user}");
        let _ = write!(options, " --gid {gid}");
    }
    if let Some(comment) = &account.comment {
        let _ = write!(options, " --comment {}", quoted(comment));
    }
    if let Some(home) = &account.home {
        let _ = write!(options, " --home {}", quoted(home));
    }
    if let Some(shell) = &account.shell {
        let _ = write!(options, " --shell {}", quoted(shell));
    }
    if let Some(hash) = &account.password_hash {
        let _ = write!(options, " --password {}", quoted(hash));
    }
    let mut create = String::new();
    if account.system {
        create.push_str(" --system");
        // A group of its own all the same: `useradd --system` makes one only where login.defs says so.
        if account.gid.is_none() {
            create.push_str(" --user-group");
        }
        if account.shell.is_none() {
            create.push_str(" --shell /usr/sbin/nologin");
        }
    }
    match (&account.home, account.system) {
        (None, true) => create.push_str(" --home /nonexistent --no-create-home"),
        _ => create.push_str(" --create-home"),
    }
    let _ = write!(
        script,
        "if id -u {user} >/dev/null 2>&1; then\n  {}\nelse\n  useradd{create}{options} {user}\nfi\n",
        if options.is_empty() { ":".to_owned() } else { format!("usermod{options} {user}") },
    );
    for group in &account.groups {
        let group = quoted(group);
        let _ = writeln!(script, "getent group {group} >/dev/null || groupadd {group}");
        let _ = writeln!(script, "usermod --append --groups {group} {user}");
    }
    if !account.ssh_keys.is_empty() {
        let _ = writeln!(script, "home=$(getent passwd {user} | cut -d: -f6)");
        let _ = writeln!(script, "install -d -m 0700 -o {user} -g \"$(id -g {user})\" \"$home/.ssh\"");
        for key in &account.ssh_keys {
            let _ = writeln!(script, "printf '%s\\n' {} >> \"$home/.ssh/authorized_keys\"", quoted(key));
        }
        let _ = writeln!(script, "chown {user}: \"$home/.ssh/authorized_keys\"");
        let _ = writeln!(script, "chmod 0600 \"$home/.ssh/authorized_keys\"");
    }
    if account.sudo {
        script.push_str(&sudoers(&account.name));
    }
    script
}

/// Gives files that were made offline, or while nothing was enforced, the labels that `SELinux` expects.
/// Without them a system that enforces may not even start. FAT has no labels.
pub(super) const RELABEL: &str = r#"if [ -e /etc/selinux/config ] && command -v setfiles >/dev/null; then
  SELINUX=; SELINUXTYPE=
  . /etc/selinux/config
  contexts=/etc/selinux/${SELINUXTYPE:-targeted}/contexts/files/file_contexts
  if [ "${SELINUX:-enforcing}" != disabled ] && [ -e "$contexts" ]; then
    set -- /
    for folder in /boot /usr /var; do
      if mountpoint -q "$folder"; then set -- "$@" "$folder"; fi
    done
    setfiles -F -e /proc -e /sys -e /dev -e /run -e /tmp "$contexts" "$@"
  fi
fi
"#;

/// Kernel arguments appended, whatever the boot loader.
pub(super) fn kernel_args(args: &[String]) -> String {
    let args = quoted(&args.join(" "));
    format!(
        r#"args={args}
if command -v grubby >/dev/null; then
  grubby --update-kernel=ALL --args="$args"
elif command -v update-grub >/dev/null; then
  mkdir -p /etc/default/grub.d
  # What this file was called before, in disks that an earlier imgfile made: the same arguments again.
  rm -f /etc/default/grub.d/60-imagefile.cfg
  printf 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX %s"\n' "$args" > /etc/default/grub.d/60-imgfile.cfg
  update-grub
elif [ -e /etc/update-extlinux.conf ]; then
  sed -i "s|^default_kernel_opts=\"\(.*\)\"|default_kernel_opts=\"\1 $args\"|" /etc/update-extlinux.conf
  update-extlinux
else
  echo "no boot loader configuration that imgfile knows (grubby, update-grub, extlinux)" >&2
  exit 1
fi
"#
    )
}
