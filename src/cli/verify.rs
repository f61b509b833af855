//! `imgfile verify`: whether an artifact is what is said of it.

use std::path::PathBuf;

use super::{
    CommandResult, Exit, failed,
    recorded::{self, Format},
};
use crate::ops::{self, Verification, verify::Outcome};

/// Check an artifact against the manifest, bills of materials, provenance and signature beside it.
///
/// Needs no network and no store: it works wherever the files were copied to. Ends with status 1 if anything does not
/// hold.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The disk file; what describes it lies beside it.
    artifact: PathBuf,
    /// Public key (PEM) of whoever is to have signed it.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Exit {
    match verify(args) {
        Ok(true) => Exit::Done,
        Ok(false) => Exit::Files,
        Err(exit) => exit,
    }
}

fn verify(args: &Args) -> CommandResult<bool> {
    let verification = ops::verify::verify(&args.artifact, args.key.as_deref()).map_err(failed)?;
    match args.format {
        Format::Json => recorded::print_json(&verification),
        Format::Human => show(&verification),
    }
    Ok(verification.holds)
}

fn show(verification: &Verification) {
    let rows: Vec<[String; 3]> = verification
        .checks
        .iter()
        .map(|check| {
            let outcome = match check.outcome {
                Outcome::Holds => "ok",
                Outcome::Fails => "FAILS",
                Outcome::Unchecked => "-",
            };
            [outcome.to_owned(), check.file.clone(), check.detail.clone()]
        })
        .collect();
    super::print(&recorded::table(["", "FILE", "WHAT"], &rows));
    for proved in &verification.proved {
        super::screen::say!("proved: {proved}");
    }
    for missing in &verification.not_proved {
        super::screen::say!("not proved: {missing}");
    }
    if !verification.holds {
        super::complain(&format!("{} is not what is said of it", verification.artifact));
    }
}
