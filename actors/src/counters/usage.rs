//! [`Usage`]: the counts of one template.
//!
//! Cells are in blocks that are allocated when the first of their templates is rendered, so looking one up takes no lock. A cell is shared
//! by all threads. To keep them from contending, most renders only read it: beyond [`COUNTED_EXACTLY`], only the sampled renders add.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde::Serialize;

use super::clock::Clock;
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;

/// The number of templates in one block of 24 KiB.
const BLOCK: usize = 1024;
/// The number of blocks, enough for a million templates, the default of the limit `templates`. Templates beyond are not counted by
/// themselves.
const BLOCKS: usize = 1024;
/// The number of renders of a template that are counted one by one. Afterwards each timed render counts for those that are not timed.
const COUNTED_EXACTLY: u64 = 64;

/// The renders of one template as an entry, since the engine started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// The number of renders; an estimate once it exceeds a hundred.
    pub renders: u64,
    /// The number of failed renders, including those that were answered from an older version or with the stand-in.
    pub failures: u64,
    /// The number of answers from an older version; an estimate once it exceeds a hundred.
    pub stale: u64,
    /// The time of the last render in milliseconds since 1970, to the second.
    pub last_render_ms: Option<u64>,
    /// The last failed render, while it is remembered (the limit `late_faults`).
    pub last_failure: Option<LastFailure>,
}

/// A render that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastFailure {
    /// The time in milliseconds since 1970.
    pub at_ms: u64,
    /// The message of the error.
    pub message: String,
    /// The diagnostic, if the template is at fault.
    pub diagnostic: Option<Diagnostic>,
}

/// Counts the renders of each template.
pub(super) struct UsageRecorder {
    blocks: Box<[OnceLock<Box<[UsageCell]>>]>,
    beyond: UsageCell,
}

/// The counters of one template.
#[derive(Debug, Default)]
pub(super) struct UsageCell {
    renders: AtomicU64,
    failures: AtomicU64,
    /// Answers from an older version. Together with the time it fills one word, so a cell keeps its size.
    stale: AtomicU32,
    /// The time of the last render, as [`Clock::seconds`].
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
    /// Returns the cell of a template.
    #[inline]
    pub(super) fn of(&self, id: TemplateId) -> &UsageCell {
        let (block, cell) = (id.index() / BLOCK, id.index() % BLOCK);
        let block = self.blocks.get(block).map(|block| block.get_or_init(new_block));
        block.map_or(&self.beyond, |block| &block[cell])
    }

    /// Reads the counters of a template. Its last failure is stored elsewhere ([`LateFaults`](crate::snapshot::LateFaults)).
    pub(super) fn read(&self, id: TemplateId, clock: Clock) -> Usage {
        if id.index() / BLOCK >= BLOCKS {
            return Usage::default();
        }
        let cell = self.of(id);
        Usage {
            renders: cell.renders.load(Ordering::Relaxed),
            failures: cell.failures.load(Ordering::Relaxed),
            stale: u64::from(cell.stale.load(Ordering::Relaxed)),
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
    /// Counts a render. Threads that render the same template concurrently usually only read the cell.
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

    /// Counts an answer from an older version, in the same way as renders.
    #[cold]
    pub(super) fn stale(&self, timed: u64) {
        let by = match self.stale.load(Ordering::Relaxed) {
            counted if u64::from(counted) < COUNTED_EXACTLY => 1,
            _ => u32::try_from(timed).unwrap_or(u32::MAX),
        };
        if by > 0 {
            self.stale.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Counts a failed render.
    #[cold]
    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_renders_are_exact_and_ids_are_bounded() {
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
