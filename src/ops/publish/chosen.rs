//! What is meant by an image and a target: statements of the ImageFile, and files that were built of them.

use crate::{
    check::{ImageSpec, MinDisk, PublishSpec},
    diagnostic::{Diagnostic, codes},
    model::OutputFormat,
    ops::{
        error::{Class, Error},
        image::{find, usage},
        images::FileState,
        project::{self, OpenError, Project},
        records::project_at,
    },
    publish::TargetConfig,
    store::{Records, records::ArtifactRecord},
    text::{Sources, Span, Spanned, nearest},
};

use super::PublishOptions;

/// All that is to be published.
pub struct Chosen {
    pub asked: Vec<Asked>,
    /// What spans point into; none without an ImageFile.
    pub sources: Option<Sources>,
}

/// An image, a target, and the files that may be sent.
pub struct Asked {
    /// Name in the ImageFile.
    pub image: String,
    pub publish: PublishSpec,
    /// Whether it is a statement, so that it has a place in a file.
    stated: bool,
    /// Of the newest build of which files are there.
    files: Vec<ArtifactRecord>,
}

impl Asked {
    /// Shows a diagnostic at the statement, if there is one.
    pub fn label(&self, diagnostic: Diagnostic, text: &str) -> Diagnostic {
        if self.stated { diagnostic.label(self.publish.target.span, text) } else { diagnostic }
    }

    /// The file that the target takes.
    pub fn artifact(&self, config: &TargetConfig) -> Result<&ArtifactRecord, Diagnostic> {
        let name = &self.image;
        let format = |artifact: &ArtifactRecord| OutputFormat::of(artifact.path.as_ref());
        let wanted = self.publish.format.as_ref();
        let fits = |artifact: &&ArtifactRecord| match (format(artifact), wanted) {
            (Some(format), Some(wanted)) => format == wanted.value && (config.driver.takes)(format),
            (Some(format), None) => (config.driver.takes)(format),
            (None, _) => false,
        };
        // The newest is last of its build: what the ImageFile names first comes first.
        if let Some(artifact) = self.files.iter().rev().find(fits) {
            if let (false, Some(region)) = (config.driver.has_regions, self.publish.regions.first()) {
                let message = format!("`{}` has no regions", config.name);
                return Err(Diagnostic::new(codes::REGION_UNKNOWN, message)
                    .label(region.span, "asked for here")
                    .help("leave `regions` out"));
            }
            return Ok(artifact);
        }
        let built: Vec<String> =
            self.files.iter().filter_map(format).map(|format| format!("`{format}`")).collect();
        let diagnostic = if built.is_empty() {
            Diagnostic::new(codes::NOTHING_TO_PUBLISH, format!("there is no file of `{name}` to publish"))
                .note("nothing was built of it yet, or its files are gone: `imgfile images` shows which there were")
                .help("build it: `imgfile build`")
        } else {
            let takes: Vec<String> = OutputFormat::ALL
                .into_iter()
                .filter(|format| (config.driver.takes)(*format))
                .map(|format| format!("`{format}`"))
                .collect();
            let target = &config.name;
            Diagnostic::new(
                codes::NOTHING_TO_PUBLISH,
                format!("`{target}` takes none of the files of `{name}` that may be sent"),
            )
            .note(format!("there are {}, and it takes {}", built.join(", "), takes.join(", ")))
            .help("add an `output` in one of these formats, and build")
        };
        Err(self.label(diagnostic, "published to it"))
    }
}

/// What the options mean here.
pub fn chosen(records: &Records, options: &PublishOptions<'_>) -> Result<Chosen, Error> {
    let project = match project::find(options.path) {
        Ok(file) => Some(checked(project::open(&file, options.set)?)?),
        // What `images` lists may be published from anywhere.
        Err(OpenError::NoImageFile(_)) if options.image.is_some() && options.to.is_some() => None,
        Err(error) => return Err(error.into()),
    };
    let images = project.as_ref().map(|project| project.checked.spec.images.as_slice()).unwrap_or_default();
    let here = project_at(options.path);
    let asked = match options.image {
        Some(word) if images.iter().any(|image| image.name.value == word) => {
            let image = images.iter().filter(|image| image.name.value == word);
            image
                .flat_map(|image| {
                    statements(image, options.to, true, || files(records, here.as_ref(), &image.name.value))
                })
                .collect()
        }
        Some(word) => {
            let artifact = named(records, word, images)?;
            let same_project = here.as_ref() == Some(&artifact.project);
            let image = images.iter().find(|image| same_project && image.name.value == artifact.image);
            match (image, options.to) {
                (Some(image), to) => statements(image, to, true, || Ok(vec![artifact.clone()])),
                (None, Some(to)) => {
                    let span = Span::default();
                    vec![Ok(Asked {
                        image: artifact.image.clone(),
                        publish: bare(to, span),
                        stated: false,
                        files: vec![artifact],
                    })]
                }
                (None, None) => {
                    return Err(usage(format!(
                        "no ImageFile here says where `{word}` is published; name a target: `--to NAME`"
                    )));
                }
            }
        }
        None => {
            let only = images.len() == 1;
            let of = |image: &ImageSpec| {
                statements(image, options.to, only, || files(records, here.as_ref(), &image.name.value))
            };
            images.iter().flat_map(of).collect::<Vec<_>>()
        }
    };
    let asked: Vec<Asked> = asked.into_iter().collect::<Result<_, Error>>()?;
    if asked.is_empty() {
        return Err(nothing(options, images));
    }
    Ok(Chosen { asked, sources: project.map(|project| project.sources) })
}

/// A project without errors; warnings are for `check`.
fn checked(mut project: Project) -> Result<Project, Error> {
    let found = std::mem::take(&mut project.checked.diagnostics);
    if found.iter().any(Diagnostic::is_error) {
        return Err(Error::of_project(Class::Files, found, &project.sources));
    }
    Ok(project)
}

/// An artifact by its name, number, path or tag; where there is none, images of the ImageFile may have been meant.
fn named(records: &Records, word: &str, images: &[ImageSpec]) -> Result<ArtifactRecord, Error> {
    find(records, word).map_err(|error| {
        match nearest(word, images.iter().map(|image| image.name.value.as_str())) {
            Some(near) => usage(format!("there is no image `{word}`; did you mean `{near}`?")),
            None => error,
        }
    })
}

/// What an image says of targets; where it says nothing of the one that is named, and it alone can be meant, that one.
fn statements(
    image: &ImageSpec,
    to: Option<&str>,
    alone: bool,
    files: impl Fn() -> Result<Vec<ArtifactRecord>, Error>,
) -> Vec<Result<Asked, Error>> {
    let asked = |publish: PublishSpec, stated| {
        files().map(|files| Asked { image: image.name.value.clone(), publish, stated, files })
    };
    let stated: Vec<_> = image
        .publishes
        .iter()
        .filter(|publish| to.is_none_or(|to| publish.target.value == to))
        .map(|publish| asked(publish.clone(), true))
        .collect();
    match to {
        Some(to) if stated.is_empty() && alone => vec![asked(bare(to, image.name.span), false)],
        _ => stated,
    }
}

/// A target with nothing said of it.
fn bare(target: &str, span: Span) -> PublishSpec {
    PublishSpec {
        span,
        target: Spanned::new(target.to_owned(), span),
        name: None,
        format: None,
        regions: Vec::new(),
        share: Vec::new(),
        protect: false,
        visibility: None,
        min_disk: MinDisk::Auto,
        properties: Vec::new(),
        tags: Vec::new(),
    }
}

/// The files of the newest build of an image, as far as they are there.
fn files(records: &Records, project: Option<&String>, image: &str) -> Result<Vec<ArtifactRecord>, Error> {
    let all = records.artifacts()?;
    let there = |artifact: &ArtifactRecord| {
        Some(&artifact.project) == project
            && artifact.image == image
            && FileState::of(artifact) != FileState::Missing
    };
    let mut files: Vec<_> = all.into_iter().filter(there).collect();
    if let Some(newest) = files.first().map(|newest| (newest.build, newest.plan_key.clone())) {
        files.retain(|file| (file.build, &file.plan_key) == (newest.0, &newest.1));
    }
    Ok(files)
}

fn nothing(options: &PublishOptions<'_>, images: &[ImageSpec]) -> Error {
    let all = images.iter().flat_map(|image| &image.publishes).map(|publish| publish.target.value.as_str());
    let mut targets: Vec<&str> = all.collect();
    targets.sort_unstable();
    targets.dedup();
    let text = match (options.image, options.to) {
        (None, Some(to)) => {
            let near = nearest(to, targets.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
            let near =
                near.unwrap_or_else(|| format!("; name one, such as `imgfile publish IMAGE --to {to}`"));
            format!("no image of this project is published to `{to}`{near}")
        }
        (Some(image), _) => format!(
            "`{image}` does not say where it is published: name a target, `--to NAME`, or add `publish to \"NAME\"`"
        ),
        (None, None) => {
            "no image of this project says where it is published: add `publish to \"NAME\"`, or name an \
                         image and a target: `imgfile publish IMAGE --to NAME`"
                .to_owned()
        }
    };
    usage(text)
}
