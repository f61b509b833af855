//! `imgfile sbom`: what an image consists of, for other programs.

use super::{CommandResult, Exit, failed, recorded};
use crate::{describe::SbomFormat, ops};

/// Print the software bill of materials of an image that was built here.
///
/// Every package of the image's own package database, with its package URL, source, licence and checksum. It was read
/// from the finished disk when the image was built. `imgfile build --sbom` writes it beside the artifact.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, a number or a path, as `imgfile images` lists them.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
    image: String,
    /// The document's format.
    #[arg(long, value_enum, default_value_t = SbomFormat::Spdx)]
    format: SbomFormat,
}

impl clap::ValueEnum for SbomFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let about = match self {
            Self::Spdx => "SPDX 2.3, JSON",
            Self::CycloneDx => "CycloneDX 1.6, JSON",
        };
        Some(clap::builder::PossibleValue::new(self.as_str()).help(about))
    }
}

pub(super) fn run(args: &Args) -> Exit {
    print(args).err().unwrap_or(Exit::Done)
}

fn print(args: &Args) -> CommandResult<()> {
    let (store, records) = recorded::records()?;
    super::print_json(&ops::sbom(&store, &records, &args.image, args.format).map_err(failed)?);
    Ok(())
}
