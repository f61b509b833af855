//! `imgfile doctor`: what this host has, what it lacks, and the command that installs it.

use std::{fmt::Write as _, path::PathBuf};

use super::{Exit, failed, listener::OnScreen, recorded, setting_args::given};
use crate::ops::{self, Class, HostReport, doctor::State, settings::Trust};

/// Show what this host has and lacks, and each setting with where it came from.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The project whose settings count.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Human,
    Json,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Exit {
    let report = match ops::doctor(&args.path, &given(), &OnScreen::default()) {
        Ok(report) => report,
        Err(error) => return failed(error),
    };
    match args.format {
        Format::Human => super::print(&human(&report)),
        Format::Json => recorded::print_json(&report),
    }
    if report.is_lacking() { Class::Host.into() } else { Exit::Done }
}

fn human(report: &HostReport) -> String {
    let mut text = String::new();
    let width = report.findings.iter().map(|f| f.name.len()).max().unwrap_or(0);
    for finding in &report.findings {
        let mark = match finding.state {
            State::Ok => "ok     ",
            State::Note => "note   ",
            State::Missing => "MISSING",
        };
        let _ = writeln!(text, "{mark}  {:width$}  {}", finding.name, finding.detail);
        if let Some(help) = &finding.help {
            let _ = writeln!(text, "         {:width$}  run: {help}", "");
        }
    }
    if let Some(command) = &report.install {
        let _ = writeln!(text, "\nInstall what is missing:\n  {command}");
    }
    if let Some(project) = &report.project {
        let trust = match project.trust {
            Trust::Trusted => "trusted",
            Trust::Changed => "not trusted: its settings have changed since it was",
            Trust::Untrusted => "not trusted",
        };
        let _ = writeln!(text, "\nProject\n  {}  {trust}", project.path.display());
    }
    let _ = writeln!(text, "\nSettings");
    let width = report.settings.iter().map(|row| row.name.len()).max().unwrap_or(0);
    for row in &report.settings {
        let value = row.value.as_deref().unwrap_or("-");
        let _ = writeln!(text, "  {:width$}  {value}  ({})", row.name, row.origin);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::doctor::{Finding, ProjectRow, SettingRow};

    #[test]
    fn what_is_missing_comes_with_one_command() {
        let mut missing = Finding::new("qemu-img", State::Missing, "not installed; it writes disk images");
        missing.package = Some("qemu-utils");
        let report = HostReport {
            install: Some("sudo apt-get install qemu-utils".to_owned()),
            findings: vec![Finding::new("store", State::Ok, "/s, 9 GiB free"), missing],
            project: Some(ProjectRow { path: "/src/shop".into(), trust: Trust::Untrusted }),
            settings: vec![SettingRow {
                name: "accel",
                value: Some("auto".into()),
                origin: "default".into(),
            }],
        };
        assert_eq!(
            human(&report),
            "ok       store     /s, 9 GiB free\n\
             MISSING  qemu-img  not installed; it writes disk images\n\
             \nInstall what is missing:\n  sudo apt-get install qemu-utils\n\
             \nProject\n  /src/shop  not trusted\n\
             \nSettings\n  accel  auto  (default)\n"
        );
    }
}
