//! What secrets do to the keys of steps: the state of a disk after a script that got a secret is that value's.
//!
//! The plan knows no values. On this host, before a build looks for what it can reuse, each step that names a
//! secret gets a keyed digest of the value into its key; what follows it, and images that are based on it, stand
//! on another key then. The key of the digest is the store's own: elsewhere the layer's name means nothing.

use std::collections::BTreeMap;

use super::{BuildError, Secrets};
use crate::{
    plan::{Action, BaseSource, ImagePlan, Key, KeyPart},
    store::Store,
    text::Digest,
};

/// The plans as this host builds them, images after those that they are based on.
///
/// # Errors
///
/// The store cannot make or read its key.
pub fn with_secrets<'a>(
    plans: impl IntoIterator<Item = (&'a mut ImagePlan, &'a Secrets)>,
    store: &Store,
) -> Result<(), BuildError> {
    let mut moved = BTreeMap::new();
    for (plan, secrets) in plans {
        let before = plan.key();
        if let BaseSource::Image { key, .. } = &mut plan.base.source
            && let Some(now) = moved.get(key)
        {
            *key = *now;
        }
        let mut parent = plan.base_key();
        for step in &mut plan.steps {
            if let Action::Script(script) = &step.action {
                for name in &script.secrets {
                    step.parts.push(part(name, secrets.get(name), store)?);
                }
            }
            step.key = Key::of(parent, &step.parts);
            parent = step.key;
        }
        moved.insert(before, plan.key());
    }
    Ok(())
}

fn part(name: &str, value: Option<&[u8]>, store: &Store) -> Result<KeyPart, BuildError> {
    let digest = match value {
        Some(value) => store.keyed_digest(value)?,
        None => Digest::of("no value"),
    };
    // Nothing is kept that could be shown.
    Ok(KeyPart { name: format!("value of the secret `{name}`"), digest, value: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exec::{Consent, Outside},
        store::ProjectFolder,
    };

    /// The keys of a plan whose middle script gets a secret, and of an image that is based on it.
    fn keys(store: &Store, value: Option<&str>) -> Vec<Key> {
        let folder = tempfile::tempdir().unwrap();
        let project = ProjectFolder::open(folder.path()).unwrap();
        let mut below = crate::exec::simulation::image("below", "ooo", 0);
        let Action::Script(script) = &mut below.steps[1].action else { panic!() };
        script.secrets = vec!["token".into()];
        let mut above = crate::exec::simulation::image("above", "o", 0);
        above.base.source = BaseSource::Image { image: below.image.clone(), key: below.key() };
        below.secrets.push(crate::plan::SecretPlan {
            name: "token".into(),
            source: crate::plan::SecretSource::User,
            span: None,
        });
        let mut consent = Consent::default();
        if let Some(value) = value {
            let file = folder.path().join("value");
            std::fs::write(&file, value).unwrap();
            consent.secrets.insert("token".into(), Outside::File(file));
        }
        let secrets = [&below, &above].map(|plan| Secrets::read(plan, &project, &consent));
        with_secrets([&mut below, &mut above].into_iter().zip(&secrets), store).unwrap();
        below.steps.iter().chain(&above.steps).map(|step| step.key).collect()
    }

    #[test]
    fn what_stands_on_a_secret_is_reused_with_that_value_only() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [store, elsewhere] = [0, 1].map(|nth: usize| Store::open(folders[nth].path()).unwrap());
        let first = keys(&store, Some("tenant a"));
        assert_eq!(first, keys(&store, Some("tenant a")));
        for other in [keys(&store, Some("tenant b")), keys(&store, None), keys(&elsewhere, Some("tenant a"))]
        {
            let same: Vec<bool> = first.iter().zip(&other).map(|(one, other)| one == other).collect();
            assert_eq!(same, [true, false, false, false], "before, with, after, above");
        }
    }
}
