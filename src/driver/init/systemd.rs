//! systemd.

use std::fmt::Write as _;

use imgfile_agent::protocol::SETTLED;

use super::{Exec, InitFile, InitSystem};
use crate::plan::{UnitState, WantedUnit};
use crate::text::quoted;

#[derive(Debug)]
pub(super) struct Systemd;

const UNIT: &str = "[Unit]
Description=Build agent
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target

[Service]
ExecStart=/usr/lib/imgfile-agent/agent
KillMode=mixed
Delegate=yes
OOMScoreAdjust=-900
";

impl InitSystem for Systemd {
    fn hands_back(&self) -> bool {
        true
    }

    fn agent_files(&self) -> &'static [InitFile] {
        &[
            InitFile::File { path: "etc/systemd/system/imgfile-agent.service", mode: 0o644, content: UNIT },
            InitFile::Link {
                path: "etc/systemd/system/multi-user.target.wants/imgfile-agent.service",
                target: "../imgfile-agent.service",
            },
        ]
    }

    fn jobs_done(&self) -> Exec {
        // `degraded` is up to whoever looks at the units: the system is there.
        Exec::argv(["/bin/sh", "-c", &format!("systemctl is-system-running --wait; : > {SETTLED}")])
    }

    fn starting(&self) -> Exec {
        Exec::argv(["systemctl", "list-jobs", "--no-pager", "--no-legend"])
    }

    fn power_off(&self) -> &'static [&'static str] {
        &["systemctl", "poweroff"]
    }

    fn set_units(&self, units: &[UnitState]) -> String {
        let mut script = String::new();
        for unit in units {
            let verb = match unit.state {
                WantedUnit::Enabled => "enable",
                WantedUnit::Disabled => "disable",
                WantedUnit::Masked => "mask",
            };
            let _ = writeln!(script, "systemctl --no-reload {verb} {}", quoted(&unit.unit));
        }
        script
    }

    fn units_active(&self, units: &[String]) -> String {
        let units: Vec<String> = units.iter().map(|unit| quoted(unit)).collect();
        format!(
            r#"failed=0
systemctl is-system-running --wait >/dev/null 2>&1 || true
for unit in {units}; do
  state=$(systemctl is-active "$unit") || true
  if [ "$state" != active ]; then
    echo "$unit is $state" >&2
    systemctl status --no-pager --lines=20 "$unit" >&2 || true
    failed=1
  fi
done
exit $failed
"#,
            units = units.join(" "),
        )
    }
}
