//! Which images the rules of their projects let go: called deprecated first, removed when that was long enough ago.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{images::FileState, settings::Lifecycle};
use crate::store::records::ArtifactRecord;

/// What is to be done with an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is to be called deprecated from now on.
    Deprecate,
    /// It is deprecated, and stays for so long.
    Wait(Duration),
    /// It is to be removed.
    Remove,
    /// It is deprecated, and no rule wants that any more.
    Reinstate,
}

/// An artifact with which something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it is about.
    pub artifact: ArtifactRecord,
    /// What is to be done.
    pub fate: Fate,
    /// Which rule says so, such as `keep = 5`; empty if none does any more.
    pub rule: String,
}

/// What the rules say of artifacts, at a time in milliseconds since 1970.
///
/// What is protected, has a tag or is the newest of its image stays whatever the rules say, and so does what another
/// image that is there was made from.
#[must_use]
pub fn verdicts(artifacts: &[ArtifactRecord], rules: &[(PathBuf, Lifecycle)], now_ms: i64) -> Vec<Verdict> {
    let mut projects: BTreeMap<&str, Vec<&ArtifactRecord>> = BTreeMap::new();
    for artifact in artifacts.iter().filter(|artifact| FileState::of(artifact) != FileState::Missing) {
        projects.entry(&artifact.project).or_default().push(artifact);
    }
    let mut verdicts = Vec::new();
    for (project, mut of_project) in projects {
        // The newest first, as the records have them, but copies are as old as what they are copies of.
        of_project.sort_by_key(|artifact| std::cmp::Reverse((artifact.made_ms, artifact.id)));
        let none = Lifecycle::default();
        let rules = rules_of(project, rules).unwrap_or(&none);
        let goes = let_go(&of_project, rules, now_ms);
        for artifact in of_project {
            let rule = goes.get(&artifact.id);
            let since = artifact.deprecated_ms.map(|since| elapsed(since, now_ms));
            let fate = match (rule, since) {
                (None, None) => continue,
                (None, Some(_)) => Fate::Reinstate,
                (Some(_), None) => Fate::Deprecate,
                (Some(_), Some(since)) if since >= rules.grace => Fate::Remove,
                (Some(_), Some(since)) => Fate::Wait(rules.grace.saturating_sub(since)),
            };
            let rule = rule.cloned().unwrap_or_default();
            verdicts.push(Verdict { artifact: artifact.clone(), fate, rule });
        }
    }
    verdicts
}

/// The rules of the folder nearest to a project.
fn rules_of<'a>(project: &str, rules: &'a [(PathBuf, Lifecycle)]) -> Option<&'a Lifecycle> {
    let around = rules.iter().filter(|(folder, _)| Path::new(project).starts_with(folder));
    around.max_by_key(|(folder, _)| folder.as_os_str().len()).map(|(_, rules)| rules)
}

/// The artifacts of a project that may go, newest first, by their numbers; and the rule that says so.
fn let_go(artifacts: &[&ArtifactRecord], rules: &Lifecycle, now_ms: i64) -> BTreeMap<i64, String> {
    let mut goes = BTreeMap::new();
    // Of one content there may be several files: one image.
    let mut seen: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut stays = BTreeSet::new();
    for artifact in artifacts {
        let of_image = seen.entry(&artifact.image).or_default();
        if !of_image.contains(&artifact.plan_key.as_str()) {
            of_image.push(&artifact.plan_key);
        }
        let nth = of_image.iter().position(|key| *key == artifact.plan_key).unwrap_or(0) + 1;
        let needed = artifact.protected || !artifact.tags.is_empty() || nth == 1;
        if needed || !children(artifact, artifacts.iter().copied()).is_empty() {
            stays.insert(artifact.id);
        } else if let Some(keep) = rules.keep.filter(|&keep| nth > keep as usize) {
            goes.insert(artifact.id, format!("keep = {keep}"));
        } else if let Some(age) = rules.max_age.filter(|&age| elapsed(artifact.made_ms, now_ms) > age) {
            goes.insert(artifact.id, format!("max_age = \"{}\"", written(age)));
        }
    }
    let Some(quota) = rules.quota else { return goes };
    let size = |artifact: &ArtifactRecord| u64::try_from(artifact.size).unwrap_or(0);
    let left = artifacts.iter().filter(|artifact| !goes.contains_key(&artifact.id));
    let mut taken: u64 = left.map(|artifact| size(artifact)).sum();
    for artifact in artifacts.iter().rev() {
        if taken <= quota.bytes() {
            break;
        }
        if !stays.contains(&artifact.id) && !goes.contains_key(&artifact.id) {
            taken -= size(artifact);
            goes.insert(artifact.id, format!("quota = \"{quota}\""));
        }
    }
    goes
}

/// A time in the largest unit that it is a whole number of.
fn written(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, 'd'), (3600, 'h'), (60, 'm')];
    let whole = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, letter) = whole.unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit)
}

fn elapsed(since_ms: i64, now_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(now_ms.saturating_sub(since_ms)).unwrap_or(0))
}

/// The artifacts that were made from this one, and are there as long as the last file of its content is.
#[must_use]
pub fn children<'a>(
    artifact: &ArtifactRecord,
    all: impl Iterator<Item = &'a ArtifactRecord> + Clone,
) -> Vec<&'a ArtifactRecord> {
    let same = |other: &&ArtifactRecord| other.project == artifact.project;
    // Another file of the same content is there to make them from.
    if all.clone().filter(same).any(|other| other.plan_key == artifact.plan_key && other.id != artifact.id) {
        return Vec::new();
    }
    let made_from = |other: &&ArtifactRecord| {
        other.parent.is_some() && other.base_key.as_deref() == Some(&artifact.plan_key)
    };
    all.filter(same).filter(made_from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::Size, text::Digest};

    const DAY: i64 = 86_400_000;

    /// An artifact of the image `web`, made so many days ago, of 10 bytes.
    fn artifact(dir: &Path, id: i64, days: i64) -> ArtifactRecord {
        let path = dir.join(format!("web-{id}.qcow2"));
        std::fs::write(&path, "0123456789").unwrap();
        ArtifactRecord {
            id,
            build: None,
            project: "/src/shop".into(),
            image: "web".into(),
            path: path.to_string_lossy().into_owned(),
            sha256: Digest::of("x"),
            size: 10,
            plan_key: format!("key {id}"),
            lock: None,
            lock_path: None,
            labels: BTreeMap::new(),
            made_ms: (1000 - days) * DAY,
            protected: false,
            description: None,
            base: None,
            base_key: None,
            parent: None,
            appliance: None,
            captured: None,
            deprecated_ms: None,
            tags: Vec::new(),
            revoked: None,
            published: Vec::new(),
        }
    }

    fn told(artifacts: &[ArtifactRecord], rules: Lifecycle) -> Vec<(i64, Fate, String)> {
        let rules = [("/src".into(), Lifecycle::default()), ("/src/shop".into(), rules)];
        let verdicts = verdicts(artifacts, &rules, 1000 * DAY);
        verdicts.into_iter().map(|one| (one.artifact.id, one.fate, one.rule)).collect()
    }

    #[test]
    fn the_newest_stay_and_what_is_kept_by_somebody_does() {
        let dir = tempfile::tempdir().unwrap();
        let mut all: Vec<_> = (0..6).map(|days| artifact(dir.path(), 6 - days, days)).collect();
        let rules = Lifecycle { keep: Some(2), ..Lifecycle::default() };
        let ids = |told: Vec<(i64, Fate, String)>| told.into_iter().map(|(id, ..)| id).collect::<Vec<_>>();
        assert_eq!(told(&all, rules)[0], (4, Fate::Deprecate, "keep = 2".to_owned()));
        assert_eq!(ids(told(&all, rules)), [4, 3, 2, 1]);
        all[2].protected = true;
        all[3].tags = vec!["prod".into()];
        // Another output of the second.
        all[4].plan_key = all[1].plan_key.clone();
        assert_eq!(ids(told(&all, rules)), [1]);
        // An image that was made from the oldest.
        let mut child = artifact(dir.path(), 7, 0);
        (child.image, child.parent) = ("shop".into(), Some("web".into()));
        child.base_key = Some(all[5].plan_key.clone());
        all.push(child);
        assert_eq!(ids(told(&all, rules)), [0; 0]);
        std::fs::remove_file(&all[6].path).unwrap();
        assert_eq!(ids(told(&all, rules)), [1], "a file that is gone needs nothing");
        assert_eq!(verdicts(&all, &[("/elsewhere".into(), rules)], 0), []);
    }

    #[test]
    fn age_and_quota_let_the_oldest_go_and_never_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<_> = (0..4).map(|nth| artifact(dir.path(), 4 - nth, 100 + nth)).collect();
        let day = Duration::from_hours(24);
        let old = Lifecycle { max_age: Some(101 * day), ..Lifecycle::default() };
        let rule = |told: Vec<(i64, Fate, String)>| {
            told.into_iter().map(|(id, _, rule)| (id, rule)).collect::<Vec<_>>()
        };
        let age = |id| (id, "max_age = \"101d\"".to_owned());
        assert_eq!(rule(told(&all, old)), [age(2), age(1)]);
        let full = Lifecycle { quota: Some(Size(25)), ..Lifecycle::default() };
        let quota = |id| (id, "quota = \"25B\"".to_owned());
        assert_eq!(rule(told(&all, full)), [quota(2), quota(1)]);
        let both = Lifecycle { quota: Some(Size(1)), max_age: Some(day), ..Lifecycle::default() };
        assert_eq!(told(&all, both).iter().map(|one| one.0).collect::<Vec<_>>(), [3, 2, 1]);
    }

    #[test]
    fn nothing_is_removed_that_was_not_deprecated_for_long_enough() {
        let dir = tempfile::tempdir().unwrap();
        let mut all: Vec<_> = (0..2).map(|nth| artifact(dir.path(), 2 - nth, nth)).collect();
        let rules = Lifecycle { keep: Some(1), ..Lifecycle::default() };
        for (days, fate) in [
            (None, Fate::Deprecate),
            (Some(0), Fate::Wait(Duration::from_hours(7 * 24))),
            (Some(6), Fate::Wait(Duration::from_hours(24))),
            (Some(7), Fate::Remove),
        ] {
            all[1].deprecated_ms = days.map(|days| (1000 - days) * DAY);
            assert_eq!(told(&all, rules), [(1, fate, "keep = 1".to_owned())]);
        }
        assert_eq!(told(&all, Lifecycle::default()), [(1, Fate::Reinstate, String::new())]);
    }
}
