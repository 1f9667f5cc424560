//! Symbolic links. They are resolved by hand, so that every name on the way is known and watched.

use std::path::Path;

use super::{Links, ScanContext, ScanReason, Tree, TreeLink};
use crate::loader::directory::disk::{Kind, is_gone};
use crate::loader::directory::links::{ResolvedPath, leads_too_far, resolve};
use crate::loader::directory::settle::Hint;
use crate::loader::directory::watches::WatchError;

/// The number of attempts to resolve a link that changes while the directories on its way get their watches.
const TRIES: usize = 4;
/// The help for a link that the rules exclude.
const RULES_HELP: &str = "put the file itself there, or set `files.links` (`Rules::links` in code)";

impl Tree {
    /// Checks a name that is a link.
    pub(super) fn check_link(&mut self, scan: &ScanContext<'_>, rel: &str, path: &Path, reason: ScanReason) {
        if self.rules.links == Links::Never {
            self.remark_link(
                rel,
                path,
                "a symbolic link is left out, because the rules follow none",
                RULES_HELP,
            );
            return self.remove(scan, rel);
        }
        let Some(target) = self.follow(scan, rel, path) else {
            if leads_too_far(scan.disk, path, self.limits.hops) {
                self.remark_too_far(rel, path);
            } else if let Err(error) = scan.disk.follow(path)
                && !is_gone(&error)
            {
                return self.note_inaccessible(scan, rel, &error);
            }
            return self.note_dangling(scan, rel, path, reason);
        };
        let met = scan.disk.stat(&target);
        if let Some(link) = self.links.get_mut(rel) {
            let now = met.as_ref().ok().map(|stat| (stat.id, stat.kind));
            self.polled_changed |= link.target_found != now;
            link.target_found = now;
        }
        let root = self.directory("").map(|root| root.real.clone()).unwrap_or_default();
        if self.rules.links == Links::Inside && !target.starts_with(root) {
            self.remark_link(
                rel,
                path,
                "a symbolic link is left out, because it leads out of the root",
                RULES_HELP,
            );
            return self.remove_node(scan, rel);
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
                    return self.put(scan, rel, &target, &stat, reason);
                }
                self.leave_out(scan, rel, reason);
                // Something else may be created at its end. It is forgotten only if no rule would accept that.
                if !self.nodes.contains_key(rel) && !self.takes(rel) && !self.enters(rel) {
                    self.unlink(scan, rel);
                }
            }
            Err(error) if is_gone(&error) => self.note_dangling(scan, rel, path, reason),
            Err(error) => self.note_inaccessible(scan, rel, &error),
        }
    }

    /// Handles a link that dangles. Its way stays watched, because the target may be created or come back. What the link stood for is
    /// removed after its grace period.
    pub(super) fn note_dangling(&mut self, scan: &ScanContext<'_>, rel: &str, path: &Path, reason: ScanReason) {
        if let Some(link) = self.links.get_mut(rel) {
            self.polled_changed |= link.target_found.is_some();
            link.target_found = None;
        }
        if !self.nodes.contains_key(rel) {
            return;
        }
        if self.is_lost(scan, reason) {
            return self.remove_node(scan, rel);
        }
        self.mark_for_rescan(rel);
        self.wait_for(scan, rel, reason);
        scan.inbox.settle().note_seen(path.to_owned(), Hint::Gone, scan.now);
    }

    fn remark_too_far(&mut self, rel: &str, path: &Path) {
        let most = self.limits.hops;
        let message = format!("a symbolic link is left out, because it leads through more than {most} links");
        let help = "point it at the file itself, or raise the limit `link_hops`";
        self.remark_link(rel, path, &message, help);
    }

    /// Resolves a path and watches everything on the way. Returns the target.
    pub(super) fn follow(&mut self, scan: &ScanContext<'_>, rel: &str, path: &Path) -> Option<std::path::PathBuf> {
        for _ in 0..TRIES {
            let resolved = resolve(scan.disk, path, self.limits.hops);
            if self.links.get(rel).is_some_and(|link| link.resolved == resolved) {
                // Directories on the way may have been exchanged.
                for step in &resolved.through {
                    self.renew(scan, &step.directory);
                }
                return resolved.target;
            }
            self.relink(scan, rel, resolved);
        }
        // It led elsewhere at each attempt.
        scan.inbox.settle().note_seen(path.to_owned(), Hint::Whole, scan.now);
        self.links.get(rel).and_then(|link| link.resolved.target.clone())
    }

    fn renew(&mut self, scan: &ScanContext<'_>, directory: &Path) {
        if let Err(WatchError::Exhausted(why)) = scan.inbox.watched().renew(directory) {
            self.exhausted = Some(why);
        }
    }

    fn relink(&mut self, scan: &ScanContext<'_>, rel: &str, resolved: ResolvedPath) {
        for step in &resolved.through {
            // The top directory has many events, and its names rarely change: polling finds that.
            if step.directory.parent().is_some() {
                let claimed = scan.inbox.watched().claim(&step.directory, Some(&step.name));
                self.note_exhausted(claimed);
            }
            let through = self.resolved_through.entry(step.path()).or_default();
            through.insert(rel.into());
        }
        let link = TreeLink {
            resolved,
            target_found: None,
        };
        let before = self.links.insert(rel.into(), link);
        self.polled_changed = true;
        self.is_exchanged |= before.is_some();
        before
            .into_iter()
            .for_each(|before| self.release(scan, rel, &before.resolved));
    }

    /// Forgets that a name is a link.
    pub(super) fn unlink(&mut self, scan: &ScanContext<'_>, rel: &str) {
        if let Some(before) = self.links.remove(rel) {
            self.polled_changed = true;
            self.is_exchanged = true;
            self.release(scan, rel, &before.resolved);
        }
    }

    fn release(&mut self, scan: &ScanContext<'_>, rel: &str, resolved: &ResolvedPath) {
        for step in &resolved.through {
            if step.directory.parent().is_some() {
                scan.inbox.watched().release(&step.directory, Some(&step.name));
            }
            let path = step.path();
            let still = self
                .links
                .get(rel)
                .is_some_and(|now| now.resolved.through.contains(step));
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
