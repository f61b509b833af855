//! `imgfile inspect`: what is on a disk, and what breaks the rules for finished disks.

use std::fmt::Write as _;

use clap::{ValueEnum, builder::PossibleValue};

use super::{CommandResult, Exit, failed, listener::OnScreen, outdated, recorded, setting_args::given};
use crate::{
    advisory,
    exec::Reporter,
    hygiene::{Finding, Severity},
    model::CleanupPreset,
    ops::{
        Listener as _,
        inspect::{InspectOptions, Inspection, inspect},
        records,
    },
    report::{self, progress},
};

/// Look into a disk: its system, its packages, what takes its room, and what instances of it should not have.
///
/// Any disk with a Linux system will do, whoever made it; it is read in a machine, and its file does not change. Exit
/// status 1 says that a rule of the severity `error` is broken; `imgfile explain H0001` tells about a rule.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `imgfile images` lists, or the path of a disk; without it the one image of the project here.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
    disk: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// What is asked of the disk: as much as a clean-up by this preset would do.
    #[arg(long, value_enum, default_value_t = CleanupPreset::Cloud)]
    preset: CleanupPreset,
    /// The volume with the system, such as `vda2`, where a disk has several.
    #[arg(long, value_name = "VOLUME")]
    root: Option<String>,
    /// List the packages with their versions.
    #[arg(long)]
    packages: bool,
    /// End with status 1 if a package has an advisory of this severity or worse; takes `--advisories`.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    deny: Option<advisory::Severity>,
}

/// How an inspection is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// JSON.
    Json,
    /// The findings as SARIF 2.1.0.
    Sarif,
}

impl ValueEnum for CleanupPreset {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

pub(super) fn run(args: Args) -> Exit {
    super::block_on(async { look(args).await.unwrap_or_else(|exit| exit) })
}

async fn look(args: Args) -> CommandResult<Exit> {
    let listener = OnScreen::default();
    let settings = records::settings(&given(), &listener).map_err(failed)?;
    let store = recorded::store(&settings)?;
    let records = store.records().map_err(recorded::refused)?;
    let Args { disk, format, preset, root, packages, deny } = args;
    let options = InspectOptions { disk, preset, root, packages, deny };
    let reporter = Reporter::new(listener.preparing());
    let found = inspect(&options, (&settings, &store), &records, &reporter).await.map_err(failed)?;
    match format {
        Format::Json => recorded::print_json(&found),
        Format::Sarif => {
            let findings: Vec<Finding> = found.findings.iter().map(|one| one.clone().into()).collect();
            let findings: Vec<&Finding> = findings.iter().collect();
            super::print_json(&report::disk_sarif(&found.path, &findings));
        }
        Format::Human => super::print(&human(&found)),
    }
    Ok(if found.is_denied || found.count(Severity::Error) > 0 { Exit::Files } else { Exit::Done })
}

fn human(found: &Inspection) -> String {
    let system = &found.system;
    let mut text = format!("{}: {}, {}\n", found.name, system.title, system.arch);
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<10} {value}");
    };
    let (size, file) = (progress::size(found.size), progress::size(found.file_size));
    row("disk", &format!("{size}, in a {} file of {file}", found.format.as_str()));
    for mount in &system.mounts {
        let (size, free) = (progress::size(mount.size), progress::size(mount.free));
        let what = format!("{} on {}, {}: {size}, {free} free", mount.target, mount.volume, mount.fs_type);
        row("mounts", &what);
    }
    let firmware: Vec<&str> = system.firmware.iter().map(|one| one.as_str()).collect();
    let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    row("boots by", &or(firmware.join(", "), "nothing that was found"));
    row("kernels", &or(system.kernels.join(", "), "none"));
    row("init", system.init.as_str());
    row("user", system.user.as_deref().unwrap_or("-"));
    let packages = system.package_count.map(|count| count.to_string());
    row("packages", packages.as_deref().unwrap_or("in a database that is not read here"));
    for other in &found.others {
        row(
            "also has",
            &format!("{} on {}; `--root {}` looks at it", other.title, other.volume, other.volume),
        );
    }
    text += "\nwhat takes the most room\n";
    for folder in &found.folders {
        let _ = writeln!(text, "  {:>10}  {}", progress::size(folder.used), folder.path);
    }
    if let Some(packages) = &system.packages {
        text += "\npackages\n";
        for package in packages {
            let _ = writeln!(text, "  {} {} {}", package.name, package.version, package.arch);
        }
    }
    if !found.advisories.is_empty() {
        let rows: Vec<[String; 4]> = found.advisories.iter().map(outdated::advisory_row).collect();
        let _ = write!(text, "\n{}", recorded::table(["ADVISORY", "SEVERITY", "HAS", "FIXED IN"], &rows));
        if found.is_denied {
            text += "what `--deny` names is among them, or worse\n";
        }
    }
    let _ = writeln!(text, "\nfindings, asked as for `cleanup {}`", found.preset.as_str());
    for finding in &found.findings {
        let _ = writeln!(text, "  {}[{}]: {}", finding.severity, finding.rule, finding.message);
    }
    let count = |severity| match found.count(severity) {
        1 => format!("1 {}", severity.as_str()),
        count => format!("{count} {}s", severity.as_str()),
    };
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(count);
    let _ = writeln!(text, "  {}", counts.join(", "));
    if let Some(first) = found.findings.first() {
        let _ = writeln!(text, "  `imgfile explain {}` tells what to do about it", first.rule);
    }
    text
}
