//! All images of a project, each after the image it is based on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{BaseFacts, Preferences, Requirement, Resolution, Wanted, WantedApp, look_up, resolve, wanted};
use crate::catalog::Catalog;
use crate::check::{BaseSource, ImageSpec, Spec};
use crate::diagnostic::Diagnostic;
use crate::text::Spanned;

/// What the images of a project resolved to.
#[derive(Debug, Default)]
pub struct ResolvedProject {
    /// By image name; images that are wrong, or whose base image is, are missing.
    pub images: BTreeMap<String, Resolution>,
    /// What stands in the way of the images that are missing, and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Resolves every image, as far as it was understood: an error in one statement hides no mistake in
/// another. `preferences` are asked for by image name; `facts`
/// about a `base file` or `base url` by the name as written, if anybody has looked into it.
pub fn resolve_project(
    spec: &Spec,
    catalog: &Catalog,
    preferences: impl Fn(&str) -> Preferences,
    facts: impl Fn(&str) -> Option<BaseFacts>,
) -> ResolvedProject {
    let mut project = ResolvedProject::default();
    for profile in &spec.unused_profiles {
        project.diagnostics.extend(look_up(&wanted(profile, None), catalog));
    }
    for (image, below) in in_order(spec) {
        let name = &image.name.value;
        let based = parent(image).is_none_or(|parent| project.images.contains_key(parent));
        let whole = !image.unknown.any && based;
        let wanted = project.wanted_on(below, image, &facts);
        if image.unknown.arch {
            project.diagnostics.extend(look_up(&wanted, catalog));
            continue;
        }
        match resolve(&wanted, catalog, &preferences(name)) {
            Ok(resolution) if whole => {
                let apps = resolution.apps.iter().map(|app| format!("{} {}", app.name, app.version));
                let apps = tracing::enabled!(tracing::Level::DEBUG).then(|| apps.collect::<Vec<_>>());
                let base = &resolution.base;
                tracing::debug!(image = name, base = base.name, version = %base.version, ?apps, "resolved");
                project.images.insert(name.clone(), resolution);
            }
            Ok(_) => {}
            Err(diagnostics) => project.diagnostics.extend(diagnostics),
        }
    }
    // A profile's statements are part of each image that uses it.
    let mut seen = BTreeSet::new();
    project.diagnostics.retain(|found| seen.insert((found.code, found.span(), found.message.clone())));
    project
}

/// The images of a project, each after the one that it is based on and with that one, if the project has
/// it. Those of a circle, which was reported, come last, with what stands on them.
fn in_order(spec: &Spec) -> Vec<(&ImageSpec, Option<&ImageSpec>)> {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    for (number, image) in spec.images.iter().enumerate() {
        numbers.entry(&image.name.value).or_insert(number);
    }
    let below: Vec<Option<usize>> =
        spec.images.iter().map(|image| numbers.get(parent(image)?).copied()).collect();
    // How many images each stands on, looked up once each: chains may be as long as the file.
    let mut depths: Vec<Option<usize>> = vec![None; spec.images.len()];
    for start in 0..spec.images.len() {
        let mut way = Vec::new();
        let mut at = Some(start);
        while let Some(image) = at.filter(|image| depths[*image].is_none()) {
            // Until it is known; that is how a circle comes to its end.
            depths[image] = Some(usize::MAX);
            way.push(image);
            at = below[image];
        }
        let mut depth = at.map_or(Some(0), |image| depths[image]?.checked_add(1));
        for image in way.into_iter().rev() {
            depths[image] = Some(depth.unwrap_or(usize::MAX));
            depth = depth.and_then(|depth| depth.checked_add(1));
        }
    }
    let mut order: Vec<usize> = (0..spec.images.len()).collect();
    order.sort_by_key(|image| depths[*image]);
    let image = |number: usize| &spec.images[number];
    order.into_iter().map(|number| (image(number), below[number].map(image))).collect()
}

impl ResolvedProject {
    /// What `image` asks of the solve, given what the images before it resolved to.
    pub fn wanted(
        &self,
        spec: &Spec,
        image: &ImageSpec,
        facts: impl Fn(&str) -> Option<BaseFacts>,
    ) -> Wanted {
        self.wanted_on(parent(image).and_then(|name| spec.image(name)), image, facts)
    }

    fn wanted_on(
        &self,
        below: Option<&ImageSpec>,
        image: &ImageSpec,
        facts: impl Fn(&str) -> Option<BaseFacts>,
    ) -> Wanted {
        let name = match &image.base.source {
            BaseSource::File { path: name, .. } | BaseSource::Url { url: name, .. } => {
                return wanted(image, facts(&name.value));
            }
            BaseSource::Image { name } => name,
            BaseSource::Auto | BaseSource::Named { .. } => return wanted(image, None),
        };
        let Some((below, resolution)) = below.zip(self.images.get(&name.value)) else {
            return wanted(image, None);
        };
        let mut wanted = wanted(image, Some(built(below, resolution)));
        let brought = resolution.apps.iter().map(|app| WantedApp {
            span: name.span,
            name: Spanned::new(app.name.clone(), name.span),
            requirement: Some(Spanned::new(Requirement::exactly(app.version.clone()), name.span)),
            options: Vec::new(),
            inherited: Some(app.options.clone()),
            doubtful: false,
        });
        // One that is named again is set up again.
        let written = std::mem::take(&mut wanted.apps);
        let again = |app: &WantedApp| written.iter().any(|one| one.name.value == app.name.value);
        wanted.apps = brought.filter(|app| !again(app)).collect();
        wanted.apps.extend(written);
        wanted
    }
}

fn parent(image: &ImageSpec) -> Option<&str> {
    match &image.base.source {
        BaseSource::Image { name } => Some(&name.value),
        _ => None,
    }
}

/// What is known of an image before it is built, for the images based on it.
fn built(image: &ImageSpec, resolution: &Resolution) -> BaseFacts {
    let size = image.min_storage.map(|size| size.value.bytes());
    BaseFacts {
        os: resolution.os.clone(),
        arch: resolution.arch.to_string(),
        firmware: resolution.base.firmware.clone(),
        virtual_size: size.or(resolution.base.virtual_size),
        used: resolution.base.used,
        user: image.user.as_ref().map(|user| user.value.clone()).or_else(|| resolution.base.user.clone()),
    }
}
