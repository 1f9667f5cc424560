//! The root: it may be missing, exchanged, or a link that leads elsewhere now. While it is missing, its last content stays.

use super::{ScanContext, ScanReason, Tree};
use crate::loader::directory::disk::{Kind, is_gone};

impl Tree {
    /// Checks the root and what is in it.
    pub(super) fn scan_root(&mut self, scan: &ScanContext<'_>) {
        let root = self.root.clone();
        let target = self.follow(scan, "", &root);
        let there = target.and_then(|real| scan.disk.stat(&real).ok().map(|stat| (real, stat)));
        let (real, stat) = match there {
            Some((real, stat)) if stat.kind == Kind::Directory => (real, stat),
            there => {
                let reason = match (there, scan.disk.follow(&root)) {
                    (Some(_), _) => "is not a directory".to_owned(),
                    (None, Err(error)) if !is_gone(&error) => format!("cannot be read: {error}"),
                    (None, _) => "is not there".to_owned(),
                };
                self.mark_for_rescan("");
                self.polled_changed |= self.missing.is_none();
                self.missing = Some(format!("the directory {} {reason}", root.display()));
                return;
            }
        };
        if self.directory("").is_none_or(|before| before.id != stat.id) {
            self.silent.clear();
            self.pseudo.clear();
        }
        let was_missing = self.missing.take().is_some();
        self.polled_changed |= was_missing;
        // Events of what is in it could not be checked while it was missing.
        let deep = scan.deep || was_missing;
        let scan = &ScanContext { deep, ..*scan };
        self.enter(scan, "", &real, &stat, ScanReason::Found);
        // It may have been exchanged during the check, and a complete report is not corrected by a later one.
        let is_marked = scan.afresh && self.directory("").is_some_and(|root| root.needs_rescan);
        if let Some(stat) = is_marked.then(|| scan.disk.stat(&real).ok()).flatten() {
            self.enter(scan, "", &real, &stat, ScanReason::Found);
        }
        self.read_new(scan);
        self.was_there |= self.missing.is_none();
    }

    /// Returns true if the root exists. If it is not the known directory it is checked. Otherwise this costs one question to the disk.
    pub(in super::super) fn ensure_root(&mut self, scan: &ScanContext<'_>) -> bool {
        let known = self.directory("").map(|root| root.id);
        let now = scan.disk.follow(&self.root).ok();
        let same = now.is_some_and(|stat| stat.kind == Kind::Directory && Some(stat.id) == known);
        if !same || self.missing.is_some() {
            self.scan_root(scan);
        }
        self.missing.is_none()
    }

    /// Compares everything, by stamps or by every byte.
    pub(in super::super) fn reconcile(&mut self, scan: &ScanContext<'_>) {
        self.scan_root(&ScanContext { deep: true, ..*scan });
        while let Some((rel, id)) = self.queued.pop() {
            self.check(scan, &rel, ScanReason::EventOfFile(id));
        }
    }
}
