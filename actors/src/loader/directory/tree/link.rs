//! Symbolic links: followed by hand, so that every name on the way is known and watched.

use std::path::Path;

use super::{Links, Look, Patience, Tree};
use crate::loader::directory::disk::{Kind, is_gone};
use crate::loader::directory::links::{Resolved, resolve};
use crate::loader::directory::watches::WatchError;

/// How often a way is followed again that changed while its directories were being watched.
const TRIES: usize = 4;

impl Tree {
    /// A name is a link.
    pub(super) fn look_through(&mut self, look: &Look<'_>, rel: &str, path: &Path, patience: Patience) {
        if self.sieve.links == Links::Never {
            self.remark_link(path, "a symbolic link is left out, for the rules follow none");
            return self.remove(look, rel);
        }
        let Some(target) = self.follow(look, rel, path) else {
            // What is not there yet is watched for. What was there may come back.
            if self.nodes.contains_key(rel) {
                self.absent(look, rel, path.to_owned(), patience);
            }
            return;
        };
        let root = self.directory("").map(|root| root.real.clone()).unwrap_or_default();
        if self.sieve.links == Links::Inside && !target.starts_with(root) {
            self.remark_link(path, "a symbolic link is left out, for it leads out of the root");
            return self.remove_node(look, rel);
        }
        match look.disk.stat(&target) {
            Ok(stat) => {
                let concerns = match stat.kind {
                    Kind::Directory => self.enters(rel),
                    Kind::File => self.takes(rel),
                    Kind::Link | Kind::Other => false,
                };
                if !concerns {
                    self.put_aside(look, rel, patience);
                    if !self.nodes.contains_key(rel) {
                        self.unlink(look, rel);
                    }
                    return;
                }
                self.put(look, rel, &target, &stat, patience);
            }
            Err(error) if is_gone(&error) && self.nodes.contains_key(rel) => {
                self.absent(look, rel, path.to_owned(), patience);
            }
            Err(error) if is_gone(&error) => {}
            Err(error) => self.cannot_see(look, rel, &error),
        }
    }

    /// Where a path leads. Everything on the way is watched.
    pub(super) fn follow(&mut self, look: &Look<'_>, rel: &str, path: &Path) -> Option<std::path::PathBuf> {
        for _ in 0..TRIES {
            let resolved = resolve(look.disk, path);
            if self.links.get(rel) == Some(&resolved) {
                // Directories on the way may be other ones than before, under the same names.
                for step in &resolved.through {
                    self.renew(look, &step.directory);
                }
                return resolved.target;
            }
            self.relink(look, rel, resolved);
        }
        self.links.get(rel).and_then(|resolved| resolved.target.clone())
    }

    fn renew(&mut self, look: &Look<'_>, directory: &Path) {
        if let Err(WatchError::Exhausted(why)) = look.inbox.watched().renew(directory) {
            self.exhausted = Some(why);
        }
    }

    fn relink(&mut self, look: &Look<'_>, rel: &str, resolved: Resolved) {
        for step in &resolved.through {
            // The top is noisy, and its names rarely change: what is wary of them will see.
            if step.directory.parent().is_some() {
                let claimed = look.inbox.watched().claim(&step.directory, Some(&step.name));
                self.note_exhausted(claimed);
            }
            let through = self.resolved_through.entry(step.path()).or_default();
            through.insert(rel.into());
        }
        let before = self.links.insert(rel.into(), resolved);
        self.wariness_changed = true;
        before.into_iter().for_each(|before| self.release(look, rel, &before));
    }

    /// A name is no link any more.
    pub(super) fn unlink(&mut self, look: &Look<'_>, rel: &str) {
        if let Some(before) = self.links.remove(rel) {
            self.wariness_changed = true;
            self.release(look, rel, &before);
        }
    }

    fn release(&mut self, look: &Look<'_>, rel: &str, resolved: &Resolved) {
        for step in &resolved.through {
            if step.directory.parent().is_some() {
                look.inbox.watched().release(&step.directory, Some(&step.name));
            }
            let path = step.path();
            let still = self.links.get(rel).is_some_and(|now| now.through.contains(step));
            if let (false, Some(through)) = (still, self.resolved_through.get_mut(&path)) {
                through.remove(rel);
                if through.is_empty() {
                    self.resolved_through.remove(&path);
                }
            }
        }
    }

    fn remark_link(&mut self, path: &Path, message: &str) {
        let help = "put the file itself there, or set `links` of the rules";
        self.remark(path.display().to_string(), "link", message.into(), help);
    }
}
