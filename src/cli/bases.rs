//! `imgfile bases`: what images can start from.

use super::{Exit, failed, file_args::FileArgs, listener::OnScreen, recorded};
use crate::{
    check::Size,
    ops::{self, ListedBase},
};

/// List the bases that images can start from.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub file: FileArgs,
    /// Say which bases this image can be built on, and for the others why not.
    #[arg(long, value_name = "NAME", add = clap_complete::ArgValueCompleter::new(super::candidates::images))]
    pub image: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value = "human")]
    pub format: Format,
}

/// How the list is written.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Format {
    Human,
    Json,
}

/// Runs the command.
#[must_use]
pub fn run(args: Args) -> Exit {
    let options = args.file.options();
    let bases = match ops::bases(&options, args.image.as_deref(), &OnScreen::default()) {
        Ok(bases) => bases,
        Err(error) => return failed(error),
    };
    match args.format {
        Format::Json => recorded::print_json(&bases),
        Format::Human => super::print(&human(&bases)),
    }
    Exit::Done
}

fn human(rows: &[ListedBase]) -> String {
    let head = ["NAME", "TIER", "SYSTEM", "ARCH", "FIRMWARE", "DISK", "USER"];
    let cells: Vec<[String; 7]> = rows
        .iter()
        .map(|row| {
            [
                row.name.clone(),
                row.tier.to_owned(),
                row.os.clone(),
                row.arch.clone(),
                row.firmware.join(","),
                Size(row.virtual_size).to_string(),
                row.user.clone(),
            ]
        })
        .collect();
    if rows.iter().all(|row| row.possible.is_none()) {
        return recorded::table(head, &cells);
    }
    let [name, tier, os, arch, firmware, disk, user] = head;
    let why = rows.iter().map(|row| row.reasons.join("; "));
    let cells: Vec<[String; 8]> = cells
        .into_iter()
        .zip(why)
        .map(|([name, tier, os, arch, firmware, disk, user], why)| {
            [name, tier, os, arch, firmware, disk, user, why]
        })
        .collect();
    recorded::table([name, tier, os, arch, firmware, disk, user, "NOT FOR THIS IMAGE"], &cells)
}
