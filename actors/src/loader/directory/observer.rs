//! [`Observer`]: the roots of one loader, looked at together. Decides what to look at, and says what differs.
//!
//! It thinks and does not wait: what was heard, what the disk answers and what time it is are given to it, so the simulator can
//! take it through any history.

mod batch;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::{Disk, FileId};
use super::inbox::{EventQueue, Inbox};
use super::read::{FileContent, Text, read};
use super::settle::{Due, Hint};
use super::tree::{Delivered, PolledPaths, RelativePath, ScanContext, ScanReason, Taken, Tree};
use super::watches::{WatchError, Watches};
use crate::diagnostic::Diagnostic;
use crate::health::{LoaderStatus, WatchMode};
use crate::limits::Limits;
use crate::loader::{Changes, Depth, LoaderError};
use crate::template::TemplateName;
use batch::Held;

/// Files that are looked at by their stamps at each `Reload`, besides what was heard of. More take longer than people like to wait.
const SWEEP_FILES_MAX: usize = 2000;
/// How long an event may be on its way before what a look found counts as missed.
const EVENT_LATE: Duration = Duration::from_millis(500);
/// The number of times that a forced look is made again because what it read was exchanged meanwhile.
const EXCHANGED_TRIES: usize = 4;
/// How often everything is looked at after events were found to be missing.
const DOUBTFUL: Duration = Duration::from_secs(1);
/// So many looks in a row must find nothing until events are trusted again.
const TRUST_AGAIN: u32 = 30;
/// Looking at everything because of lost events may take this share of the time, one in so many.
const DOUBT_SHARE: u32 = 4;
/// The longest that such a look is put off.
const DOUBT_PAUSE_MAX: Duration = Duration::from_millis(200);

/// The roots of one loader.
pub(super) struct Observer {
    pub(super) trees: Vec<Tree>,
    inbox: Arc<Inbox>,
    settle: Duration,
    settle_max: Duration,
    grace: Duration,
    sweep: Duration,
    poll: Duration,
    /// Why the kernel does not watch, or why it is not enough; absent while nobody watches.
    pub(super) means: Option<WatchMethod>,
    /// When everything is looked at next.
    reconcile_at: Option<Instant>,
    /// Events were lost, and everything is looked at once this time has come.
    doubt_until: Option<Instant>,
    reconciled: Option<Instant>,
    /// Looks at everything that are still needed until events are trusted.
    distrust: u32,
    /// What a look found before any event told of it, if one ever will.
    unheard: HashMap<PathBuf, Instant>,
    /// What has not been handed on.
    pending: BTreeMap<TemplateName, PendingChange>,
    /// Set while what has not been handed on waits.
    pub(super) held: Option<Held>,
    /// Of which root each name was said last, if there are several.
    said_of: HashMap<TemplateName, usize>,
    overflows: u64,
    reconciles: u64,
    missed: u64,
    /// The kernel's watches, given back because there were not enough, and when to ask for them again.
    spare: Option<(Box<dyn Watches>, Instant)>,
    /// What nothing tells of, if it differs from before.
    pub(super) wary: Option<Vec<PolledPaths>>,
    /// Where other file systems were mounted when everything was looked at last.
    mounts: Arc<HashSet<PathBuf>>,
}

/// By what it learns of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WatchMethod {
    /// Whether the kernel tells.
    pub(super) kernel: bool,
    /// Whether each directory is watched by itself, so that what was heard of is all that there was.
    pub(super) exact: bool,
    pub(super) why: String,
}

impl WatchMethod {
    /// The kernel watches each directory.
    pub(super) fn kernel() -> Self {
        Self {
            kernel: true,
            exact: true,
            why: "the kernel tells of every change".into(),
        }
    }

    /// It looks for itself, and is not to ask the kernel.
    pub(super) fn asked_to_poll() -> Self {
        Self {
            kernel: false,
            exact: false,
            why: "it was asked to look for itself".into(),
        }
    }
}

/// What differs of a name. The text is that of the root with this number.
struct PendingChange {
    text: Option<(usize, Text)>,
}

/// What came of reading a file for what is said of its name.
enum RereadOutcome {
    Text(Text),
    Unreadable(Arc<[Diagnostic]>),
    Changing,
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
            means: None,
            reconcile_at: None,
            doubt_until: None,
            reconciled: None,
            distrust: 0,
            unheard: HashMap::new(),
            pending: BTreeMap::new(),
            held: None,
            said_of: HashMap::new(),
            overflows: 0,
            reconciles: 0,
            missed: 0,
            spare: None,
            wary: None,
            mounts: Arc::default(),
        }
    }

    /// When there is something to do besides what the inbox waits for.
    pub(super) fn next(&self) -> Option<Instant> {
        let late = self.unheard.values().min().map(|found| *found + EVENT_LATE);
        let held = self.held.map(|held| held.until);
        let timers = [self.reconcile_at, self.doubt_until, late, held];
        timers.into_iter().flatten().min()
    }

    /// Whether what was heard of is all that there was, so that a mark in the events is enough to know everything.
    pub(super) fn trusts_events(&self) -> bool {
        let exact = self.means.as_ref().is_some_and(|means| means.kernel && means.exact);
        exact && self.silent().is_none() && self.distrust == 0
    }

    /// Looks as deep as asked, and says what differs from what was said before. `heard_all` is whether everything that happened
    /// before is in the inbox.
    pub(super) fn look(
        &mut self,
        disk: &dyn Disk,
        ears: &dyn EventQueue,
        depth: Depth,
        heard_all: bool,
        now: Instant,
    ) -> Result<Changes, LoaderError> {
        let forced = depth != Depth::Hinted;
        let exact = self.means.as_ref().is_some_and(|means| means.kernel && means.exact);
        // Who is about to close a file may do so first.
        let rest_until = now + self.settle;
        let now = match forced && exact && (heard_all || ears.catch_up()) {
            true => ears.rest(rest_until),
            false => now,
        };
        self.ask_again(now);
        let due = self.inbox.settle().take(now, forced);
        if due.doubt {
            self.overflows += 1;
            self.put_off(now);
        }
        let bytes = matches!(depth, Depth::Bytes | Depth::Afresh);
        let in_doubt = self.doubt_until.is_some_and(|until| until <= now);
        let in_time = self.reconcile_at.is_some_and(|at| at <= now);
        let enough = heard_all && self.trusts_events() && !due.doubt && self.doubt_until.is_none();
        let everything = in_doubt || in_time || bytes || (forced && !enough);
        if everything && let Some(mounts) = disk.mounts() {
            self.mounts = Arc::new(mounts);
        }
        let mounts = Arc::clone(&self.mounts);
        let inbox = Arc::clone(&self.inbox);
        let look = ScanContext {
            disk,
            inbox: &inbox,
            mounts: &mounts,
            now,
            ears,
            exact,
            forced,
            waits: !self.held.is_some_and(|held| held.is_overdue(now, self.settle_max)),
            bytes,
            afresh: depth == Depth::Afresh,
            deep: false,
            recursive: self.means.as_ref().is_some_and(|means| means.kernel && !means.exact),
            settle_nanos: i64::try_from(self.settle.as_nanos()).unwrap_or(i64::MAX),
            grace: self.grace,
            settle_max: self.settle_max,
        };
        self.count_missed(&due, now);
        for path in &due.left {
            self.trees.iter_mut().for_each(|tree| tree.doubt_path(path));
        }
        if forced && everything {
            // What is being written is not read as it is.
            let written = due.paths.into_iter().filter(|(_, hint)| *hint == Hint::StillWriting);
            written.for_each(|(path, _)| inbox.settle().note_seen(path, Hint::Writing, now));
        } else {
            self.look_at_due(&look, due);
            self.look_at_unsettled(&look);
            self.make_sure(&look, rest_until);
            self.gather(None);
        }
        if everything {
            self.reconcile(&look, in_time && !in_doubt && !forced, rest_until);
        } else if forced {
            self.look_at_wary(&look, rest_until);
        }
        if forced {
            self.look_until_in_place(&look, rest_until);
        }
        self.after(now);
        if depth == Depth::Afresh {
            self.say_everything();
        }
        match self.holds_back(&look) {
            true => self.answer(Changes::default()),
            false => self.changes(&look),
        }
    }

    /// A look at everything is due, and not so often that nothing else gets done.
    fn put_off(&mut self, now: Instant) {
        let until = self.reconciled.map_or(now, |not_before| now.max(not_before));
        self.doubt_until = Some(self.doubt_until.map_or(until, |earlier| earlier.min(until)));
    }

    fn look_at_due(&mut self, look: &ScanContext<'_>, due: Due) {
        if due.paths.is_empty() && !look.forced {
            return;
        }
        let mut concerned: HashSet<&PathBuf> = HashSet::new();
        for tree in &mut self.trees {
            // What a root held while it is missing stays as it was, also where links lead out of it.
            let is_there = tree.check_root(look);
            for (path, hint) in &due.paths {
                let is_root = *path == tree.root;
                if (is_there || is_root) && tree.look_at_path(look, path, ScanReason::from(*hint)) {
                    concerned.insert(path);
                }
            }
        }
        for (path, hint) in &due.paths {
            let is_write = matches!(hint, Hint::Writing | Hint::StillWriting | Hint::Closed);
            if is_write && !concerned.contains(path) && self.all_there() {
                self.inbox.bore(path.clone());
            }
        }
    }

    fn all_there(&self) -> bool {
        self.trees.iter().all(|tree| tree.missing.is_none())
    }

    /// Looks at what nothing tells of, and at every file where that is quick.
    fn look_at_wary(&mut self, look: &ScanContext<'_>, rest_until: Instant) {
        for tree in &mut self.trees {
            if tree.missing.is_some() {
                continue;
            }
            if tree.len() <= SWEEP_FILES_MAX {
                tree.sweep(look);
            }
            let wary: Vec<PolledPaths> = tree.wary();
            for each in wary.iter().filter(|each| each.differs(look.disk)) {
                tree.look_at_path(look, &each.path, ScanReason::Told);
            }
        }
        self.make_sure(look, rest_until);
        self.gather(Some(look.now));
    }

    fn reconcile(&mut self, look: &ScanContext<'_>, in_time: bool, rest_until: Instant) {
        let began = look.disk.clock();
        self.reconciles += 1;
        for tree in &mut self.trees {
            tree.reconcile(look);
        }
        if in_time {
            self.distrust = self.distrust.saturating_sub(1);
        }
        self.make_sure(look, rest_until);
        self.gather(in_time.then_some(look.now));
        let took = Duration::from_nanos(look.disk.clock().saturating_sub(began).unsigned_abs());
        let pause = took.saturating_mul(DOUBT_SHARE).min(DOUBT_PAUSE_MAX);
        self.doubt_until = None;
        self.reconciled = Some(look.now + pause);
        self.reconcile_at = None;
    }

    // --- what is whole ------------------------------------------------------------------------------------------------------

    /// Makes sure that nobody wrote to what was read while it was read. What may be half is put back, and looked at again once
    /// it is closed or quiet; in a forced look it is read again, and after a while what is there is taken.
    fn make_sure(&mut self, look: &ScanContext<'_>, rest_until: Instant) {
        self.look_at_exchanged(look);
        let mut doubtful = self.doubtful(look);
        let mut now = look.now;
        while look.forced && !doubtful.is_empty() && now < rest_until {
            now = look.ears.rest(rest_until);
            self.look_at_heard(&ScanContext { now, ..*look });
            doubtful = self.doubtful(look);
        }
        for (number, taken) in doubtful {
            match look.forced {
                true => self.trees[number].put_back_forced(look, taken),
                false => self.trees[number].put_back(look, taken),
            }
        }
    }

    /// Looks at what was heard of since the look began.
    fn look_at_heard(&mut self, look: &ScanContext<'_>) {
        let due = self.inbox.settle().take(look.now, true);
        if due.doubt {
            self.inbox.settle().note_doubt();
        }
        for path in &due.left {
            self.trees.iter_mut().for_each(|tree| tree.doubt_path(path));
        }
        self.look_at_due(look, due);
        self.look_at_exchanged(look);
    }

    /// Looks again while what leads to what was read is exchanged, a few times.
    fn look_until_in_place(&mut self, look: &ScanContext<'_>, rest_until: Instant) {
        for _ in 0..EXCHANGED_TRIES {
            if self.exchanged_meanwhile(look).is_empty() {
                return;
            }
            self.look_at_heard(look);
            self.make_sure(look, rest_until);
            self.gather(None);
        }
    }

    /// What was read and may be half, the last first. The rest is whole.
    fn doubtful(&mut self, look: &ScanContext<'_>) -> Vec<(usize, Taken)> {
        let trees = self.trees.iter_mut().enumerate();
        let taken: Vec<(usize, Taken)> = trees
            .flat_map(|(number, tree)| tree.taken().into_iter().map(move |taken| (number, taken)))
            .collect();
        if taken.is_empty() {
            return taken;
        }
        let heard = !look.exact || look.ears.catch_up();
        let may_have_other_names = taken.iter().any(|(_, taken)| taken.names > 1);
        let told = self.told_files(look, look.exact && may_have_other_names);
        let is_doubtful = |(number, taken): &mut (usize, Taken)| {
            let tree = &self.trees[*number];
            let is_told = |path: PathBuf| self.inbox.settle().is_told(&path);
            match heard {
                true => look.exact && (told.contains(&taken.id) || tree.real(&taken.rel).is_some_and(is_told)),
                false => taken.is_young(look),
            }
        };
        let mut whole = taken;
        let doubtful: Vec<(usize, Taken)> = whole.extract_if(.., is_doubtful).collect();
        for (number, taken) in &whole {
            self.trees[*number].is_whole_now(taken);
        }
        doubtful
    }

    /// The files that somebody may be writing by whatever name, if that is asked for.
    fn told_files(&self, look: &ScanContext<'_>, asked: bool) -> HashSet<FileId> {
        if !asked {
            return HashSet::new();
        }
        let told: Vec<PathBuf> = self.inbox.settle().told().map(Path::to_owned).collect();
        let ids = told.iter().filter_map(|path| look.disk.stat(path).ok());
        ids.filter(|stat| stat.names > 1).map(|stat| stat.id).collect()
    }

    // --- what events missed -------------------------------------------------------------------------------------------------

    fn count_missed(&mut self, due: &Due, now: Instant) {
        if self.unheard.is_empty() {
            return;
        }
        let heard = |path: &PathBuf| due.paths.iter().any(|(heard, _)| path.starts_with(heard));
        self.unheard.retain(|path, _| !heard(path));
        let before = self.unheard.len();
        let example = self.unheard.iter().find(|(_, found)| **found + EVENT_LATE <= now);
        let example = example.map(|(path, _)| path.display().to_string());
        self.unheard.retain(|_, found| *found + EVENT_LATE > now);
        let missed = before - self.unheard.len();
        self.missed += missed as u64;
        if let Some(path) = example
            && self.silent().is_none()
        {
            tracing::warn!(
                path,
                missed,
                "files changed without a word from the kernel; everything is looked at more often"
            );
            crate::unheard::unheard(format_args!("files changed without a word from the kernel: {path}"));
            self.distrust = TRUST_AGAIN;
            self.reconcile_at = None;
        }
    }

    // --- what differs -------------------------------------------------------------------------------------------------------

    /// Takes over what the trees noted. What was found at a time without being told of, the kernel should have told of, or is
    /// about to.
    fn gather(&mut self, found_at: Option<Instant>) {
        let found_at = found_at.filter(|_| self.means.as_ref().is_some_and(|means| means.kernel));
        for number in 0..self.trees.len() {
            let touched = std::mem::take(&mut self.trees[number].touched);
            for (rel, text) in touched {
                let tree = &self.trees[number];
                // What is reached through a link may be told by the name of the link alone.
                if let Some(found_at) = found_at
                    && let Some(real) = tree.real(&rel).filter(|real| tree.is_plain(&rel, real))
                {
                    self.unheard.entry(real).or_insert(found_at);
                }
                let Some(name) = tree.template_name(&rel) else { continue };
                // What stands behind a name of an earlier root is nobody's concern. With one root there is nothing to look up.
                if number == 0 || self.winner(&name).is_none_or(|(winner, ..)| winner >= number) {
                    let text = text.map(|text| (number, text));
                    self.pending.insert(name, PendingChange { text });
                }
            }
        }
    }

    fn say_everything(&mut self) {
        for tree in &self.trees {
            for name in tree.templates().filter_map(|rel| tree.template_name(rel)) {
                self.pending.entry(name).or_insert(PendingChange { text: None });
            }
        }
    }

    /// What is pending, as far as it can be said now. Of several roots with a name the first has it.
    fn changes(&mut self, look: &ScanContext<'_>) -> Result<Changes, LoaderError> {
        let complete = look.afresh;
        let mut changes = Changes {
            complete,
            ..Changes::default()
        };
        if let (true, Some(reason)) = (complete, self.cannot_look()) {
            return Err(LoaderError(reason));
        }
        if complete {
            self.said_of.clear();
        }
        for (name, pending) in std::mem::take(&mut self.pending) {
            let Some((number, rel, state)) = self.winner(&name) else {
                self.said_of.remove(&name);
                changes.removed.push(name);
                continue;
            };
            // What a root that is missing has of it cannot be known before that is back. If it was said of another one, that is gone.
            let is_known = self.trees.len() == 1 || self.said_of.get(&name) == Some(&number);
            if self.trees[number].missing.is_some() && !is_known {
                if self.said_of.remove(&name).is_some() {
                    changes.removed.push(name.clone());
                }
                self.pending.insert(name, PendingChange { text: None });
                continue;
            }
            let missing = self.trees[number].paths;
            match (state, pending.text) {
                (Delivered::Unreadable(diagnostics), _) => {
                    self.note_said_of(&name, number);
                    changes.unreadable.push((name, diagnostics));
                }
                (Delivered::Text(_), Some((whose, text))) if whose == number => {
                    self.note_said_of(&name, number);
                    changes.changed.push(text.source(name, missing));
                }
                (Delivered::Text(_), _) => match self.read_again(look, number, &rel) {
                    RereadOutcome::Text(text) => {
                        self.note_said_of(&name, number);
                        changes.changed.push(text.source(name, missing));
                    }
                    RereadOutcome::Unreadable(diagnostics) => {
                        self.note_said_of(&name, number);
                        changes.unreadable.push((name, diagnostics));
                    }
                    // It is changing under our eyes, and is said once it can be read.
                    RereadOutcome::Changing => {
                        if complete {
                            let message = "the file is being replaced; it is read again in a moment";
                            let diagnostic = Diagnostic::error("unreadable", message).in_template(&name);
                            changes.unreadable.push((name.clone(), Arc::new([diagnostic])));
                        }
                        self.pending.insert(name, PendingChange { text: None });
                    }
                },
            }
        }
        self.answer(changes)
    }

    /// Returns what differs, or why nothing is known.
    fn answer(&self, changes: Changes) -> Result<Changes, LoaderError> {
        match self.cannot_look() {
            Some(reason) if changes.is_empty() => Err(LoaderError(reason)),
            _ => Ok(changes),
        }
    }

    fn note_said_of(&mut self, name: &TemplateName, number: usize) {
        // With one root nobody asks.
        if self.trees.len() > 1 && self.said_of.get(name) != Some(&number) {
            self.said_of.insert(name.clone(), number);
        }
    }

    fn winner(&self, name: &TemplateName) -> Option<(usize, RelativePath, Delivered)> {
        self.trees.iter().enumerate().find_map(|(number, tree)| {
            let rel = name.as_str().strip_prefix(tree.prefix.as_str())?;
            Some((number, rel.into(), tree.state(rel)?))
        })
    }

    fn read_again(&mut self, look: &ScanContext<'_>, number: usize, rel: &RelativePath) -> RereadOutcome {
        // While its root is missing there is nothing to read; with the root it comes back by itself.
        let tree = self.trees.get_mut(number).filter(|tree| tree.missing.is_none());
        let Some((tree, real)) = tree.and_then(|tree| tree.real(rel).map(|real| (tree, real))) else {
            return RereadOutcome::Changing;
        };
        match read(look.disk, &real, tree.bytes_max(), true) {
            FileContent::Text(text, seen, _)
                if !look.is_whole(&real, &seen, &text)
                    || (tree.has_content(rel) && look.is_just_emptied(&seen, &text)) =>
            {
                let mut settle = self.inbox.settle();
                if !settle.is_told(&real) {
                    settle.note_seen(real, Hint::Writing, look.now);
                }
                RereadOutcome::Changing
            }
            FileContent::Text(text, seen, _) if look.forced || tree.is_whole(look, rel, &seen, &text) => {
                for other in tree.note_read_again(rel, seen, &text) {
                    self.inbox.settle().note_seen(other, Hint::Writing, look.now);
                }
                RereadOutcome::Text(text)
            }
            // It is about to be lost here as well, or what is there instead is about to be found. Were it taken for written, it
            // would be looked at as if nothing had told that it is gone.
            FileContent::Gone => {
                self.inbox.settle().note_seen(real, Hint::Gone, look.now);
                RereadOutcome::Changing
            }
            FileContent::Failed(diagnostic, seen) => {
                RereadOutcome::Unreadable(tree.note_failed_again(look, rel, diagnostic, seen))
            }
            FileContent::Text(..) | FileContent::Unreadable(..) | FileContent::Changing => {
                self.inbox.settle().note_seen(real, Hint::Writing, look.now);
                RereadOutcome::Changing
            }
        }
    }

    /// Why nothing is known of what is there now: a root that should be there is missing.
    fn cannot_look(&self) -> Option<String> {
        let needed = |(number, tree): &(usize, &Tree)| tree.was_there || (*number == 0 && !tree.late);
        let trees = self.trees.iter().enumerate().filter(needed);
        trees.filter_map(|(_, tree)| tree.missing.clone()).next()
    }

    /// Returns a sentence for each missing root that was there once, or that is the first one.
    fn missing(&self) -> Vec<String> {
        let concerns = |(number, tree): &(usize, &Tree)| tree.missing.is_some() && (tree.was_there || *number == 0);
        let trees = self.trees.iter().enumerate().filter(concerns);
        let said = trees.map(|(_, tree)| {
            let root = tree.root.display();
            match tree.was_there {
                true => format!("{root} is missing; what was served goes on"),
                false => format!("{root} is not there yet; nothing of it is served until it is"),
            }
        });
        said.collect()
    }

    // --- how it sees --------------------------------------------------------------------------------------------------------

    fn after(&mut self, now: Instant) {
        self.trees.iter_mut().for_each(Tree::remark_no_match);
        let exhausted = self.trees.iter_mut().filter_map(|tree| tree.exhausted.take()).next();
        if let Some(why) = exhausted {
            self.poll_instead(why, now);
        }
        for directory in self.inbox.watched().interrupted() {
            self.inbox.settle().note_back(directory, now);
        }
        if self.reconcile_at.is_none() && self.means.is_some() {
            self.reconcile_at = Some(now + self.pause());
        }
        if self
            .trees
            .iter_mut()
            .any(|tree| std::mem::take(&mut tree.wariness_changed))
        {
            self.wary = Some(self.trees.iter().flat_map(Tree::wary).collect());
        }
    }

    /// The kernel does not watch, or not enough: everything is looked at often.
    pub(super) fn poll_instead(&mut self, why: String, now: Instant) {
        crate::unheard::unheard(&why);
        tracing::warn!("{why}; until then all files are looked at every {:?}", self.poll);
        // Half of the watches help nobody, and others may want them.
        self.spare = self.inbox.watched().end().map(|kernel| (kernel, now + self.sweep));
        self.means = Some(WatchMethod {
            kernel: false,
            exact: false,
            why,
        });
        self.reconcile_at = None;
    }

    /// Asks for the watches once more that there were not enough of.
    fn ask_again(&mut self, now: Instant) {
        let Some((kernel, _)) = self.spare.take_if(|(_, at)| *at <= now) else {
            return;
        };
        let begun = self.inbox.watched().begin(kernel);
        match begun {
            Err(WatchError::Exhausted(_)) => {
                self.spare = self.inbox.watched().end().map(|kernel| (kernel, now + self.sweep));
            }
            Ok(()) | Err(WatchError::NotThere) => self.watch_again(WatchMethod::kernel()),
        }
    }

    /// The kernel watches again. What happened before is found by looking.
    pub(super) fn watch_again(&mut self, means: WatchMethod) {
        tracing::info!("the kernel watches all directories again");
        self.means = Some(means);
        self.spare = None;
        self.reconcile_at = None;
        self.inbox.settle().note_doubt();
    }

    /// From one look at everything to the next.
    fn pause(&self) -> Duration {
        let polls = self.means.as_ref().is_none_or(|means| !means.kernel) || self.silent().is_some();
        match (polls, self.distrust > 0) {
            (true, _) => self.poll.min(self.sweep),
            (false, true) => DOUBTFUL.min(self.sweep),
            (false, false) => self.sweep,
        }
    }

    /// A file system that keeps changes to itself.
    fn silent(&self) -> Option<&str> {
        let names = self.trees.iter().flat_map(|tree| tree.silent.values());
        names.flatten().map(String::as_str).next()
    }

    pub(super) fn status(&self) -> LoaderStatus {
        let (watch_mode, why) = match (&self.means, self.silent()) {
            (None, _) => (WatchMode::Unwatched, "nobody asked to watch".to_owned()),
            (Some(WatchMethod { kernel: false, why, .. }), _) => (WatchMode::Poll, why.clone()),
            (Some(_), Some(silent)) => (
                WatchMode::NativeAndPoll,
                format!("the file system is {silent}, on which the kernel does not tell of every change"),
            ),
            (Some(means), None) => (WatchMode::Native, means.why.clone()),
        };
        LoaderStatus {
            watch_mode,
            why,
            files: self.trees.iter().map(|tree| tree.len() as u64).sum(),
            directories: self.inbox.watched().len() as u64,
            overflows: self.overflows,
            reconciles: self.reconciles,
            missed_by_events: self.missed,
            still_written: self.trees.iter().map(|tree| tree.still_written).sum(),
            unreadable: self.trees.iter().map(|tree| tree.unreadable() as u64).sum(),
            awaited: self.trees.iter().any(|tree| tree.late && !tree.was_there),
            missing: self.missing(),
            remarks: self.remarks(),
        }
    }

    fn remarks(&self) -> Vec<Diagnostic> {
        self.trees.iter().flat_map(Tree::remarks).collect()
    }
}
