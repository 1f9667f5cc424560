//! [`BurstGate`]: the time at which hints lead to a sync, so that a burst of changes is one batch, or few. Pure: time is an argument.
//!
//! A hint leads to a sync at once, so a single save waits for nothing. If more than a few templates have changed without a quiet time
//! between them, a burst has begun: a checkout, a copy, a deployment. Each further batch then waits for a gap without hints, but no longer
//! than `burst_max_ms` after its first hint. The gap grows with the age of the burst, because programs that write many files pause now and
//! then, and the longer they have been writing the longer they are likely to go on. So the number of batches grows with the logarithm of
//! the duration of a burst, until the bound ends each.
//!
//! Templates are counted and not hints: on a busy machine each file of a checkout may be published before the next one is written, while a
//! program that edits one file, waits for the new page and edits it again is no burst, however fast it does that.
//!
//! A burst is over after a quiet time, or when some syncs in a row find no change, so that files that are no templates do not make it
//! last. One such sync proves nothing: the loader may wait for the rest of what it has found.

use std::time::{Duration, Instant};

use crate::limits::Limits;
use crate::template::TemplateKey;

/// The share of the age of a burst that a gap in it has to last: one part in so many.
const GAP_SHARE: u32 = 2;
/// The longest gap, as a multiple of the shortest. It is a quiet time, after which a burst is over.
const GAP_MAX: u32 = 10;
/// The templates that may change without a quiet time between them and are no burst.
const FEW: usize = 2;
/// The number of syncs in a row without a change after which a burst is over.
const EMPTY_SYNCS: u32 = 3;

/// Decides when hints lead to a sync.
#[derive(Debug)]
pub(crate) struct BurstGate {
    /// The shortest gap that ends a batch.
    quiet: Duration,
    /// The longest that a hint waits.
    max: Duration,
    /// Hints that no sync has followed yet.
    pending: Option<TimeSpan>,
    /// The hints that the last sync has followed, and true if it found a change.
    synced: (Option<TimeSpan>, bool),
    /// The templates that have changed since the last quiet time, one more than [`FEW`] at most.
    recent: Vec<TemplateKey>,
    last_hint: Option<Instant>,
    /// The number of syncs in a row that found no change.
    empty: u32,
    /// The hints of the current burst.
    burst: Option<TimeSpan>,
    /// Set while somebody wakes the Watcher at the time when the gate opens.
    is_wake_up_set: bool,
}

/// The times of the first and the last of some hints.
#[derive(Debug, Clone, Copy)]
struct TimeSpan {
    first: Instant,
    last: Instant,
}

/// The answer to the question whether to sync now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncDue {
    /// Sync now.
    Now,
    /// Ask again at this time. The caller has to see to that.
    At(Instant),
    /// There is nothing to do: no hint is pending, or somebody else asks again in time.
    Never,
}

impl BurstGate {
    /// Creates the gate of a quiet time.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            quiet: Duration::from_millis(limits.burst_quiet_ms),
            max: Duration::from_millis(limits.burst_max_ms),
            pending: None,
            synced: (None, false),
            recent: Vec::new(),
            last_hint: None,
            empty: 0,
            burst: None,
            is_wake_up_set: false,
        }
    }

    /// Notes a hint. Returns true if the Watcher has to be asked to sync; otherwise a wake-up is set.
    pub(crate) fn hinted(&mut self, now: Instant) -> bool {
        let quiet_time = self.quiet * GAP_MAX;
        let is_quiet = |last: Instant| now.saturating_duration_since(last) >= quiet_time;
        if self.pending.is_none() && self.last_hint.is_none_or(is_quiet) {
            self.be_quiet();
        }
        self.last_hint = Some(now);
        for span in [&mut self.pending, &mut self.burst].into_iter().flatten() {
            span.last = now;
        }
        self.reminded(now)
    }

    /// Notes a reminder of what is due since an earlier event. It leads to a sync, but does not make a burst last. Returns true if the
    /// Watcher has to be asked to sync.
    pub(crate) fn reminded(&mut self, now: Instant) -> bool {
        self.pending.get_or_insert(TimeSpan { first: now, last: now });
        !self.is_wake_up_set
    }

    /// Returns the time at which the pending hints lead to a sync, if there are any.
    pub(crate) fn opens_at(&self) -> Option<Instant> {
        let pending = self.pending?;
        if self.burst.is_none() {
            return Some(pending.first);
        }
        Some((pending.last + self.gap()).min(pending.first + self.max))
    }

    /// Decides whether to sync now.
    pub(crate) fn ask(&mut self, now: Instant) -> SyncDue {
        match self.opens_at() {
            Some(at) if at <= now => SyncDue::Now,
            Some(at) if !self.is_wake_up_set => {
                self.is_wake_up_set = true;
                SyncDue::At(at)
            }
            Some(_) | None => SyncDue::Never,
        }
    }

    /// Notes that a wake-up has come, so that the next one has to be set anew.
    pub(crate) fn woke_up(&mut self) {
        self.is_wake_up_set = false;
    }

    /// Notes that a sync begins: it finds what was hinted at until now.
    pub(crate) fn sync_begins(&mut self) {
        self.synced = (self.pending.take(), false);
    }

    /// Notes the texts whose change the sync has found.
    pub(crate) fn found<'k>(&mut self, keys: impl Iterator<Item = &'k TemplateKey>) {
        for key in keys {
            self.synced.1 = true;
            if self.recent.len() > FEW {
                break;
            }
            if !self.recent.contains(key) {
                self.recent.push(key.clone());
            }
        }
    }

    /// Notes that the batch of the sync has been decided, which may be the begin or the end of a burst.
    pub(crate) fn sync_ended(&mut self) {
        let (hints, has_changed) = self.synced;
        if has_changed {
            self.empty = 0;
            if self.recent.len() > FEW {
                self.burst = self.burst.or(hints).or(self.pending);
            }
        } else {
            self.empty = self.empty.saturating_add(1);
            if self.empty >= EMPTY_SYNCS {
                self.be_quiet();
            }
        }
    }

    fn be_quiet(&mut self) {
        self.burst = None;
        self.recent.clear();
    }

    /// Returns the time without a hint that ends a batch.
    fn gap(&self) -> Duration {
        let age = self.burst.map_or(Duration::ZERO, |burst| {
            burst.last.saturating_duration_since(burst.first)
        });
        (age / GAP_SHARE).clamp(self.quiet, self.quiet * GAP_MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gate() -> BurstGate {
        BurstGate::new(&Limits::default())
    }

    /// Returns the milliseconds until the gate opens after `start`.
    fn opens(gate: &BurstGate, start: Instant) -> Option<u128> {
        gate.opens_at().map(|at| at.duration_since(start).as_millis())
    }

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    /// Ends a sync that found changes of these templates.
    fn end_sync(gate: &mut BurstGate, changed: &[&str]) {
        let keys: Vec<TemplateKey> = changed.iter().map(|name| crate::testing::name(name).into()).collect();
        gate.found(keys.iter());
        gate.sync_ended();
    }

    /// Makes a sync that finds many changes, with a hint while it is in flight.
    fn begin_burst(gate: &mut BurstGate, now: Instant) {
        gate.hinted(now);
        gate.sync_begins();
        gate.hinted(now);
        end_sync(gate, &["a", "b", "c"]);
    }

    #[test]
    fn changes_of_few_templates_go_at_once() {
        let (mut gate, start) = (gate(), Instant::now());
        for ms in 0..50 {
            assert!(gate.hinted(at(start, ms)));
            assert_eq!(gate.ask(at(start, ms)), SyncDue::Now);
            gate.sync_begins();
            // Also if there is a hint while the batch is in flight.
            gate.hinted(at(start, ms));
            end_sync(&mut gate, &[["a", "b"][ms as usize % 2]]);
            assert!(gate.opens_at() <= Some(at(start, ms)));
        }
    }

    #[test]
    fn changes_of_a_burst_wait_for_a_gap() {
        let (mut gate, start) = (gate(), Instant::now());
        begin_burst(&mut gate, start);
        assert_eq!(opens(&gate, start), Some(10));
        gate.hinted(at(start, 6));
        assert_eq!(opens(&gate, start), Some(16), "each hint extends the batch");
        gate.hinted(at(start, 80));
        assert_eq!(opens(&gate, start), Some(120), "an older burst needs a longer gap");
        gate.hinted(at(start, 950));
        assert_eq!(opens(&gate, start), Some(1_000), "the bound");
        gate.sync_begins();
        end_sync(&mut gate, &["a"]);
        gate.hinted(at(start, 1_010));
        assert_eq!(
            opens(&gate, start),
            Some(1_110),
            "the burst goes on, with the longest gap"
        );
    }

    #[test]
    fn changes_of_many_templates_are_a_burst() {
        for batches in [vec!["a", "b", "a", "c"], vec!["a", "b c"], vec!["a b c d"]] {
            let (mut gate, start) = (gate(), Instant::now());
            for batch in &batches {
                assert!(gate.hinted(start) && gate.ask(start) == SyncDue::Now, "before {batch}");
                gate.sync_begins();
                end_sync(&mut gate, &batch.split(' ').collect::<Vec<_>>());
            }
            gate.hinted(at(start, 1));
            assert_eq!(opens(&gate, start), Some(11), "{batches:?}");
        }
        // The first sync of an engine, and a reload, follow no hint.
        let (mut gate, start) = (gate(), Instant::now());
        gate.sync_begins();
        end_sync(&mut gate, &["a", "b", "c"]);
        gate.hinted(start);
        assert_eq!(opens(&gate, start), Some(0));
    }

    #[test]
    fn a_reminder_does_not_extend_a_batch() {
        let (mut gate, start) = (gate(), Instant::now());
        begin_burst(&mut gate, start);
        gate.reminded(at(start, 8));
        assert_eq!(opens(&gate, start), Some(10));
        gate.sync_begins();
        gate.reminded(at(start, 20));
        assert_eq!(opens(&gate, start), Some(30), "it leads to a sync");
        gate.sync_begins();
        gate.hinted(at(start, 100));
        assert_eq!(opens(&gate, start), Some(100), "and is nothing that happened");
    }

    #[test]
    fn one_wake_up_is_set() {
        let (mut gate, start) = (gate(), Instant::now());
        begin_burst(&mut gate, start);
        assert_eq!(gate.ask(start), SyncDue::At(at(start, 10)));
        assert!(!gate.hinted(at(start, 5)), "a wake-up is set");
        assert_eq!(gate.ask(at(start, 5)), SyncDue::Never);
        gate.woke_up();
        assert_eq!(gate.ask(at(start, 10)), SyncDue::At(at(start, 15)));
        gate.woke_up();
        assert_eq!(gate.ask(at(start, 15)), SyncDue::Now);
        gate.sync_begins();
        assert_eq!(gate.ask(at(start, 15)), SyncDue::Never, "a reload was there before");
    }

    #[test]
    fn calm_ends_a_burst() {
        for (calm, opens_at) in [(99, 148), (100, 100)] {
            let (mut gate, start) = (gate(), Instant::now());
            begin_burst(&mut gate, start);
            gate.sync_begins();
            end_sync(&mut gate, &["a"]);
            gate.hinted(at(start, calm));
            assert_eq!(opens(&gate, start), Some(opens_at));
        }
    }

    #[test]
    fn syncs_without_a_change_end_a_burst() {
        for (empty, opens_at) in [(EMPTY_SYNCS - 1, 11), (EMPTY_SYNCS, 1)] {
            let (mut gate, start) = (gate(), Instant::now());
            begin_burst(&mut gate, start);
            for _ in 0..empty {
                gate.sync_begins();
                end_sync(&mut gate, &[]);
            }
            gate.hinted(at(start, 1));
            assert_eq!(opens(&gate, start), Some(opens_at));
        }
    }

    #[test]
    fn zero_is_no_waiting() {
        let limits = Limits {
            burst_quiet_ms: 0,
            ..Limits::default()
        };
        let (mut gate, start) = (BurstGate::new(&limits), Instant::now());
        begin_burst(&mut gate, start);
        assert_eq!(gate.ask(start), SyncDue::Now);
    }

    #[test]
    fn a_long_burst_is_few_batches() {
        // 800 files, one each half millisecond, with a pause of 12 ms after each 20 files.
        let (mut gate, start) = (gate(), Instant::now());
        let hints: Vec<u64> = (0..800).map(|file| file * 500 + file / 20 * 12_000).collect();
        let micros = |us: u64| start + Duration::from_micros(us);
        let (mut batches, mut next) = (0, hints.iter().copied().peekable());
        let (mut us, mut free_at) = (0, 0);
        while next.peek().is_some() || gate.pending.is_some() {
            while next.next_if(|hint| *hint <= us).is_some() {
                gate.hinted(micros(us));
            }
            // A batch is in flight for two milliseconds.
            if us == free_at && us > 0 {
                end_sync(&mut gate, &["a", "b", "c"][..batches.min(3)]);
            }
            if us >= free_at && gate.opens_at().is_some_and(|at| at <= micros(us)) {
                gate.sync_begins();
                batches += 1;
                free_at = us + 2_000;
            }
            us += 500;
        }
        assert!(batches <= 5, "{batches}");
    }

    proptest! {
        #[test]
        fn no_hint_waits_longer_than_the_bound(gaps in prop::collection::vec((0_u64..300, 0_usize..4), 1..60)) {
            let (mut gate, mut now) = (gate(), Instant::now());
            let limits = Limits::default();
            begin_burst(&mut gate, now);
            let mut first = Some(now);
            for (gap, changes) in gaps {
                now += Duration::from_millis(gap);
                gate.hinted(now);
                let oldest = *first.get_or_insert(now);
                let opens = gate.opens_at().expect("a hint is pending");
                prop_assert!(opens <= oldest + Duration::from_millis(limits.burst_max_ms));
                if opens <= now {
                    gate.sync_begins();
                    first = None;
                    end_sync(&mut gate, &["a", "b", "c"][..changes]);
                    prop_assert_eq!(gate.opens_at(), None);
                }
            }
        }
    }
}
