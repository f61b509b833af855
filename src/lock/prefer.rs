//! What a lock makes the solve prefer.

use super::Lock;
use crate::resolve::Preferences;

impl Lock {
    /// The versions and the base that are locked for an image; nothing for one that is not in the lock.
    #[must_use]
    pub fn preferences(&self, image: &str) -> Preferences {
        let Some(locked) = self.images.get(image) else { return Preferences::default() };
        let apps = locked.apps.iter();
        Preferences {
            apps: apps.filter_map(|(name, app)| Some((name.clone(), app.version.parse().ok()?))).collect(),
            base: locked.base.version.parse().ok().map(|version| (locked.base.name.clone(), version)),
            only_base: None,
        }
    }
}
