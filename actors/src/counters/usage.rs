//! [`Usage`]: what is known of the renders of one template.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;

use super::clock::Clock;
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::protocol::render::RenderFailure;

/// Templates in one block, which is made when the first of them is rendered: 24 KiB.
const BLOCK: usize = 1024;
/// Blocks: a million templates, the default of the limit `templates`. Those beyond have no figures of their own.
const BLOCKS: usize = 1024;
/// So many renders of a template are counted one by one; afterwards those that are timed are counted for the others.
const COUNTED_EXACTLY: u64 = 64;
/// Templates whose last failure is remembered. Beyond, the one that failed longest ago is forgotten.
const FAILURES_MAX: usize = 256;

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
    /// The last render that failed, while it is remembered.
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
pub(super) struct Usages {
    blocks: Box<[OnceLock<Box<[Cell]>>]>,
    beyond: Cell,
    /// Taken by renders that fail only.
    failures: Mutex<BTreeMap<TemplateId, LastFailure>>,
}

/// What is counted of one template.
#[derive(Debug, Default)]
pub(super) struct Cell {
    renders: AtomicU64,
    failures: AtomicU64,
    /// As the [`Clock`] counts them.
    last_seconds: AtomicU32,
}

impl Default for Usages {
    fn default() -> Self {
        Self {
            blocks: (0..BLOCKS).map(|_| OnceLock::new()).collect(),
            beyond: Cell::default(),
            failures: Mutex::default(),
        }
    }
}

impl Usages {
    /// Where a template is counted.
    #[inline]
    pub(super) fn of(&self, id: TemplateId) -> &Cell {
        let (block, cell) = (id.index() / BLOCK, id.index() % BLOCK);
        let block = self.blocks.get(block).map(|block| block.get_or_init(new_block));
        block.map_or(&self.beyond, |block| &block[cell])
    }

    /// A render of a template failed, and no older version did better.
    pub(super) fn failed(&self, id: TemplateId, failure: &RenderFailure, at_ms: u64) {
        let RenderFailure::Failed(error) = failure else {
            return;
        };
        self.rescued(id, &error.diagnostic, at_ms);
    }

    /// A render of a template failed.
    pub(super) fn rescued(&self, id: TemplateId, diagnostic: &Diagnostic, at_ms: u64) {
        self.of(id).failures.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.lock();
        if failures.len() >= FAILURES_MAX && !failures.contains_key(&id) {
            let oldest = failures.iter().min_by_key(|(_, failure)| failure.at_ms);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                failures.remove(&oldest);
            }
        }
        let said = diagnostic.message.clone();
        let diagnostic = Some(diagnostic.clone());
        failures.insert(
            id,
            LastFailure {
                at_ms,
                said,
                diagnostic,
            },
        );
    }

    pub(super) fn read(&self, id: TemplateId, clock: Clock) -> Usage {
        if id.index() / BLOCK >= BLOCKS {
            return Usage::default();
        }
        let cell = self.of(id);
        Usage {
            renders: cell.renders.load(Ordering::Relaxed),
            failures: cell.failures.load(Ordering::Relaxed),
            last_render_ms: clock.ms_of_seconds(cell.last_seconds.load(Ordering::Relaxed)),
            last_failure: self.lock().get(&id).cloned(),
        }
    }

    /// Returns the second in which a template was rendered last, as the [`Clock`] counts them.
    pub(super) fn last_seconds(&self, id: TemplateId) -> u32 {
        self.of(id).last_seconds.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TemplateId, LastFailure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cold]
fn new_block() -> Box<[Cell]> {
    (0..BLOCK).map(|_| Cell::default()).collect()
}

impl Cell {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_renders_of_a_template_are_counted_exactly_and_ids_without_end_harm_nobody() {
        let usages = Usages::default();
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

    #[test]
    fn failures_are_remembered_of_so_many_templates() {
        let usages = Usages::default();
        for number in 0..FAILURES_MAX as u32 + 10 {
            usages.rescued(TemplateId::new(number), &Diagnostic::error("c", "m"), u64::from(number));
        }
        assert_eq!(usages.lock().len(), FAILURES_MAX);
        let clock = Clock::start();
        assert_eq!(usages.read(TemplateId::new(0), clock).last_failure, None);
        assert!(usages.read(TemplateId::new(100), clock).last_failure.is_some());
    }
}
