//! What was chosen, because of what, and why nothing else.

use std::{fmt::Write as _, sync::Arc};

use super::{
    error::{Class, Error},
    listener::Listener,
    resolved::{self, Resolved},
    why_step::{StepFate, step_fate},
    workspace::WorkspaceOptions,
};
use crate::{
    catalog::Catalog,
    check::ImageSpec,
    resolve::{PassedOver, Resolution, VersionChoice, passed_over, version_choices},
    text::nearest,
};

/// Why something of an image is as it is.
#[derive(Debug)]
pub enum Why {
    /// Its base; `resolved` has a resolution of `image`.
    Base {
        /// The project with what its images resolve to.
        resolved: Resolved,
        /// Name of the image, as in the ImageFile.
        image: String,
        /// The bases that were not taken, and why.
        others: Vec<PassedOver>,
    },
    /// The application `name`, which is in the resolution of `image`.
    App {
        /// The project with what its images resolve to.
        resolved: Resolved,
        /// Name of the image, as in the ImageFile.
        image: String,
        /// Its name in the catalogue, such as `nginx`.
        name: String,
        /// Every version that the catalogue has, and why it was taken or not.
        versions: Vec<VersionChoice>,
    },
    /// A step of its plan, see [`StepFate`].
    Step(StepFate),
}

/// Explains `what` of the image that the options name, or of the only one: `base`, the name of an application, or a
/// step as a plan names it, in front of which `script`, `copy` and so on may be left out. Nothing is downloaded.
///
/// # Errors
/// `Files` if something is wrong with the project; `Usage` if the image or what is asked for is not there.
pub async fn why(options: WorkspaceOptions, what: &str, listener: Arc<dyn Listener>) -> Result<Why, Error> {
    let resolved = resolved::open(&options.path, &options.set)?;
    let image = resolved.image(options.image.as_deref())?;
    let name = image.name.value.clone();
    let Some(resolution) = resolved.images.images.get(&name) else {
        return Err(Error::already_reported(Class::Files));
    };
    let preferences = resolved.preferences(&name, None);
    let wanted = resolved.wanted(image);
    if what == "base" {
        let others = passed_over(&wanted, &resolved.catalog, &preferences, resolution);
        return Ok(Why::Base { resolved, image: name, others });
    }
    if resolution.apps.iter().any(|app| app.name == what) {
        let versions = version_choices(&wanted, &resolved.catalog, &preferences, resolution, what);
        return Ok(Why::App { resolved, image: name, name: what.to_owned(), versions });
    }
    let absent = || absent(what, image, resolution, &resolved.catalog);
    step_fate(options, listener, (&name, what), absent).await.map(Why::Step)
}

/// Says that a name is neither the base nor an application of an image.
fn absent(name: &str, image: &ImageSpec, resolution: &Resolution, catalog: &Catalog) -> String {
    let chosen = resolution.apps.iter().map(|app| app.name.as_str());
    let mut text = format!("`{name}` is not in the image `{}`", image.name.value);
    if image.packages.iter().any(|package| package.name == name) {
        return format!(
            "`{name}` is a package that the image `{}` asks for, not an application; `imgfile plan` shows its version",
            image.name.value
        );
    }
    if catalog.app(name).is_some() {
        text.push_str(", nor is it required by what is");
    } else if let Some(near) = nearest(name, chosen.chain(["base"])) {
        let _ = write!(text, "; did you mean `{near}`?");
    }
    text
}
