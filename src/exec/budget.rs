//! How many machines may run at once: memory and processors that all of them share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::plan::MachinePlan;

/// What the machines of one command may take together.
#[derive(Debug)]
pub struct Budget {
    memory: Pool,
    cpus: Pool,
    seals: Pool,
    saved_boots: u64,
}

#[derive(Debug)]
struct Pool {
    free: Arc<Semaphore>,
    total: u32,
}

/// A machine's part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    _memory: Option<OwnedSemaphorePermit>,
    _cpus: Option<OwnedSemaphorePermit>,
}

/// Files that all images of a command write at once: each keeps a processor busy with compression and a disk with the
/// rest of the time.
const SEALS: u32 = 2;

impl Budget {
    /// Memory in MiB and processors that all machines of a command may have together; at least one of each.
    #[must_use]
    pub fn new(memory_mib: u64, cpus: u32) -> Self {
        let pool = |total: u32| Pool { free: Arc::new(Semaphore::new(total as usize)), total };
        Self {
            memory: pool(u32::try_from(memory_mib).unwrap_or(u32::MAX).max(1)),
            cpus: pool(cpus.max(1)),
            seals: pool(SEALS),
            saved_boots: 0,
        }
    }

    /// Machines are saved just after they booted, and take so many bytes of the store; none are without this.
    #[must_use]
    pub fn saving_boots(self, bytes: u64) -> Self {
        Self { saved_boots: bytes, ..self }
    }

    pub(super) const fn saved_boots(&self) -> u64 {
        self.saved_boots
    }

    /// The processors of a machine that asks for so many: no more than all machines may have together.
    pub(super) fn cpus(&self, wanted: u32) -> u8 {
        u8::try_from(wanted.min(self.cpus.total)).unwrap_or(u8::MAX)
    }

    /// Waits for the turn to write a file of a finished disk.
    pub(super) async fn seal(&self) -> Option<OwnedSemaphorePermit> {
        self.seals.take(1).await
    }

    /// Waits until a machine of this size fits beside those that run. One that is larger than the whole
    /// budget runs alone: a plan that says so is not refused.
    pub(super) async fn take(&self, machine: &MachinePlan) -> Share {
        let memory = u32::try_from(machine.memory_mib).unwrap_or(u32::MAX);
        // Always in this order, so that no two wait for one another.
        Share { _memory: self.memory.take(memory).await, _cpus: self.cpus.take(machine.cpus).await }
    }
}

impl Pool {
    async fn take(&self, wanted: u32) -> Option<OwnedSemaphorePermit> {
        // It is never closed, which would be the only error.
        Arc::clone(&self.free).acquire_many_owned(wanted.min(self.total)).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const fn machine(cpus: u32, memory_mib: u64) -> MachinePlan {
        MachinePlan { cpus, memory_mib }
    }

    #[test]
    fn a_machine_waits_for_memory_and_for_processors() {
        let budget = Budget::new(4096, 4);
        let first = budget.take(&machine(2, 3072)).now_or_never().unwrap();
        assert!(budget.take(&machine(1, 2048)).now_or_never().is_none(), "too little memory is left");
        let second = budget.take(&machine(2, 1024)).now_or_never().unwrap();
        assert!(budget.take(&machine(1, 0)).now_or_never().is_none(), "no processor is left");
        drop((first, second));
        assert!(budget.take(&machine(4, 4096)).now_or_never().is_some());
    }

    #[test]
    fn a_machine_has_no_more_processors_than_all_may_have() {
        assert_eq!([1, 2, 8].map(|wanted| Budget::new(1024, 2).cpus(wanted)), [1, 2, 2]);
        assert_eq!(Budget::new(1024, 1000).cpus(999), u8::MAX);
    }

    #[test]
    fn two_files_are_written_at_once() {
        let budget = Budget::new(1024, 1);
        let first = budget.seal().now_or_never().unwrap();
        let second = budget.seal().now_or_never().unwrap();
        assert!(budget.seal().now_or_never().is_none());
        drop((first, second));
        assert!(budget.seal().now_or_never().is_some());
    }

    #[test]
    fn one_that_is_too_large_runs_alone() {
        let budget = Budget::new(1024, 1);
        let large = budget.take(&machine(8, 1 << 20)).now_or_never();
        assert!(large.is_some() && budget.take(&machine(1, 1)).now_or_never().is_none());
    }
}
