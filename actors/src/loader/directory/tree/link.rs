//! Symbolic links: followed by hand, so that every name on the way is known and watched.

use std::path::Path;

use super::{Links, ScanContext, ScanReason, Tree, TreeLink};
use crate::loader::directory::disk::{Kind, is_gone};
use crate::loader::directory::links::{ResolvedPath, leads_too_far, resolve};
use crate::loader::directory::settle::Hint;
use crate::loader::directory::watches::WatchError;

/// How often a way is followed again that changed while its directories were being watched.
const TRIES: usize = 4;
/// What to do about a link that the rules leave out.
const RULES_HELP: &str = "put the file itself there, or set `files.links` (`Rules::links` in code)";

impl Tree {
    /// A name is a link.
    pub(super) fn look_through(&mut self, look: &ScanContext<'_>, rel: &str, path: &Path, patience: ScanReason) {
        if self.sieve.links == Links::Never {
            self.remark_link(
                rel,
                path,
                "a symbolic link is left out, for the rules follow none",
                RULES_HELP,
            );
            return self.remove(look, rel);
        }
        let Some(target) = self.follow(look, rel, path) else {
            if leads_too_far(look.disk, path, self.bounds.hops) {
                self.remark_too_far(rel, path);
            } else if let Err(error) = look.disk.follow(path)
                && !is_gone(&error)
            {
                return self.cannot_see(look, rel, &error);
            }
            return self.leads_nowhere(look, rel, path, patience);
        };
        let met = look.disk.stat(&target);
        if let Some(link) = self.links.get_mut(rel) {
            let now = met.as_ref().ok().map(|stat| (stat.id, stat.kind));
            self.wariness_changed |= link.met != now;
            link.met = now;
        }
        let root = self.directory("").map(|root| root.real.clone()).unwrap_or_default();
        if self.sieve.links == Links::Inside && !target.starts_with(root) {
            self.remark_link(
                rel,
                path,
                "a symbolic link is left out, for it leads out of the root",
                RULES_HELP,
            );
            return self.remove_node(look, rel);
        }
        match met {
            Ok(stat) => {
                let concerns = match stat.kind {
                    Kind::Directory => self.enters(rel),
                    Kind::File => self.takes(rel),
                    Kind::Link | Kind::Other => false,
                };
                self.forget_link_remark(path);
                if concerns {
                    return self.put(look, rel, &target, &stat, patience);
                }
                self.put_aside(look, rel, patience);
                // Something else may come to where it leads; only what no rule would let pass is forgotten.
                if !self.nodes.contains_key(rel) && !self.takes(rel) && !self.enters(rel) {
                    self.unlink(look, rel);
                }
            }
            Err(error) if is_gone(&error) => self.leads_nowhere(look, rel, path, patience),
            Err(error) => self.cannot_see(look, rel, &error),
        }
    }

    /// Nothing is where a link leads. The link is there, so what is on the way is watched all the same: something may come, or
    /// what was there may come back. What it stands for is lost when its grace is over.
    pub(super) fn leads_nowhere(&mut self, look: &ScanContext<'_>, rel: &str, path: &Path, patience: ScanReason) {
        if let Some(link) = self.links.get_mut(rel) {
            self.wariness_changed |= link.met.is_some();
            link.met = None;
        }
        if !self.nodes.contains_key(rel) {
            return;
        }
        if self.is_lost(look, patience) {
            return self.remove_node(look, rel);
        }
        self.doubt(rel);
        self.wait_for(look, rel, patience);
        look.inbox.settle().note_seen(path.to_owned(), Hint::Gone, look.now);
    }

    fn remark_too_far(&mut self, rel: &str, path: &Path) {
        let most = self.bounds.hops;
        let message = format!("a symbolic link is left out, for it leads through more than {most} links");
        let help = "let it lead to the file itself, or raise the limit `link_hops`";
        self.remark_link(rel, path, &message, help);
    }

    /// Where a path leads. Everything on the way is watched.
    pub(super) fn follow(&mut self, look: &ScanContext<'_>, rel: &str, path: &Path) -> Option<std::path::PathBuf> {
        for _ in 0..TRIES {
            let resolved = resolve(look.disk, path, self.bounds.hops);
            if self.links.get(rel).is_some_and(|link| link.leads == resolved) {
                // Directories on the way may be other ones than before, under the same names.
                for step in &resolved.through {
                    self.renew(look, &step.directory);
                }
                return resolved.target;
            }
            self.relink(look, rel, resolved);
        }
        // It leads elsewhere each time.
        look.inbox.settle().note_seen(path.to_owned(), Hint::Whole, look.now);
        self.links.get(rel).and_then(|link| link.leads.target.clone())
    }

    fn renew(&mut self, look: &ScanContext<'_>, directory: &Path) {
        if let Err(WatchError::Exhausted(why)) = look.inbox.watched().renew(directory) {
            self.exhausted = Some(why);
        }
    }

    fn relink(&mut self, look: &ScanContext<'_>, rel: &str, resolved: ResolvedPath) {
        for step in &resolved.through {
            // The top is noisy, and its names rarely change: what is wary of them will see.
            if step.directory.parent().is_some() {
                let claimed = look.inbox.watched().claim(&step.directory, Some(&step.name));
                self.note_exhausted(claimed);
            }
            let through = self.resolved_through.entry(step.path()).or_default();
            through.insert(rel.into());
        }
        let link = TreeLink {
            leads: resolved,
            met: None,
        };
        let before = self.links.insert(rel.into(), link);
        self.wariness_changed = true;
        self.is_exchanged |= before.is_some();
        before
            .into_iter()
            .for_each(|before| self.release(look, rel, &before.leads));
    }

    /// A name is no link any more.
    pub(super) fn unlink(&mut self, look: &ScanContext<'_>, rel: &str) {
        if let Some(before) = self.links.remove(rel) {
            self.wariness_changed = true;
            self.is_exchanged = true;
            self.release(look, rel, &before.leads);
        }
    }

    fn release(&mut self, look: &ScanContext<'_>, rel: &str, resolved: &ResolvedPath) {
        for step in &resolved.through {
            if step.directory.parent().is_some() {
                look.inbox.watched().release(&step.directory, Some(&step.name));
            }
            let path = step.path();
            let still = self.links.get(rel).is_some_and(|now| now.leads.through.contains(step));
            if let (false, Some(through)) = (still, self.resolved_through.get_mut(&path)) {
                through.remove(rel);
                if through.is_empty() {
                    self.resolved_through.remove(&path);
                }
            }
        }
    }

    fn remark_link(&mut self, rel: &str, path: &Path, message: &str, help: &str) {
        self.remark(path.display().to_string(), rel, "link", message.into(), help);
    }
}
