//! What images can start from.

use serde::Serialize;

use super::{error::Error, listener::Listener, resolved, workspace::WorkspaceOptions};
use crate::{
    catalog::{BaseDef, BaseSource, Catalog},
    resolve::base_choices,
};

/// A base as listed.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Row")]
pub struct ListedBase {
    /// As `base` takes it, such as `debian-13`.
    pub name: String,
    /// Of the catalogue's entry, such as `2`; no version of the system.
    pub version: String,
    /// `proven` or `listed`, see `docs/bases.md`.
    pub tier: &'static str,
    /// Distribution and version, such as `debian 13`.
    pub os: String,
    /// Such as `x86_64`.
    pub arch: String,
    /// What it boots by: `bios`, `uefi`.
    pub firmware: Vec<&'static str>,
    /// Where its disk comes from: `bootstrap`, `url` or `file`.
    pub source: &'static str,
    /// In bytes.
    pub virtual_size: u64,
    /// The account that scripts run as, such as `debian`.
    pub user: String,
    /// What it is, in a line.
    pub summary: String,
    /// The catalogue it is from, such as `built-in`.
    pub layer: String,
    /// Whether the image can be built on it; only with `--image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub possible: Option<bool>,
    /// Why it is not possible; empty if it is, and without `--image`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// The bases of a project's catalogue, or of the built-in one where the working folder has no project. For an image of
/// the project also whether it can be built on each, and why not, those that suit it first.
///
/// # Errors
/// `Files` if there is no project at the path, or, with an image, something is wrong with it; `Usage` if it has no such
/// image.
pub fn bases(
    options: &WorkspaceOptions,
    image: Option<&str>,
    listener: &dyn Listener,
) -> Result<Vec<ListedBase>, Error> {
    let Some(name) = image else {
        let catalog = resolved::catalogue(&options.path, &options.set, listener)?;
        return Ok(catalog.bases().map(|def| row(def, &catalog)).collect());
    };
    let resolved = resolved::open(&options.path, &options.set)?;
    let mut rows: Vec<ListedBase> = resolved.catalog.bases().map(|def| row(def, &resolved.catalog)).collect();
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

fn row(def: &BaseDef, catalog: &Catalog) -> ListedBase {
    ListedBase {
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
