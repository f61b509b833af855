//! Layers and bases in a registry that speaks OCI, so that what one has built the others need not build.
//!
//! An entry says what a layer or base is: its key, its file in chunks, what it stands on. It is signed, and used only
//! where one signed it whom the user trusts; everything else that a registry sends is held to the digests in it. What
//! stands on a secret is not sent: its key means nothing elsewhere, and its disk is nobody else's. Nothing that a registry
//! does makes a build fail: what it does not give is built ([`patience`] says how long it is waited for).
//!
//! A layer is an overlay: it makes sense on the very disk that it was made on, not on one that was made anew from the same
//! key. So each has a name for its content, and what does not stand on the same content is not used.

mod chunks;
mod entry;
mod patience;
mod pull;
mod push;
mod shareable;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    ffi::OsString,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;

pub use pull::Brought;
pub use shareable::shareable;

use crate::{
    describe::{SigningKey, VerifyingKey},
    diagnostic::codes,
    driver::Disks,
    exec::Reporter,
    oci::{Access, Credentials, OciError, Registry, Repository},
    store::{Store, StoreError, fetch::Network},
    text::Digest,
};
use entry::{Entry, Kind, Manifest, Unusable};
use patience::Patience;

/// Requests at one time.
const PARALLEL: usize = 6;

/// Where layers are shared, and with whom.
#[derive(Debug, Clone, Default)]
pub struct CacheConfig {
    /// Repositories that are read, in this order.
    pub from: Vec<Repository>,
    /// The one that is written.
    pub to: Option<Repository>,
    /// HTTP does where a registry is not on this host.
    pub plain: bool,
    /// Whose entries are used.
    pub trusted: Vec<VerifyingKey>,
    /// Signs what is sent.
    pub key: Option<Arc<SigningKey>>,
}

/// The shared cache of one build.
#[derive(Debug)]
pub struct SharedCache {
    from: Vec<Remote>,
    to: Option<Remote>,
    trusted: Vec<VerifyingKey>,
    key: Option<Arc<SigningKey>>,
    patience: Patience,
    /// Layers whose entries are there, and not all of what they stand on: they are sent anew.
    broken: Mutex<BTreeSet<Digest>>,
    /// What is said once was said.
    distrusted: AtomicBool,
    unfit: AtomicBool,
}

/// A registry of this build.
#[derive(Debug)]
struct Remote {
    registry: Registry,
    /// It is not asked any more.
    ended: AtomicBool,
}

/// What layers and bases are taken from and put into.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    /// The store of this host.
    pub store: &'a Arc<Store>,
    /// What knows the files of disks.
    pub disks: &'a dyn Disks,
    /// Hears what happens.
    pub reporter: &'a Reporter,
}

impl std::fmt::Debug for Local<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("store", &self.store.root()).finish_non_exhaustive()
    }
}

/// Why nothing comes of a registry.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Registry(#[from] OciError),
    /// It would cost more than it is worth.
    #[error("it is too slow")]
    Slow,
    /// What it has is not what its entry says.
    #[error("what it has of {0} is not what its entry says: {1}")]
    Broken(String, String),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something of this host.
    #[error("{0}")]
    Host(String),
}

impl SharedCache {
    /// A cache by the user's settings; none if they name no registry. `env` says where credentials are.
    ///
    /// # Errors
    /// If the settings of the network cannot be used.
    pub fn new(
        config: CacheConfig,
        network: &Network,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Self>, OciError> {
        if network.offline || config.from.is_empty() && config.to.is_none() {
            return Ok(None);
        }
        let remote = |repository: &Repository, access| {
            let credentials = Credentials::of_user(repository, env);
            let registry = Registry::new(repository, credentials, access, network, config.plain)?;
            Ok::<_, OciError>(Remote { registry, ended: AtomicBool::new(false) })
        };
        let from = config.from.iter().map(|one| remote(one, Access::Pull)).collect::<Result<_, _>>()?;
        let to = config.to.as_ref().map(|one| remote(one, Access::PullPush)).transpose()?;
        let mut trusted = config.trusted;
        // Who writes may read what they wrote.
        trusted.extend(config.key.iter().map(|key| key.public().clone()));
        let (key, patience, broken) = (config.key, Patience::default(), Mutex::default());
        let (distrusted, unfit) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Some(Self { from, to, trusted, key, patience, broken, distrusted, unfit }))
    }

    /// The entry of a manifest, if one of the trusted signed it; says so once if nobody did.
    async fn entry(
        &self,
        remote: &Remote,
        (kind, key): (Kind, &Digest),
        manifest: &[u8],
        reporter: &Reporter,
    ) -> Result<Option<Entry>, Fault> {
        let Some(manifest) = Manifest::read(manifest) else { return Ok(None) };
        let Some(digest) = manifest.config.sha256() else { return Ok(None) };
        let envelope = remote.registry.blob(&digest, manifest.config.size, &|_| {}).await?;
        match Entry::open(&envelope, (kind, key), &self.trusted) {
            Ok(entry) => Ok(Some(entry)),
            Err(Unusable::Other) => Ok(None),
            Err(Unusable::Untrusted) => {
                if !self.distrusted.swap(true, Ordering::Relaxed) {
                    reporter.note(format!(
                        "warning[{}]: the shared cache {} has entries that nobody signed whom you trust; they are not used",
                        codes::CACHE_DISTRUSTED,
                        remote.registry.repository(),
                    ));
                }
                Ok(None)
            }
        }
    }

    fn is_broken(&self, key: &Digest) -> bool {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    fn break_off<'e>(&self, layers: impl IntoIterator<Item = &'e Entry>) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.extend(layers.into_iter().map(|layer| layer.key));
    }

    /// The manifest that is found by a tag or digest.
    async fn manifest(remote: &Remote, reference: &str) -> Result<Option<(Bytes, Digest)>, Fault> {
        Ok(remote.registry.manifest(reference).await?)
    }
}

/// The step that a long wait for an answer is reported as.
const ASKING: &str = "ask the shared cache";
/// After so long people want to know what is waited for.
const LONG: Duration = Duration::from_secs(1);

/// Waits for an answer, and shows it where that takes long.
async fn shown<T>(reporter: &Reporter, asking: impl Future<Output = T>) -> T {
    let mut asking = std::pin::pin!(asking);
    tokio::select! {
        biased;
        answer = &mut asking => answer,
        () = tokio::time::sleep(LONG) => {
            // Whatever is answered, the build goes on.
            let answer = async { Ok::<_, std::convert::Infallible>(asking.await) };
            match reporter.step(ASKING, answer).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            }
        }
    }
}

impl Remote {
    /// It is not asked any more in this build, which is said once.
    fn end(&self, fault: &Fault, reporter: &Reporter) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            reporter.note(format!(
                "warning[{}]: the shared cache {} is not used any more in this build: {fault}",
                codes::CACHE_GIVEN_UP,
                self.registry.repository(),
            ));
        }
    }

    fn is_asked(&self) -> bool {
        !self.ended.load(Ordering::Relaxed)
    }
}
