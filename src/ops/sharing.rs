//! What a build takes from a shared cache, and puts into it.

use super::{
    error::{Class, Error},
    keys::{signing_key, verifying_keys},
    workspace::{Workspace, network},
};
use crate::{
    diagnostic::{Diagnostic, codes},
    driver::{Disks, Driver},
    exec::{Reporter, deepest, prepare::Prepared},
    shared_cache::{Brought, CacheConfig, Local, SharedCache, shareable},
    store::Layer,
    text::Sources,
};

/// The cache that the user's settings name, if they name one.
pub(super) fn open(workspace: &Workspace) -> Result<Option<SharedCache>, Error> {
    let settings = &workspace.settings;
    let (from, to) = (settings.cache_from.as_ref(), settings.cache_to.as_ref());
    if from.is_none() && to.is_none() {
        return Ok(None);
    }
    let trusted = settings.cache_trust.as_ref().map(|keys| verifying_keys(&keys.value)).transpose()?;
    let key = settings.sign_key.as_ref().map(|key| signing_key(&key.value)).transpose()?;
    let lacking = |message: &str, help: &str| {
        let diagnostic = Diagnostic::new(codes::SETTING, message).help(help);
        Err(Error::diagnosed(Class::Files, vec![diagnostic], Sources::default()))
    };
    if from.is_some() && trusted.is_none() && key.is_none() {
        return lacking(
            "`cache-from` names a shared cache, and nothing says whose layers are used",
            "name a file with the public keys of those who write there: `cache-trust`, `--cache-trust` or \
             `IMGFILE_CACHE_TRUST`",
        );
    }
    if to.is_some() && key.is_none() {
        return lacking(
            "`cache-to` names a shared cache, and there is no key that signs what is sent",
            "make one with `openssl genpkey -algorithm ed25519 -out FILE`, and name it: `sign-key`, `--sign-key` or \
             `IMGFILE_SIGN_KEY`",
        );
    }
    let config = CacheConfig {
        from: from.map(|from| from.value.0.clone()).unwrap_or_default(),
        to: to.map(|to| to.value.clone()),
        plain: settings.cache_plain_http.as_ref().is_some_and(|plain| plain.value),
        trusted: trusted.unwrap_or_default(),
        key: key.map(std::sync::Arc::new),
    };
    let network = network(settings, workspace.options().offline);
    SharedCache::new(config, &network, &|name| std::env::var_os(name))
        .map_err(|error| Error::message(Class::Host, error.to_string()))
}

/// The shared cache, for the images of one build.
pub(super) struct Sharing<'a> {
    cache: &'a SharedCache,
    workspace: &'a Workspace,
    disks: std::sync::Arc<dyn Disks>,
    /// Of each image, how many of its steps may be shared.
    shareable: Vec<usize>,
}

/// What an image's steps led to so far, held in use.
pub(super) struct Held {
    _brought: Brought,
    _deepest: Option<Layer>,
    whole: bool,
}

impl Held {
    /// Whether all steps are done.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }
}

impl<'a> Sharing<'a> {
    pub(super) fn new(
        cache: &'a SharedCache,
        workspace: &'a Workspace,
        driver: &dyn Driver,
        prepared: &[Prepared],
    ) -> Self {
        let shareable = shareable(prepared.iter().map(|one| &one.plan));
        Self { cache, workspace, disks: driver.disks(), shareable }
    }

    fn local<'l>(&'l self, reporter: &'l Reporter) -> Local<'l> {
        Local { store: &self.workspace.store, disks: self.disks.as_ref(), reporter }
    }

    /// Has in the store what the cache has of an image.
    pub(super) async fn bring(&self, number: usize, image: &Prepared, reporter: &Reporter) -> Held {
        let (plan, store) = (&image.plan, &self.workspace.store);
        let shareable = self.shareable[number];
        let bringing = self.cache.bring(self.local(reporter), plan, shareable, image.recipe_key());
        let brought = Box::pin(bringing).await;
        let (done, deepest) = deepest(store, plan);
        let whole = done == plan.steps.len() && deepest.is_some();
        Held { _brought: brought, _deepest: deepest, whole }
    }

    /// Sends what the images are made of.
    pub(super) async fn send(&self, prepared: &[Prepared], reporter: &Reporter) {
        let plans: Vec<_> =
            prepared.iter().map(|one| &one.plan).zip(self.shareable.iter().copied()).collect();
        Box::pin(self.cache.send(self.local(reporter), &plans)).await;
    }
}
