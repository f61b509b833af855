//! `imgfile build`: from the ImageFile to tested artifacts.

use std::path::PathBuf;

use clap::ValueEnum;

/// Build the images of an ImageFile.
///
/// Writes `out/NAME.qcow2` (or what `output` says) and `ImageFile.lock`, and prints each artifact's path
/// and sha256. The file appears only after all tests passed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ImageFile, or a folder with one.
    #[arg(default_value = ".")]
    pub path: PathBuf,
    /// Build only this image (and those it is based on).
    #[arg(long, value_name = "NAME")]
    pub image: Option<String>,
    /// Name of the artifact, instead of `output`'s; for a single image.
    #[arg(long, value_name = "OUTPUT")]
    pub name: Option<String>,
    /// Start from this base of the catalogue, if it is compatible.
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// Give a `param` a value.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Fail instead of writing or changing the lock.
    #[arg(long)]
    pub locked: bool,
    /// Use only what is in the store.
    #[arg(long)]
    pub offline: bool,
    /// Run every step again.
    #[arg(long)]
    pub no_cache: bool,
    /// Leave the tests of the artifact out.
    #[arg(long)]
    pub no_test: bool,
    /// Allow bases that nobody has proven yet.
    #[arg(long)]
    pub unproven: bool,
    /// How the machine's processor is provided.
    #[arg(long, value_enum, env = "IMGFILE_ACCEL", default_value_t = Accel::Auto)]
    pub accel: Accel,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// Where artifacts go; without it `out` beside the ImageFile.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    /// KVM where a probe guest really runs under it, else emulation.
    Auto,
    /// Hardware virtualisation, or an error.
    Kvm,
    /// Emulation.
    Tcg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// `tty` on a terminal, else `plain`.
    Auto,
    /// A live view.
    Tty,
    /// One line an event.
    Plain,
    /// The event stream, one JSON object a line, on stdout.
    Json,
}

/// `NAME=VALUE` of the command line.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
