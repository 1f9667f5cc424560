//! [`Watches`]: native watches, and [`WatchedDirectories`]: the directories that need one, counted by use.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The kernel's number of a watch. It belongs to the directory itself: another directory under the same path has another number.
pub(super) type WatchId = i64;

/// The reason why a directory is not watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WatchError {
    /// It does not exist or cannot be read, which a check of it will find.
    NotThere,
    /// The system has no watch left. The text names the limit and how to raise it.
    Exhausted(String),
}

/// Native watches of directories.
pub(super) trait Watches: Send {
    /// Watches the directory that is at this path now. A directory that is watched already keeps its number.
    fn watch(&mut self, directory: &Path) -> Result<WatchId, WatchError>;
    /// Ends a watch. It may have ended by itself.
    fn unwatch(&mut self, watch: WatchId);
    /// Puts a mark into the queue behind all earlier events, and returns the number with which it will arrive.
    fn mark(&mut self) -> Option<WatchId>;
    /// Returns true if events report every change in a watched directory, in order, so that a mark proves that all were received.
    fn is_exact(&self) -> bool;
}

/// The directories that are to be watched, and their watches.
#[derive(Default)]
pub(super) struct WatchedDirectories {
    kernel: Option<Box<dyn Watches>>,
    claims: HashMap<PathBuf, WatchClaim>,
    /// The paths of each watch: one directory may have several.
    places: HashMap<WatchId, Vec<PathBuf>>,
    /// Marks that have not arrived yet.
    marks: Vec<WatchId>,
    /// Directories that lost their watch, so that changes in them may have had no event.
    interrupted: Vec<PathBuf>,
}

/// The uses of a watch on one directory.
#[derive(Default)]
struct WatchClaim {
    watch: Option<WatchId>,
    /// The number of uses for all names in it.
    whole: usize,
    /// The number of uses for single names in it.
    names: HashMap<OsString, usize>,
}

impl WatchedDirectories {
    /// Watches all claimed directories from now on. Returns an error if there are not enough watches.
    pub(super) fn begin(&mut self, kernel: Box<dyn Watches>) -> Result<(), WatchError> {
        self.kernel = Some(kernel);
        let directories: Vec<PathBuf> = self.claims.keys().cloned().collect();
        for directory in directories {
            match self.renew(&directory) {
                Ok(_) | Err(WatchError::NotThere) => {}
                Err(exhausted) => return Err(exhausted),
            }
        }
        Ok(())
    }

    /// Ends all watches and returns what made them. The claims stay.
    pub(super) fn end(&mut self) -> Option<Box<dyn Watches>> {
        let mut kernel = self.kernel.take()?;
        for (watch, _) in self.places.drain() {
            kernel.unwatch(watch);
        }
        self.claims.values_mut().for_each(|claim| claim.watch = None);
        Some(kernel)
    }

    /// Claims a watch on a directory, or only for one name in it. The claim stays also if it cannot be watched now.
    pub(super) fn claim(&mut self, directory: &Path, name: Option<&OsStr>) -> Result<(), WatchError> {
        if !self.claims.contains_key(directory) {
            self.claims.insert(directory.to_owned(), WatchClaim::default());
        }
        if let Some(claim) = self.claims.get_mut(directory) {
            match name {
                None => claim.whole += 1,
                Some(name) => *claim.names.entry(name.to_owned()).or_default() += 1,
            }
        }
        self.renew(directory).map(drop)
    }

    /// Releases a claim.
    pub(super) fn release(&mut self, directory: &Path, name: Option<&OsStr>) {
        let Some(claim) = self.claims.get_mut(directory) else {
            return;
        };
        match name {
            None => claim.whole = claim.whole.saturating_sub(1),
            Some(name) => {
                if let Some(count) = claim.names.get_mut(name) {
                    *count -= 1;
                    if *count == 0 {
                        claim.names.remove(name);
                    }
                }
            }
        }
        if claim.whole == 0 && claim.names.is_empty() {
            let watch = claim.watch;
            self.claims.remove(directory);
            self.leave(watch, directory);
        }
    }

    /// Returns true if a directory is claimed and has no watch although the loader watches natively.
    pub(super) fn lacks(&self, directory: &Path) -> bool {
        let claim = self.claims.get(directory);
        self.kernel.is_some() && claim.is_some_and(|claim| claim.watch.is_none())
    }

    /// Moves the watch to the directory that is at this path now. Returns true if that is another directory than before.
    pub(super) fn renew(&mut self, directory: &Path) -> Result<bool, WatchError> {
        let (Some(kernel), Some(claim)) = (&mut self.kernel, self.claims.get_mut(directory)) else {
            return Ok(false);
        };
        let watched = kernel.watch(directory);
        let (before, now) = (claim.watch, watched.as_ref().ok().copied());
        claim.watch = now;
        let claim_is_whole = claim.whole > 0;
        if before != now {
            if let Some(now) = now {
                self.places.entry(now).or_default().push(directory.to_owned());
            }
            if before.is_some() && claim_is_whole {
                self.interrupted.push(directory.to_owned());
            }
            self.leave(before, directory);
        }
        watched.map(|now| before != Some(now))
    }

    fn leave(&mut self, watch: Option<WatchId>, directory: &Path) {
        let Some(watch) = watch else { return };
        let Some(places) = self.places.get_mut(&watch) else {
            return;
        };
        places.retain(|place| place != directory);
        if places.is_empty() {
            self.places.remove(&watch);
            if let Some(kernel) = &mut self.kernel {
                kernel.unwatch(watch);
            }
        }
    }

    /// Takes the directories that lost their watch.
    pub(super) fn interrupted(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.interrupted)
    }

    /// Returns the directories of a watch in which a name is claimed.
    pub(super) fn concerned(&self, watch: WatchId, name: &OsStr) -> impl Iterator<Item = &Path> {
        let places = self.places.get(&watch).into_iter().flatten();
        places.map(PathBuf::as_path).filter(move |place| {
            let claim = self.claims.get(*place);
            claim.is_some_and(|claim| claim.whole > 0 || claim.names.contains_key(name))
        })
    }

    /// Returns the paths of the directory of a watch.
    pub(super) fn places(&self, watch: WatchId) -> &[PathBuf] {
        self.places.get(&watch).map_or(&[], Vec::as_slice)
    }

    /// Notes that a watch ended: its directory is gone, or it was a mark, which has arrived. Returns the paths that it had.
    pub(super) fn ended(&mut self, watch: WatchId) -> Vec<PathBuf> {
        self.marks.retain(|mark| *mark != watch);
        let places = self.places.remove(&watch).unwrap_or_default();
        for place in &places {
            if let Some(claim) = self.claims.get_mut(place) {
                claim.watch = None;
            }
        }
        places
    }

    /// Puts a mark behind all earlier events.
    pub(super) fn mark(&mut self) -> Option<WatchId> {
        let mark = self.kernel.as_mut()?.mark()?;
        self.marks.push(mark);
        Some(mark)
    }

    /// Returns true if a mark has not arrived yet.
    pub(super) fn awaits(&self, mark: WatchId) -> bool {
        self.marks.contains(&mark)
    }

    /// Stops waiting for a mark.
    pub(super) fn forget_mark(&mut self, mark: WatchId) {
        self.marks.retain(|each| *each != mark);
    }

    /// Returns the number of watched directories.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Returns each claimed directory, true if it is claimed for all names in it, and its watch.
    #[cfg(test)]
    pub(super) fn claimed(&self) -> impl Iterator<Item = (&Path, bool, Option<WatchId>)> {
        let claims = self.claims.iter();
        claims.map(|(place, claim)| (place.as_path(), claim.whole > 0, claim.watch))
    }
}
