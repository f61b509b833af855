//! Brings images that were built, and passed their tests, to where others start instances from them.
//!
//! Only the command that the user types publishes anything, and only to targets of their own configuration. What one
//! target refuses does not keep an image from the others; the records say where each is.

mod chosen;
mod request;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    error::{Class, Error},
    listener::Listener,
    settings::Settings,
};
use crate::{
    check,
    diagnostic::{Diagnostic, codes},
    exec::TestState,
    publish::{OpenContext, PublishError, Published, Request, Sent, TARGETS, Target, TargetConfig},
    report::progress,
    store::{
        Records, Store,
        fetch::Network,
        records::{ArtifactRecord, PublishedAt},
    },
    text::{Digest, Sources, nearest},
};
use chosen::{Asked, Chosen};

/// What is published, and where.
#[derive(Debug, Clone)]
pub struct PublishOptions<'a> {
    /// ImageFile, or a folder with one.
    pub path: &'a Path,
    /// Values of params.
    pub set: &'a check::Settings,
    /// An image of the ImageFile, or what `images` lists; without it, every image that says where it goes.
    pub image: Option<&'a str>,
    /// Only to this target.
    pub to: Option<&'a str>,
    /// Nothing is asked of a service.
    pub dry_run: bool,
}

/// What became of all that was to be published.
#[derive(Debug)]
pub struct Publishing {
    /// Each image at each place.
    pub images: Vec<PublishedImage>,
    /// Why some of them are not there; the others are.
    pub failed: Option<Error>,
}

/// One image at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PublishedImage {
    /// Name in the ImageFile.
    pub image: String,
    /// The artifact; none if there is nothing to send.
    pub path: Option<String>,
    /// Digest of that file.
    pub sha256: Option<Digest>,
    /// Bytes of that file.
    pub size: Option<u64>,
    /// As the user's configuration names it.
    pub target: String,
    /// Where the service has regions.
    pub region: Option<String>,
    /// What it is called there.
    pub name: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// What the service calls it.
    pub id: Option<String>,
    /// Milliseconds that it took.
    pub elapsed_ms: u64,
    /// Why it is not there.
    pub error: Option<String>,
    /// What there is to know besides.
    pub notes: Vec<String>,
}

/// What became of an image at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was sent.
    Sent,
    /// The content was there; what is said of it was changed.
    Updated,
    /// It was there as it is asked for.
    There,
    /// It would have been published (`--dry-run`).
    Planned,
    /// It is not there.
    Failed,
}

impl Outcome {
    /// As people read it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Updated => "updated",
            Self::There => "there already",
            Self::Planned => "would be published",
            Self::Failed => "failed",
        }
    }
}

impl From<Sent> for Outcome {
    fn from(sent: Sent) -> Self {
        match sent {
            Sent::Sent => Self::Sent,
            Sent::Updated => Self::Updated,
            Sent::There => Self::There,
        }
    }
}

/// Publishes images. `settings` are the user's own ([`own_settings`](super::records::own_settings)): a project has no say
/// in how targets are reached.
///
/// # Errors
/// `Files` if the ImageFile is wrong; `Usage` if there is no such image. What single targets refuse is in the answer.
pub async fn publish(
    settings: &Settings,
    store: &Store,
    records: &Records,
    options: &PublishOptions<'_>,
    listener: &dyn Listener,
) -> Result<Publishing, Error> {
    let Chosen { asked, sources } = chosen::chosen(records, options)?;
    let mut session = Session {
        settings,
        store,
        records,
        listener,
        network: Network {
            proxy: settings.proxy.as_ref().map(|proxy| proxy.value.clone()),
            ca: settings.ca.as_ref().map(|ca| ca.value.clone()),
            offline: false,
        },
        dry_run: options.dry_run,
        open: BTreeMap::new(),
        untested: BTreeSet::new(),
        images: Vec::new(),
        failures: Vec::new(),
    };
    for one in &asked {
        session.publish(one).await?;
    }
    let Session { images, failures, .. } = session;
    let failed = (!failures.is_empty()).then(|| {
        Error::diagnosed(Class::of_settings(&failures), failures, sources.unwrap_or_else(Sources::default))
    });
    Ok(Publishing { images, failed })
}

struct Session<'a> {
    settings: &'a Settings,
    store: &'a Store,
    records: &'a Records,
    listener: &'a dyn Listener,
    network: Network,
    dry_run: bool,
    /// Targets that were asked for something, by name.
    open: BTreeMap<String, Result<Box<dyn Target>, PublishError>>,
    /// Images of which it was said that they have no tests.
    untested: BTreeSet<String>,
    images: Vec<PublishedImage>,
    failures: Vec<Diagnostic>,
}

impl<'a> Session<'a> {
    /// Publishes one image to one target, in each of its regions.
    async fn publish(&mut self, asked: &Asked) -> Result<(), Error> {
        let ready = match self.config(asked) {
            Ok(config) => self.artifact(asked, config).map(|artifact| (config, artifact)),
            Err(diagnostic) => Err(diagnostic),
        };
        let (config, artifact) = match ready {
            Ok(ready) => ready,
            Err(diagnostic) => {
                self.failed(asked, None, diagnostic, Duration::ZERO);
                return Ok(());
            }
        };
        let regions: Vec<Option<String>> = match asked.publish.regions.as_slice() {
            [] => vec![None],
            regions => regions.iter().map(|region| Some(region.value.clone())).collect(),
        };
        for region in regions {
            let request = request::of(self.store, artifact, asked, region);
            if self.dry_run {
                let size = request.size;
                self.listener.note(&format!("{} would be sent", progress::size(size)));
                self.images.push(row(asked, Some(&request), Outcome::Planned));
                continue;
            }
            self.send(asked, config, &request).await?;
        }
        Ok(())
    }

    /// The user's target of the name that is asked for.
    fn config(&self, asked: &Asked) -> Result<&'a TargetConfig, Diagnostic> {
        let name = &asked.publish.target.value;
        let targets: &'a [TargetConfig] = &self.settings.targets;
        if let Some(config) = targets.iter().find(|config| config.name == *name) {
            return Ok(config);
        }
        let message = format!("your configuration has no target `{name}`");
        let diagnostic = asked.label(Diagnostic::new(codes::TARGET_UNKNOWN, message), "published to it");
        // Named by `--to`, and not by the ImageFile.
        let diagnostic = if diagnostic.labels.is_empty() { diagnostic.of_call() } else { diagnostic };
        let drivers: Vec<String> = TARGETS.iter().map(|entry| format!("`{}`", entry.name)).collect();
        let known: Vec<String> = targets.iter().map(|config| format!("`{}`", config.name)).collect();
        let diagnostic = match nearest(name, targets.iter().map(|config| config.name.as_str())) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if !known.is_empty() => diagnostic.note(format!("it has {}", known.join(", "))),
            None => diagnostic,
        };
        Err(diagnostic.help(format!(
            "say in ~/.config/imgfile/config.toml what it is: `[targets.{name}]` with its `driver`, {}, and what that \
             one wants to know (docs/publish.md)",
            drivers.join(" or ")
        )))
    }

    /// The artifact that is sent, if it may be.
    fn artifact<'r>(
        &mut self,
        asked: &'r Asked,
        config: &TargetConfig,
    ) -> Result<&'r ArtifactRecord, Diagnostic> {
        let artifact = asked.artifact(config)?;
        let name = &asked.image;
        let label = |diagnostic| asked.label(diagnostic, "asked for here");
        if let Some(revocation) = &artifact.revoked {
            let message = format!("`{name}` was revoked, or an image that it is made from");
            let mut diagnostic = Diagnostic::new(codes::IMAGE_REVOKED, message);
            if let Some(why) = &revocation.why {
                diagnostic = diagnostic.note(format!("it was said then: {why}"));
            }
            return Err(label(diagnostic));
        }
        let state = TestState::of(self.store, &artifact.sha256);
        let reason = match state {
            Some(TestState::Passed) => None,
            Some(TestState::Without) => {
                if self.untested.insert(name.clone()) {
                    self.listener.note(&format!("`{name}` has no tests"));
                }
                None
            }
            Some(TestState::Skipped) => Some("its tests did not run (`--no-test`)"),
            Some(TestState::Failed) => Some("its tests failed since it was built"),
            None => Some("nothing is known of its tests"),
        };
        if let Some(reason) = reason {
            let message = format!("`{name}` has not passed its tests, and is not published");
            return Err(label(
                Diagnostic::new(codes::NOT_TESTED, message)
                    .note(format!("{}: {reason}", artifact.path))
                    .help(format!(
                        "test it: `imgfile test --image {name}`; or build it anew: `imgfile build`"
                    )),
            ));
        }
        let found = self.store.digest_file(Path::new(&artifact.path));
        let found = found.map_err(|error| {
            label(Diagnostic::new(
                codes::ARTIFACT_CHANGED,
                format!("{} cannot be read: {error}", artifact.path),
            ))
        })?;
        if found != artifact.sha256 {
            let message = format!("{} is not what was built, and is not published", artifact.path);
            return Err(label(
                Diagnostic::new(codes::ARTIFACT_CHANGED, message)
                    .note(format!("its sha256 is {found}, and was {}", artifact.sha256))
                    .help("build it anew: `imgfile build`"),
            ));
        }
        Ok(artifact)
    }

    async fn send(&mut self, asked: &Asked, config: &TargetConfig, request: &Request) -> Result<(), Error> {
        let began = Instant::now();
        let place = place_of(config, request.region.as_deref());
        let published = self.at_target(config, request, &place).await;
        let elapsed = began.elapsed();
        let at = |region| PublishedAt { target: &config.name, region, name: &request.name };
        match published {
            Ok(Published { id, region, sent, notes }) => {
                self.records.published(&request.sha256, at(region.as_deref()), &id)?;
                if sent == Sent::Sent {
                    let place = place_of(config, region.as_deref());
                    self.listener.note(&sent_in(&request.name, &place, request.size, elapsed));
                }
                for note in &notes {
                    self.listener.note(note);
                }
                let row = row(asked, Some(request), sent.into());
                let region = region.or(row.region.clone());
                let elapsed_ms = millis(elapsed);
                self.images.push(PublishedImage { id: Some(id), region, notes, elapsed_ms, ..row });
            }
            Err(error) => {
                self.records.not_published(&request.sha256, at(request.region.as_deref()), &error.line())?;
                let diagnostic = asked.label(error.diagnostic(&config.name), "asked for here");
                self.failed(asked, Some(request), diagnostic, elapsed);
            }
        }
        Ok(())
    }

    async fn at_target(
        &mut self,
        config: &TargetConfig,
        request: &Request,
        place: &str,
    ) -> Result<Published, PublishError> {
        let task = format!("publishing {} to {place}", request.name);
        let waiting = self.listener.waiting(&task);
        let uploads = waiting.as_ref().map(|waiting| waiting.uploads());
        let progress = |done: u64, total: u64| {
            if let Some(watcher) = &uploads {
                (watcher.0)(&format!("{} to {place}", request.name), done, total);
            }
        };
        if !self.open.contains_key(&config.name) {
            let env = |name: &str| std::env::var_os(name);
            let context = OpenContext { env: &env, network: &self.network };
            let opened = (config.driver.open)(config, context).await;
            self.open.insert(config.name.clone(), opened);
        }
        match &self.open[&config.name] {
            Ok(target) => target.publish(request, &progress).await,
            Err(error) => Err(error.clone()),
        }
    }

    fn failed(
        &mut self,
        asked: &Asked,
        request: Option<&Request>,
        diagnostic: Diagnostic,
        elapsed: Duration,
    ) {
        let error = Some(diagnostic.message.clone());
        let row = row(asked, request, Outcome::Failed);
        self.images.push(PublishedImage { error, elapsed_ms: millis(elapsed), ..row });
        // What several regions or images have in common is told once.
        if !self.failures.contains(&diagnostic) {
            self.failures.push(diagnostic);
        }
    }
}

/// A place as people read it.
fn place_of(config: &TargetConfig, region: Option<&str>) -> String {
    match region {
        Some(region) => format!("{}/{region}", config.name),
        None => config.name.clone(),
    }
}

fn row(asked: &Asked, request: Option<&Request>, outcome: Outcome) -> PublishedImage {
    PublishedImage {
        image: asked.image.clone(),
        path: request.map(|request| request.file.to_string_lossy().into_owned()),
        sha256: request.map(|request| request.sha256),
        size: request.map(|request| request.size),
        target: asked.publish.target.value.clone(),
        region: request.and_then(|request| request.region.clone()),
        name: request.map(|request| request.name.clone()),
        outcome,
        id: None,
        elapsed_ms: 0,
        error: None,
        notes: Vec::new(),
    }
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

fn sent_in(name: &str, place: &str, size: u64, elapsed: Duration) -> String {
    let rate = size * 1000 / millis(elapsed).max(1);
    let seconds = elapsed.as_secs_f64();
    format!("{name} is at {place}: {} in {seconds:.1} s, {}/s", progress::size(size), progress::size(rate))
}
