//! [`SimulatedFiles`]: a file system in memory that stops, fails or loses power at any step.
//!
//! After a power loss a file has the content that was synced last, or any part of what was written since; of the changes of a directory
//! since its last sync, any subset has happened. Real file systems keep at least as much.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::{Files, WrittenFile, too_large};

/// A file system in memory. A clone is the same file system.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimulatedFiles(Arc<Mutex<System>>);

#[derive(Debug, Clone, Default)]
struct System {
    inodes: Vec<Inode>,
    directories: BTreeMap<PathBuf, Directory>,
    steps: usize,
    /// The step at which the process ends: everything after it fails.
    stop_at: Option<usize>,
    /// The step that fails, and its error.
    fail_at: Option<(usize, io::ErrorKind)>,
    locked: bool,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    content: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Directory {
    names: BTreeMap<String, usize>,
    synced: BTreeMap<String, usize>,
    /// The changes since the last sync.
    changes: Vec<DirectoryChange>,
}

#[derive(Debug, Clone)]
enum DirectoryChange {
    Set(String, usize),
    Remove(String),
    Rename(String, String),
}

/// A small generator of numbers, so that each case is repeated by its seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound.max(1)
    }
}

impl SimulatedFiles {
    /// Creates a file system with an empty directory `/`.
    pub(crate) fn new() -> Self {
        let files = Self::default();
        files.lock().directories.insert("/".into(), Directory::default());
        files
    }

    /// Ends the process at a step from now: this step and everything after it fail.
    pub(crate) fn stop_after(&self, steps: usize) {
        let mut system = self.lock();
        system.stop_at = Some(system.steps + steps);
    }

    /// Makes one step from now fail.
    pub(crate) fn fail_after(&self, steps: usize, error: io::ErrorKind) {
        let mut system = self.lock();
        system.fail_at = Some((system.steps + steps, error));
    }

    /// Returns the number of steps so far.
    pub(crate) fn steps(&self) -> usize {
        self.lock().steps
    }

    /// Returns the file system as the next process finds it after the process has ended.
    pub(crate) fn after_kill(&self) -> Self {
        let mut system = self.lock().clone();
        (system.stop_at, system.fail_at, system.locked) = (None, None, false);
        Self(Arc::new(Mutex::new(system)))
    }

    /// Returns the file system as it is found after the machine has lost power.
    pub(crate) fn after_power_loss(&self, dice: &mut Dice) -> Self {
        let mut system = self.lock().clone();
        (system.stop_at, system.fail_at, system.locked) = (None, None, false);
        for inode in &mut system.inodes {
            inode.content = match dice.below(3) {
                0 => inode.synced.clone(),
                1 => inode.content.clone(),
                _ if inode.content == inode.synced => inode.synced.clone(),
                _ => {
                    // What was synced stays where something was only appended.
                    let is_appended = inode.content.starts_with(&inode.synced);
                    let least = if is_appended { inode.synced.len() } else { 0 };
                    inode.content[..least + dice.below(inode.content.len() - least + 1)].to_vec()
                }
            };
            inode.synced = inode.content.clone();
        }
        for directory in system.directories.values_mut() {
            let mut names = directory.synced.clone();
            for change in directory.changes.drain(..).filter(|_| dice.below(2) == 0) {
                apply(&mut names, change);
            }
            directory.synced = names.clone();
            directory.names = names;
        }
        Self(Arc::new(Mutex::new(system)))
    }

    /// Returns every file.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        let system = self.lock();
        let directories = system.directories.iter();
        let files = directories.flat_map(|(path, directory)| directory.names.keys().map(|name| path.join(name)));
        files.collect()
    }

    /// Changes the content of a file.
    pub(crate) fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut system = self.lock();
        let inode = system.find(path).expect("the file exists");
        change(&mut system.inodes[inode].content);
    }

    fn lock(&self) -> MutexGuard<'_, System> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a step of a process.
    fn step(&self) -> io::Result<MutexGuard<'_, System>> {
        let mut system = self.lock();
        system.step()?;
        Ok(system)
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: DirectoryChange) {
    match change {
        DirectoryChange::Set(name, inode) => _ = names.insert(name, inode),
        DirectoryChange::Remove(name) => _ = names.remove(&name),
        DirectoryChange::Rename(from, to) => {
            if let Some(inode) = names.remove(&from) {
                names.insert(to, inode);
            }
        }
    }
}

impl System {
    fn step(&mut self) -> io::Result<()> {
        let step = self.steps;
        if self.stop_at.is_some_and(|stop| step >= stop) {
            return Err(io::Error::other("the process has ended"));
        }
        self.steps += 1;
        match self.fail_at {
            Some((at, error)) if at == step => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let (parent, name) = parts(path);
        let directory = self.directories.get(&parent).ok_or(io::ErrorKind::NotFound)?;
        Ok(*directory.names.get(&name).ok_or(io::ErrorKind::NotFound)?)
    }

    fn change(&mut self, path: &Path, change: DirectoryChange) -> io::Result<()> {
        let (parent, _) = parts(path);
        let directory = self.directories.get_mut(&parent).ok_or(io::ErrorKind::NotFound)?;
        apply(&mut directory.names, change.clone());
        directory.changes.push(change);
        Ok(())
    }

    /// Returns the inode of a path, which is created if it does not exist.
    fn create(&mut self, path: &Path) -> io::Result<usize> {
        if let Ok(inode) = self.find(path) {
            return Ok(inode);
        }
        self.inodes.push(Inode::default());
        let inode = self.inodes.len() - 1;
        self.change(path, DirectoryChange::Set(parts(path).1, inode))?;
        Ok(inode)
    }
}

fn parts(path: &Path) -> (PathBuf, String) {
    let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (parent, name)
}

/// A file that was written.
struct Written(SimulatedFiles, usize);

impl WrittenFile for Written {
    fn sync(self: Box<Self>) -> io::Result<()> {
        let mut system = self.0.step()?;
        let inode = &mut system.inodes[self.1];
        inode.synced = inode.content.clone();
        Ok(())
    }
}

impl Files for SimulatedFiles {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let system = self.lock();
        let content = system.inodes[system.find(path)?].content.clone();
        match content.len() as u64 > most {
            true => Err(too_large(most)),
            false => Ok(content),
        }
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(self.read(path, u64::MAX)?.len() as u64)
    }

    fn read_end(&self, path: &Path, most: u64) -> io::Result<(Vec<u8>, u64)> {
        let content = self.read(path, u64::MAX)?;
        let start = content
            .len()
            .saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
        Ok((content[start..].to_vec(), content.len() as u64))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let system = self.lock();
        let names = &system.directories.get(directory).ok_or(io::ErrorKind::NotFound)?.names;
        let below = system
            .directories
            .keys()
            .filter(|path| path.parent() == Some(directory));
        Ok(names.keys().cloned().chain(below.map(|path| parts(path).1)).collect())
    }

    /// A directory is durable at once, which only means that a scan finds more empty ones.
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut system = self.step()?;
        let parent = parts(path).0;
        if !system.directories.contains_key(&parent) {
            return Err(io::ErrorKind::NotFound.into());
        }
        system.directories.entry(path.to_owned()).or_default();
        Ok(())
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<Box<dyn WrittenFile>> {
        let inode = {
            let mut system = self.step()?;
            let inode = system.create(path)?;
            system.inodes[inode].content.clear();
            inode
        };
        for end in [content.len() / 2, content.len()] {
            self.step()?.inodes[inode].content = content[..end].to_vec();
        }
        Ok(Box::new(Written(self.clone(), inode)))
    }

    fn append(&self, path: &Path, content: &[u8]) -> io::Result<Box<dyn WrittenFile>> {
        let (inode, before) = {
            let mut system = self.step()?;
            let inode = system.create(path)?;
            (inode, system.inodes[inode].content.clone())
        };
        for end in [content.len() / 2, content.len()] {
            self.step()?.inodes[inode].content = [before.as_slice(), &content[..end]].concat();
        }
        Ok(Box::new(Written(self.clone(), inode)))
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let mut system = self.step()?;
        let inode = system.find(path)?;
        system.inodes[inode]
            .content
            .truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut system = self.step()?;
        system.find(from)?;
        system.change(from, DirectoryChange::Rename(parts(from).1, parts(to).1))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut system = self.step()?;
        // The root and what is above the store always exist.
        if let Some(directory) = system.directories.get_mut(path) {
            directory.synced = directory.names.clone();
            directory.changes.clear();
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut system = self.step()?;
        system.find(path)?;
        system.change(path, DirectoryChange::Remove(parts(path).1))
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send>>> {
        let mut system = self.step()?;
        system.create(path)?;
        if std::mem::replace(&mut system.locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(Unlock(self.clone()))))
    }
}

/// A guard of the one lock.
struct Unlock(SimulatedFiles);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.lock().locked = false;
    }
}
