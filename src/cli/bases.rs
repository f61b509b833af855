//! `imgfile bases`: what images can start from.

use serde::Serialize;

use super::file_args::FileArgs;
use super::resolving;
use super::{Exit, project, recorded};
use crate::catalog::{BaseDef, BaseSource, Catalog, builtin};
use crate::check::Size;
use crate::resolve::base_choices;
use crate::text::Sources;

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

/// A base as listed.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Row {
    name: String,
    version: String,
    tier: &'static str,
    os: String,
    arch: String,
    firmware: Vec<&'static str>,
    source: &'static str,
    /// In bytes.
    virtual_size: u64,
    user: String,
    summary: String,
    layer: String,
    /// Whether the image can be built on it; only with `--image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    possible: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &Args) -> Exit {
    let rows = match rows(args) {
        Ok(rows) => rows,
        Err(exit) => return exit,
    };
    match args.format {
        Format::Json => match serde_json::to_string_pretty(&rows) {
            Ok(text) => super::print_json(&format!("{text}\n")),
            Err(error) => {
                super::complain(&error.to_string());
                return Exit::Failed;
            }
        },
        Format::Human => super::print(&human(&rows)),
    }
    Exit::Done
}

fn rows(args: &Args) -> Result<Vec<Row>, Exit> {
    // Without a project there is still the built-in catalogue to show.
    if args.image.is_none() && project::is_nowhere(&args.file.path) {
        let mut sources = Sources::default();
        let layer = builtin(&mut sources);
        let (catalog, _) = Catalog::load(&[layer], &sources);
        return Ok(catalog.bases().map(|def| row(def, &catalog)).collect());
    }
    let Some(name) = &args.image else {
        let catalog = resolving::catalogue(&args.file)?;
        return Ok(catalog.bases().map(|def| row(def, &catalog)).collect());
    };
    let resolved = resolving::open(&args.file)?;
    let mut rows: Vec<Row> = resolved.catalog.bases().map(|def| row(def, &resolved.catalog)).collect();
    let image = resolved.image(Some(name))?;
    let preferences = resolved.preferences(name, None);
    let choices = base_choices(&resolved.wanted(image), &resolved.catalog, &preferences);
    for row in &mut rows {
        if let Some(choice) =
            choices.iter().find(|choice| choice.name == row.name && choice.version.as_str() == row.version)
        {
            row.possible = Some(choice.possible);
            row.reasons = choice.reasons.iter().map(|reason| reason.text.clone()).collect();
        }
    }
    rows.sort_by_key(|row| row.possible == Some(false));
    Ok(rows)
}

fn row(def: &BaseDef, catalog: &Catalog) -> Row {
    Row {
        name: def.name.value.clone(),
        version: def.version.value.to_string(),
        tier: def.tier.as_str(),
        os: format!("{} {}", def.os.distro, def.os.version),
        arch: def.arch.value.to_string(),
        firmware: def.firmware.iter().map(|firmware| firmware.as_str()).collect(),
        source: match def.source {
            BaseSource::Bootstrap(_) => "bootstrap",
            BaseSource::Url { .. } => "url",
            BaseSource::File { .. } => "file",
        },
        virtual_size: def.virtual_size.value,
        user: def.user.value.clone(),
        summary: def.summary.clone(),
        layer: catalog.layers()[def.layer].clone(),
        possible: None,
        reasons: Vec::new(),
    }
}

fn human(rows: &[Row]) -> String {
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
