//! What the init systems of images differ in: a file each. A driver finds once which one an image has, and everybody
//! asks that one.

mod openrc;
mod systemd;

use std::fmt::Debug;

use super::Exec;
use crate::model::Init;
use crate::plan::UnitState;

/// An init system, as the executor and the drivers work with it. Scripts are for `sh -e`, run as root.
pub trait InitSystem: Debug + Sync {
    /// Whether it leaves the machine to the agent at the end of a shutdown. Any other powers the machine off.
    fn hands_back(&self) -> bool;

    /// What makes it start the agent's program at `/usr/lib/imgfile-agent/agent` when it boots.
    fn agent_files(&self) -> &'static [InitFile];

    /// Ends when the boot has come to its end, well or not.
    fn jobs_done(&self) -> Exec;

    /// Lists what is still being started, a line each.
    fn starting(&self) -> Exec;

    /// A command that powers the booted system off in order.
    fn power_off(&self) -> &'static [&'static str];

    /// Enables, disables or masks units, without a running init.
    fn set_units(&self, units: &[UnitState]) -> String;

    /// Fails, and says why, unless all units are active once the boot is done.
    fn units_active(&self, units: &[String]) -> String;
}

/// Something laid into an image; paths are relative to its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitFile {
    /// A regular file of root's.
    File {
        /// Such as `etc/init.d/imgfile-agent`.
        path: &'static str,
        /// Permission bits, such as `0o755`.
        mode: u32,
        /// All that is in it.
        content: &'static str,
    },
    /// A symbolic link.
    Link {
        /// Such as `etc/runlevels/default/imgfile-agent`.
        path: &'static str,
        /// Where it leads: absolute in the image, or relative to its folder.
        target: &'static str,
    },
}

/// The init system of this name. What is neither of those known boots nothing here; its units, should there be any,
/// are systemd's.
#[must_use]
pub fn system(init: Init) -> &'static dyn InitSystem {
    match init {
        Init::Systemd | Init::Other => &systemd::Systemd,
        Init::OpenRc => &openrc::OpenRc,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::plan::WantedUnit;

    fn units() -> Vec<UnitState> {
        let unit = |unit: &str, state| UnitState { unit: unit.to_owned(), state, must_be_active: false };
        vec![
            unit("nginx.service", WantedUnit::Enabled),
            unit("it's odd.service", WantedUnit::Disabled),
            unit("cron.service", WantedUnit::Masked),
        ]
    }

    #[test]
    fn scripts_are_what_a_shell_takes() {
        for init in [Init::Systemd, Init::OpenRc] {
            let names = ["nginx.service".to_owned(), "it's odd.service".to_owned()];
            for script in [system(init).set_units(&units()), system(init).units_active(&names)] {
                let output = Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
                assert!(output.status.success(), "{script}{}", String::from_utf8_lossy(&output.stderr));
            }
        }
    }

    #[test]
    fn each_has_its_own_words_for_the_state_of_a_unit() {
        assert_eq!(
            system(Init::Systemd).set_units(&units()),
            "systemctl --no-reload enable nginx.service\n\
             systemctl --no-reload disable 'it'\\''s odd.service'\n\
             systemctl --no-reload mask cron.service\n"
        );
        let openrc = system(Init::OpenRc).set_units(&units());
        assert!(openrc.starts_with(
            "rc-update add nginx default\nrc-update --all del 'it'\\''s odd' || :\necho \"OpenRC cannot mask"
        ));
    }

    #[test]
    fn the_agent_is_started_by_files_inside_the_image() {
        for init in [Init::Systemd, Init::OpenRc] {
            for laid in system(init).agent_files() {
                let (InitFile::File { path, .. } | InitFile::Link { path, .. }) = laid;
                assert!(path.starts_with("etc/") && !path.contains(".."), "{path}");
            }
        }
    }
}
