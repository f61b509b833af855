//! `OpenRC`, whichever program is PID 1 beside it.

use std::fmt::Write as _;

use super::{Exec, InitFile, InitSystem};
use crate::plan::{UnitState, WantedUnit};
use crate::text::quoted;

#[derive(Debug)]
pub(super) struct OpenRc;

const SERVICE: &str = "#!/sbin/openrc-run
description=\"Build agent\"
command=/usr/lib/imgfile-agent/agent
command_background=yes
pidfile=/run/imgfile-agent.pid
";

/// Ends when what belongs to the default runlevel has been started.
const SETTLED: &str = "#!/bin/sh
until [ \"$(cat /run/openrc/softlevel 2>/dev/null)\" = default ] && [ ! -d /run/openrc/rc.starting ]; do
  sleep 0.2
done
";

/// Each program that may be PID 1 has its own way to power off.
const POWER_OFF: &str = "case $(cat /proc/1/comm) in openrc-init) exec openrc-shutdown --poweroff now ;; *) exec poweroff ;; esac";

impl InitSystem for OpenRc {
    fn hands_back(&self) -> bool {
        false
    }

    fn agent_files(&self) -> &'static [InitFile] {
        &[
            InitFile::File { path: "etc/init.d/imgfile-agent", mode: 0o755, content: SERVICE },
            InitFile::Link {
                path: "etc/runlevels/default/imgfile-agent",
                target: "/etc/init.d/imgfile-agent",
            },
        ]
    }

    fn jobs_done(&self) -> Exec {
        Exec::script("wait", SETTLED)
    }

    fn starting(&self) -> Exec {
        Exec::argv(["ls", "-1", "/run/openrc/starting"])
    }

    fn power_off(&self) -> &'static [&'static str] {
        &["sh", "-c", POWER_OFF]
    }

    fn set_units(&self, units: &[UnitState]) -> String {
        let mut script = String::new();
        for unit in units {
            let service = quoted(unit.unit.trim_end_matches(".service"));
            let command = match unit.state {
                WantedUnit::Enabled => format!("rc-update add {service} default"),
                WantedUnit::Disabled => format!("rc-update --all del {service} || :"),
                WantedUnit::Masked => format!(
                    "echo \"OpenRC cannot mask a service; disable it instead:\" {service} >&2\nexit 1"
                ),
            };
            let _ = writeln!(script, "{command}");
        }
        script
    }

    fn units_active(&self, units: &[String]) -> String {
        let services: Vec<String> =
            units.iter().map(|unit| quoted(unit.trim_end_matches(".service"))).collect();
        format!(
            "failed=0\nfor service in {}; do\n  rc-service \"$service\" status >&2 || failed=1\ndone\nexit $failed\n",
            services.join(" "),
        )
    }
}
