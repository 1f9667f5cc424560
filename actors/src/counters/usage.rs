//! [`Usage`]: what is known of the renders of one template.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde::Serialize;

use super::clock::Clock;
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;

/// Templates in one block, which is made when the first of them is rendered: 24 KiB.
const BLOCK: usize = 1024;
/// Blocks: a million templates, the default of the limit `templates`. Those beyond have no figures of their own.
const BLOCKS: usize = 1024;
/// So many renders of a template are counted one by one; afterwards those that are timed are counted for the others.
const COUNTED_EXACTLY: u64 = 64;

/// What is known of the renders of one template as an entry, since the engine started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// How often it was rendered; an estimate once it is more than a hundred.
    pub renders: u64,
    /// Of these, renders that failed, those included that an older version could answer.
    pub failures: u64,
    /// When it was rendered last, to the second, in milliseconds since 1970.
    pub last_render_ms: Option<u64>,
    /// The last render that failed, while it is remembered (the limit `late_faults`).
    pub last_failure: Option<LastFailure>,
}

/// A render that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastFailure {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What the failure said.
    pub said: String,
    /// Where and why, if it was the template's.
    pub diagnostic: Option<Diagnostic>,
}

/// Counts the renders of each template.
pub(super) struct UsageRecorder {
    blocks: Box<[OnceLock<Box<[UsageCell]>>]>,
    beyond: UsageCell,
}

/// What is counted of one template.
#[derive(Debug, Default)]
pub(super) struct UsageCell {
    renders: AtomicU64,
    failures: AtomicU64,
    /// As the [`Clock`] counts them.
    last_seconds: AtomicU32,
}

impl Default for UsageRecorder {
    fn default() -> Self {
        Self {
            blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect(),
            beyond: UsageCell::default(),
        }
    }
}

impl UsageRecorder {
    /// Where a template is counted.
    #[inline]
    pub(super) fn of(&self, id: TemplateId) -> &UsageCell {
        let (block, cell) = (id.index() / BLOCK, id.index() % BLOCK);
        let block = self.blocks.get(block).map(|block| block.get_or_init(new_block));
        block.map_or(&self.beyond, |block| &block[cell])
    }

    /// What is counted of a template; its last failure is remembered elsewhere ([`LateFaults`](crate::snapshot::LateFaults)).
    pub(super) fn read(&self, id: TemplateId, clock: Clock) -> Usage {
        if id.index() / BLOCK >= BLOCKS {
            return Usage::default();
        }
        let cell = self.of(id);
        Usage {
            renders: cell.renders.load(Ordering::Relaxed),
            failures: cell.failures.load(Ordering::Relaxed),
            last_render_ms: clock.ms_of_seconds(cell.last_seconds.load(Ordering::Relaxed)),
            last_failure: None,
        }
    }
}

#[cold]
fn new_block() -> Box<[UsageCell]> {
    (0..BLOCK).map(|_| UsageCell::default()).collect()
}

impl UsageCell {
    /// Counts a render. Threads that render the same template at once mostly only read this.
    #[inline]
    pub(super) fn rendered(&self, seconds: u32, timed: u64) {
        if self.last_seconds.load(Ordering::Relaxed) != seconds {
            self.last_seconds.store(seconds, Ordering::Relaxed);
        }
        if self.renders.load(Ordering::Relaxed) < COUNTED_EXACTLY {
            self.renders.fetch_add(1, Ordering::Relaxed);
        } else if timed > 0 {
            self.renders.fetch_add(timed, Ordering::Relaxed);
        }
    }

    /// Counts a render that failed.
    #[cold]
    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_renders_of_a_template_are_counted_exactly_and_ids_without_end_harm_nobody() {
        let usages = UsageRecorder::default();
        let id = TemplateId::new(5_000);
        for _ in 0..10 {
            usages.of(id).rendered(3, 0);
        }
        usages.of(TemplateId::new(u32::MAX)).rendered(1, 1);
        let clock = Clock::start();
        let usage = usages.read(id, clock);
        assert_eq!(
            (usage.renders, usage.last_render_ms),
            (10, Some(clock.started_ms + 2_000))
        );
        assert_eq!(usages.read(TemplateId::new(5_001), clock), Usage::default());
        assert_eq!(usages.read(TemplateId::new(u32::MAX), clock), Usage::default());
    }
}
