//! Which boots are saved and gone on from: a machine just after it booted a layer is what the next build wants that
//! changed a booted script.
//!
//! Saved is what may be the same for every build that would boot the same layer in the same machine, and nothing
//! else: not where a secret was shown on the way, since memory and free blocks of the disk may hold it still; not
//! where the image keeps what tells one system from another, since builds that go on from one boot share what that
//! boot made; not where steps to come want packages that only this machine was given.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::{BuildError, Executor, chain::Chain, session::StepContext};
use crate::{
    check::{CleanupPreset, CleanupTopic},
    driver::{DriverError, Machine, MachineSpec},
    plan::{Action, ImagePlan, Stage, Step},
    store::WorkFolder,
    text::Digest,
};

/// The steps by which a boot is told that was saved, or gone on from.
pub(super) const SAVE: &str = "save the booted machine";
pub(super) const RESUME: &str = "resume the booted machine";

/// Whether a boot right before the step of this number may be saved, as far as the plan says.
fn may_be_saved(image: &ImagePlan, number: usize) -> bool {
    let (before, rest) = image.steps.split_at(number.min(image.steps.len()));
    let wants_packages =
        |step: &Step| matches!(&step.action, Action::Packages(change) if !change.install.is_empty());
    rest.first().is_some_and(|step| step.stage == Stage::Booted)
        && !shows_secrets(before)
        && !rest.iter().any(wants_packages)
        && clears_identity(image)
}

/// Whether one of these steps is shown a secret.
pub(super) fn shows_secrets(steps: &[Step]) -> bool {
    steps.iter().any(|step| matches!(&step.action, Action::Script(script) if !script.secrets.is_empty()))
}

/// Whether the clean-up takes away all that is known to tell a system from its copies.
fn clears_identity(image: &ImagePlan) -> bool {
    let cleanup = image.steps.iter().find_map(|step| match &step.action {
        Action::Cleanup(cleanup) => Some(cleanup),
        _ => None,
    });
    let has = |topic: CleanupTopic| {
        cleanup.is_some_and(|cleanup| cleanup.items.iter().any(|item| item.name == topic.as_str()))
    };
    let all = CleanupTopic::ALL.into_iter().filter(|topic| CleanupPreset::Identity.includes(*topic));
    cleanup.is_some_and(|cleanup| cleanup.keep.is_empty()) && all.into_iter().all(has)
}

/// A boot that can be saved or gone on from.
pub(super) struct SavableBoot {
    key: Digest,
    /// The layer or base that it boots.
    on: Digest,
}

impl Executor<'_> {
    /// The boot of a machine of `spec` right before the step of this number, on what the chain stands on and nothing
    /// else; none where it is not to be saved.
    pub(super) fn savable_boot(
        &self,
        image: &ImagePlan,
        chain: &Chain<'_>,
        number: usize,
        spec: &MachineSpec,
    ) -> Option<SavableBoot> {
        if self.budget.saved_boots() == 0 || !chain.is_kept() || chain.may_hold_secrets() {
            return None;
        }
        if !may_be_saved(image, number) {
            return None;
        }
        let make = self.driver.make(spec)?;
        let (on, content) = chain.stands_on()?;
        // Of one image alone: what a service made for itself at that boot, and no clean-up knows of, is in no other.
        let key = Digest::of(format!("{make} {content} {} {}", image.disk_size, image.image));
        Some(SavableBoot { key, on })
    }

    /// Goes on from a boot if it was saved; what cannot be gone on from is forgotten, and the machine boots.
    pub(super) async fn resumed(
        &self,
        context: &StepContext<'_>,
        chain: &mut Chain<'_>,
        boot: &SavableBoot,
        spec: &MachineSpec,
    ) -> Result<Option<Box<dyn Machine>>, BuildError> {
        let Some(from) = self.store.saved_boots().get(&boot.key) else { return Ok(None) };
        let resuming = self.driver.resume(spec.clone(), &from);
        match context.reporter.step(RESUME, resuming).await {
            Ok(machine) => Ok(Some(machine)),
            Err(DriverError::HostFull) => Err(DriverError::HostFull.into()),
            Err(fault) => {
                context.reporter.note(format!("{fault}; booting it instead"));
                let _ = self.store.saved_boots().forget(&boot.key);
                chain.renew()?;
                Ok(None)
            }
        }
    }

    /// Saves a machine that has just booted, and that goes on. That it cannot be saved is no failure.
    pub(super) async fn save_boot(
        &self,
        context: &StepContext<'_>,
        machine: &mut dyn Machine,
        boot: &SavableBoot,
        work: &WorkFolder,
    ) -> Result<(), BuildError> {
        let boots = self.store.saved_boots();
        let Ok(draft) = boots.draft(work) else { return Ok(()) };
        let saving = async {
            let saved = machine.save(&draft).await?;
            if saved {
                self.put(boot, draft.clone(), &context.image.image).await;
            }
            Ok::<bool, DriverError>(saved)
        };
        let saved = context.reporter.step(SAVE, saving).await;
        remove(&draft);
        if !saved? {
            context.reporter.note("the booted machine is not saved, for want of room or since it cannot be: it boots the next time");
        }
        Ok(())
    }

    async fn put(&self, boot: &SavableBoot, draft: PathBuf, image: &str) {
        let (store, image) = (std::sync::Arc::clone(self.store), image.to_owned());
        let (key, on, most) = (boot.key, boot.on, self.budget.saved_boots());
        // What is not kept is a draft, and goes.
        let _ = tokio::task::spawn_blocking(move || {
            store.saved_boots().put(&key, &draft, &on, &image, most).is_ok_and(|kept| kept)
        })
        .await;
    }
}

/// What is left of a draft is in the working folder, and goes with that at the latest.
fn remove(draft: &Path) {
    let _ = std::fs::remove_dir_all(draft);
}
