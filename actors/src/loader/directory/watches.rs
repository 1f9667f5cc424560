//! [`Watches`]: the kernel's side of watching, and [`Watched`]: which directories are watched on whose behalf.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The kernel's number for a directory that it watches. Another directory has another number, whatever it is called.
pub(super) type WatchId = i64;

/// Why a directory is not watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WatchError {
    /// It is not there, or cannot be looked into: whoever looks at it will see.
    NotThere,
    /// The system has no watch left. What it is that has run out, and how it is raised.
    Exhausted(String),
}

/// What watches directories, each by itself.
pub(super) trait Watches: Send {
    /// Watches the directory that is now at this path. The same directory always gets the same number.
    fn watch(&mut self, directory: &Path) -> Result<WatchId, WatchError>;
    /// Ends a watch. One that has ended by itself is fine.
    fn unwatch(&mut self, watch: WatchId);
    /// Puts a mark behind all events of what was done until now, and answers by what number it will be recognised.
    fn mark(&mut self) -> Option<WatchId>;
    /// Returns true if events report every change in a watched directory, in order, so that a mark proves that all were received.
    fn is_exact(&self) -> bool;
}

/// Directories that somebody wants watched, and the watches that they have.
#[derive(Default)]
pub(super) struct WatchedDirectories {
    kernel: Option<Box<dyn Watches>>,
    claims: HashMap<PathBuf, WatchClaim>,
    /// The same directory may be in two places.
    places: HashMap<WatchId, Vec<PathBuf>>,
    /// Marks that were put and have not come by.
    marks: Vec<WatchId>,
    /// Directories that have lost the watch which they had, so that something may have happened in them without a word.
    interrupted: Vec<PathBuf>,
}

/// Who wants a directory watched.
#[derive(Default)]
struct WatchClaim {
    watch: Option<WatchId>,
    /// For all that is in it.
    whole: usize,
    /// For some names in it only.
    names: HashMap<OsString, usize>,
}

impl WatchedDirectories {
    /// From now on the kernel watches what is claimed. Answers why it does not watch all of it.
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

    /// Gives all watches back. What is claimed stays claimed.
    pub(super) fn end(&mut self) -> Option<Box<dyn Watches>> {
        let mut kernel = self.kernel.take()?;
        for (watch, _) in self.places.drain() {
            kernel.unwatch(watch);
        }
        self.claims.values_mut().for_each(|claim| claim.watch = None);
        Some(kernel)
    }

    /// Wants a directory watched, or only one name in it. What cannot be watched now is claimed all the same.
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

    /// Lets go of what was claimed.
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

    /// Whether a directory is claimed and has no watch, although there is somebody to put one.
    pub(super) fn lacks(&self, directory: &Path) -> bool {
        let claim = self.claims.get(directory);
        self.kernel.is_some() && claim.is_some_and(|claim| claim.watch.is_none())
    }

    /// Makes sure that the watch is on the directory that is at this path now. Answers whether it is another than before.
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

    /// Takes the directories that have lost the watch which they had.
    pub(super) fn interrupted(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.interrupted)
    }

    /// Where an event of a watch with this name happened, as far as anybody wants to know.
    pub(super) fn concerned(&self, watch: WatchId, name: &OsStr) -> impl Iterator<Item = &Path> {
        let places = self.places.get(&watch).into_iter().flatten();
        places.map(PathBuf::as_path).filter(move |place| {
            let claim = self.claims.get(*place);
            claim.is_some_and(|claim| claim.whole > 0 || claim.names.contains_key(name))
        })
    }

    /// Where the directory of a watch is.
    pub(super) fn places(&self, watch: WatchId) -> &[PathBuf] {
        self.places.get(&watch).map_or(&[], Vec::as_slice)
    }

    /// A watch ended by itself, for its directory is gone, or it was a mark, which has come by then. Answers where it was.
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

    /// Puts a mark behind all events of what was done until now.
    pub(super) fn mark(&mut self) -> Option<WatchId> {
        let mark = self.kernel.as_mut()?.mark()?;
        self.marks.push(mark);
        Some(mark)
    }

    /// Whether a mark has not come by yet.
    pub(super) fn awaits(&self, mark: WatchId) -> bool {
        self.marks.contains(&mark)
    }

    /// Nobody waits for a mark any more.
    pub(super) fn forget_mark(&mut self, mark: WatchId) {
        self.marks.retain(|each| *each != mark);
    }

    /// How many directories are watched.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Each directory that is claimed, whether for all that is in it, and the watch on it. For tests.
    #[cfg(test)]
    pub(super) fn claimed(&self) -> impl Iterator<Item = (&Path, bool, Option<WatchId>)> {
        let claims = self.claims.iter();
        claims.map(|(place, claim)| (place.as_path(), claim.whole > 0, claim.watch))
    }
}
