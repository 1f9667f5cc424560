//! [`Observer`]: the roots of one loader, synced together. It decides what is compared with the disk, and reports what differs.
//!
//! It never waits and never reads a clock: the events that came, the answers of the disk and the time are arguments, so the
//! simulator can take it through any history. One sync has these steps:
//!
//! 1. Take the paths that are due from the [inbox](super::inbox), and check each in every root.
//! 2. If something asks for it (`Reload`, lost events, a timer), compare everything ([`schedule`]).
//! 3. Revert what may be half of a file ([`verify`]).
//! 4. Wait for the rest of an exchange of directories, or report the changes ([`batch`], [`changes`]).

mod batch;
mod changes;
mod mode;
mod schedule;
mod trust;
mod verify;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::inbox::{EventQueue, Inbox};
use super::settle::{Due, Hint};
use super::tree::{PolledPath, ScanContext, ScanReason, Tree};
use super::watches::WatchError;
use crate::diagnostic::Diagnostic;
use crate::health::LoaderStatus;
use crate::limits::Limits;
use crate::loader::{Changes, Depth, LoaderError};
use crate::template::{TemplateKey, TemplateName};
use batch::DeferredBatch;
use changes::PendingChange;
pub(super) use mode::Mode;
use schedule::ScanSchedule;
use trust::{EventTrust, MissedEvents};

/// The most files of a root whose stamps are compared at each `Reload`, besides those that events named. More would take longer than
/// people like to wait.
const SWEEP_FILES_MAX: usize = 2000;
/// The time between full scans while events are doubted.
const DOUBTED_SCAN_INTERVAL: Duration = Duration::from_secs(1);

/// The roots of one loader.
pub(super) struct Observer {
    pub(super) trees: Vec<Tree>,
    inbox: Arc<Inbox>,
    settle: Duration,
    settle_max: Duration,
    grace: Duration,
    sweep: Duration,
    poll: Duration,
    pub(super) mode: Mode,
    trust: EventTrust,
    missed: MissedEvents,
    schedule: ScanSchedule,
    /// Changes that were not reported yet.
    pending: BTreeMap<TemplateName, PendingChange>,
    /// Set while the pending changes wait for the rest of their batch.
    pub(super) deferred: Option<DeferredBatch>,
    /// The root from which each name was last reported, if there are several roots.
    delivered_from: HashMap<TemplateName, usize>,
    overflows: u64,
    /// The paths to poll, if they changed since they were last taken from here.
    pub(super) polled: Option<Vec<PolledPath>>,
    /// The places where other file systems were mounted at the last full scan.
    mounts: Arc<HashSet<PathBuf>>,
}

impl Observer {
    pub(super) fn new(trees: Vec<Tree>, inbox: Arc<Inbox>, limits: &Limits) -> Self {
        Self {
            trees,
            inbox,
            settle: Duration::from_millis(limits.settle_ms),
            settle_max: Duration::from_millis(limits.settle_max_ms),
            grace: Duration::from_millis(limits.grace_ms),
            sweep: Duration::from_millis(limits.sweep_ms),
            poll: Duration::from_millis(limits.poll_ms),
            mode: Mode::Unwatched,
            trust: EventTrust::Trusted,
            missed: MissedEvents::default(),
            schedule: ScanSchedule::default(),
            pending: BTreeMap::new(),
            deferred: None,
            delivered_from: HashMap::new(),
            overflows: 0,
            polled: None,
            mounts: Arc::default(),
        }
    }

    /// Returns the time at which a sync is due, apart from the paths that wait in the inbox.
    pub(super) fn next(&self) -> Option<Instant> {
        let deferred = self.deferred.map(|deferred| deferred.until);
        let timers = [self.schedule.next(), self.missed.next(), deferred];
        timers.into_iter().flatten().min()
    }

    /// Notes that roots with these names have existed, in an earlier process. A name belongs to the first root with the longest prefix that
    /// fits: of several roots with one prefix, the others may never have existed.
    pub(super) fn restored(&mut self, keys: &[TemplateKey]) {
        let mut prefixes: Vec<String> = self.trees.iter().map(|tree| tree.prefix.clone()).collect();
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        let owner = |key: &TemplateKey| {
            let fits = |prefix: &&String| key.name.as_str().starts_with(prefix.as_str());
            prefixes.iter().find(fits)
        };
        let mut owners: HashSet<&String> = keys.iter().filter_map(owner).collect();
        for tree in &mut self.trees {
            tree.was_there |= owners.remove(&tree.prefix) && !tree.supplementary;
        }
    }

    /// Returns true if events report every change, so that a mark in their queue is enough to know of everything.
    pub(super) fn trusts_events(&self) -> bool {
        self.mode.is_exact() && self.silent().is_none() && self.trust == EventTrust::Trusted
    }

    /// Compares the roots with the disk as closely as asked, and returns what differs from what was reported before. `heard_all` says
    /// that every event until now is in the inbox.
    pub(super) fn sync(
        &mut self,
        disk: &dyn Disk,
        events: &dyn EventQueue,
        depth: Depth,
        heard_all: bool,
        now: Instant,
    ) -> Result<Changes, LoaderError> {
        let forced = depth != Depth::Hinted;
        let exact = self.mode.is_exact();
        if forced && exact && !heard_all {
            events.catch_up();
        }
        // A writer that is about to close its file may do so first. Whoever wrote before is quiet by then, also without an event of the close,
        // which is missed if the name is moved meanwhile.
        let quiet_at = self.inbox.settle().quiet_at(now).unwrap_or(now);
        let wait_until = quiet_at.max(now + self.settle);
        let now = match forced {
            true => events.wait_until_quiet(wait_until),
            false => now,
        };
        self.retry_native(now);
        let due = self.inbox.settle().take(now, forced);
        if due.lost_events {
            self.overflows += 1;
            self.schedule.events_lost(now);
        }
        let bytes = matches!(depth, Depth::Bytes | Depth::Afresh);
        let loss_scan = self.schedule.is_loss_scan_due(now);
        let periodic_scan = self.schedule.is_periodic_due(now);
        let events_suffice = heard_all && self.trusts_events() && !due.lost_events && !self.schedule.awaits_loss_scan();
        let everything = loss_scan || periodic_scan || bytes || (forced && !events_suffice);
        if everything && let Some(mounts) = disk.mounts() {
            self.mounts = Arc::new(mounts);
        }
        let mounts = Arc::clone(&self.mounts);
        let inbox = Arc::clone(&self.inbox);
        let scan = ScanContext {
            disk,
            inbox: &inbox,
            mounts: &mounts,
            now,
            events,
            exact,
            forced,
            waits: !self
                .deferred
                .is_some_and(|deferred| deferred.is_overdue(now, self.settle_max)),
            bytes,
            afresh: depth == Depth::Afresh,
            deep: false,
            recursive: self.mode.is_native() && !exact,
            settle_nanos: i64::try_from(self.settle.as_nanos()).unwrap_or(i64::MAX),
            grace: self.grace,
            settle_max: self.settle_max,
        };
        self.count_missed(&due, now);
        for path in &due.left {
            self.trees.iter_mut().for_each(|tree| tree.mark_path_for_rescan(path));
        }
        if forced && everything {
            // The scan finds what is due as well, but for files that are being written: those are not read as they are.
            let written = due.paths.into_iter().filter(|(_, hint)| *hint == Hint::StillWriting);
            written.for_each(|(path, _)| inbox.settle().put_back(path, now));
        } else {
            self.check_due(&scan, due);
            self.check_unsettled(&scan);
            self.verify_reads(&scan, wait_until);
            self.collect_changes(None);
        }
        if everything {
            self.scan_everything(&scan, periodic_scan && !loss_scan && !forced, wait_until);
        } else if forced {
            self.check_polled(&scan, wait_until);
        }
        if forced {
            self.check_until_in_place(&scan, wait_until);
        }
        self.finish_sync(now);
        if depth == Depth::Afresh {
            self.add_all_names();
        }
        match self.defers(&scan) {
            true => self.answer(Changes::default()),
            false => self.changes(&scan),
        }
    }

    // --- what is compared ---------------------------------------------------------------------------------------------------

    fn check_due(&mut self, scan: &ScanContext<'_>, due: Due) {
        if due.paths.is_empty() && !scan.forced {
            return;
        }
        let settle = self.inbox.settle();
        self.trees.iter_mut().for_each(|tree| tree.note_leaving(settle.gone()));
        drop(settle);
        let mut concerned: HashSet<&PathBuf> = HashSet::new();
        for tree in &mut self.trees {
            // The content of a missing root stays as it was, also where links lead out of it.
            let is_there = tree.ensure_root(scan);
            for (path, hint) in &due.paths {
                let is_root = *path == tree.root;
                if (is_there || is_root) && tree.check_path(scan, path, ScanReason::from(*hint)) {
                    concerned.insert(path);
                }
            }
        }
        // Nothing needs to know when such a file, a log for example, is written again.
        for (path, hint) in &due.paths {
            let is_write = matches!(hint, Hint::Writing | Hint::StillWriting | Hint::Closed);
            if is_write && !concerned.contains(path) && self.all_there() {
                self.inbox.ignore_writes(path.clone());
            }
        }
    }

    fn all_there(&self) -> bool {
        self.trees.iter().all(|tree| tree.missing.is_none())
    }

    /// Compares the paths that have no reliable events, and the stamps of all files where that is quick.
    fn check_polled(&mut self, scan: &ScanContext<'_>, wait_until: Instant) {
        for tree in &mut self.trees {
            if tree.missing.is_some() {
                continue;
            }
            if tree.len() <= SWEEP_FILES_MAX {
                tree.sweep(scan);
            }
            let polled: Vec<PolledPath> = tree.polled();
            for each in polled.iter().filter(|each| each.differs(scan.disk)) {
                tree.check_path(scan, &each.path, ScanReason::Event);
            }
        }
        self.verify_reads(scan, wait_until);
        self.collect_changes(Some(scan.now));
    }

    /// Compares everything. What a periodic scan finds, events should have reported.
    fn scan_everything(&mut self, scan: &ScanContext<'_>, periodic: bool, wait_until: Instant) {
        let began = scan.disk.clock();
        self.schedule.count += 1;
        for tree in &mut self.trees {
            tree.reconcile(scan);
        }
        if periodic {
            self.trust = self.trust.after_scan();
        }
        self.verify_reads(scan, wait_until);
        self.collect_changes(periodic.then_some(scan.now));
        let took = Duration::from_nanos(scan.disk.clock().saturating_sub(began).unsigned_abs());
        self.schedule.scanned(scan.now, took);
    }

    /// Counts changes that events should have reported and did not. Then events are doubted, and full scans come more often.
    fn count_missed(&mut self, due: &Due, now: Instant) {
        let Some(missed) = self.missed.expire(due, now) else {
            return;
        };
        // On a file system without reliable events nothing else is expected.
        if self.silent().is_some() {
            return;
        }
        let (path, count) = (missed.example.display(), missed.count);
        tracing::warn!(
            %path,
            missed = count,
            "files changed without a file event; all files are compared more often for a while"
        );
        crate::without_subscriber::warn_without_subscriber(format_args!("files changed without a file event: {path}"));
        self.trust = EventTrust::lost();
        self.schedule.periodic_at = None;
    }

    // --- how changes are noticed --------------------------------------------------------------------------------------------

    fn finish_sync(&mut self, now: Instant) {
        self.trees.iter_mut().for_each(Tree::remark_no_match);
        let exhausted = self.trees.iter_mut().filter_map(|tree| tree.exhausted.take()).next();
        if let Some(why) = exhausted {
            self.fall_back_to_polling(why, now);
        }
        for directory in self.inbox.watched().interrupted() {
            self.inbox.settle().note_back(directory, now);
        }
        if self.schedule.periodic_at.is_none() && self.mode.is_watched() {
            self.schedule.periodic_at = Some(now + self.scan_interval());
        }
        if self
            .trees
            .iter_mut()
            .any(|tree| std::mem::take(&mut tree.polled_changed))
        {
            self.polled = Some(self.trees.iter().flat_map(Tree::polled).collect());
        }
    }

    /// Polls all files from now on, for there are not enough native watches.
    pub(super) fn fall_back_to_polling(&mut self, why: String, now: Instant) {
        crate::without_subscriber::warn_without_subscriber(&why);
        tracing::warn!("{why}; until then all files are compared every {:?}", self.poll);
        // Half of the watches are of no use, and other programs may need them.
        let spare = self.inbox.watched().end().map(|watches| (watches, now + self.sweep));
        self.mode = Mode::Polling { why, spare };
        self.schedule.periodic_at = None;
    }

    /// Tries once more to get the native watches of which there were not enough, if that is due.
    fn retry_native(&mut self, now: Instant) {
        let Some(watches) = self.mode.take_spare(now) else {
            return;
        };
        let native = Mode::of(&*watches);
        let begun = self.inbox.watched().begin(watches);
        match (begun, &mut self.mode) {
            (Err(WatchError::Exhausted(_)), Mode::Polling { spare, .. }) => {
                *spare = self.inbox.watched().end().map(|watches| (watches, now + self.sweep));
            }
            _ => self.resume_native(native),
        }
    }

    /// Watches natively again. A full scan finds what happened meanwhile.
    pub(super) fn resume_native(&mut self, mode: Mode) {
        tracing::info!("all directories are watched by native file events again");
        self.mode = mode;
        self.schedule.periodic_at = None;
        self.inbox.settle().note_lost_events();
    }

    /// Returns the time from one full scan to the next.
    fn scan_interval(&self) -> Duration {
        let polls = !self.mode.is_native() || self.silent().is_some();
        match (polls, self.trust) {
            (true, _) => self.poll.min(self.sweep),
            (false, EventTrust::Doubted { .. }) => DOUBTED_SCAN_INTERVAL.min(self.sweep),
            (false, EventTrust::Trusted) => self.sweep,
        }
    }

    /// Returns the name of a file system below the roots that does not report every change.
    fn silent(&self) -> Option<&str> {
        let names = self.trees.iter().flat_map(|tree| tree.silent.values());
        names.flatten().map(String::as_str).next()
    }

    // --- what is reported about it ------------------------------------------------------------------------------------------

    pub(super) fn status(&self) -> LoaderStatus {
        let (watch_mode, why) = self.mode.report(self.silent());
        LoaderStatus {
            watch_mode,
            why,
            files: self.trees.iter().map(|tree| tree.len() as u64).sum(),
            directories: self.inbox.watched().len() as u64,
            overflows: self.overflows,
            reconciles: self.schedule.count,
            missed_by_events: self.missed.count,
            still_written: self.trees.iter().map(|tree| tree.still_written).sum(),
            unreadable: self.trees.iter().map(|tree| tree.unreadable() as u64).sum(),
            awaited: self.trees.iter().any(|tree| tree.late && !tree.was_there),
            missing: self.missing_roots(),
            remarks: self.remarks(),
        }
    }

    /// Returns the reason why the content of the roots is unknown now: one that has to exist is missing.
    fn root_failure(&self) -> Option<String> {
        let needed = |(number, tree): &(usize, &Tree)| tree.was_there || (*number == 0 && !tree.late);
        let trees = self.trees.iter().enumerate().filter(needed);
        trees.filter_map(|(_, tree)| tree.missing.clone()).next()
    }

    /// Returns a sentence for each missing root that was there once, or that is the first one.
    fn missing_roots(&self) -> Vec<String> {
        let concerns = |(number, tree): &(usize, &Tree)| tree.missing.is_some() && (tree.was_there || *number == 0);
        let trees = self.trees.iter().enumerate().filter(concerns);
        let sentences = trees.map(|(_, tree)| {
            let root = tree.root.display();
            match tree.was_there {
                true => format!("{root} is missing; its last content is still served"),
                false => format!("{root} is not there yet; nothing of it is served until it is"),
            }
        });
        sentences.collect()
    }

    fn remarks(&self) -> Vec<Diagnostic> {
        self.trees.iter().flat_map(Tree::remarks).collect()
    }
}
