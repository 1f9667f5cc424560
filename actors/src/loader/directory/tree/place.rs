//! Checks of the directories and links on the way to a name. One rename(2) can put another directory, or a link that leads elsewhere,
//! in the place of a known one, and so exchange everything that is reached through it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{RelativePath, ScanContext, ScanReason, Tree, TreeNode, split};
use crate::loader::directory::disk::{Disk, FileId, is_gone};
use crate::loader::directory::links::resolve;
use crate::loader::directory::rules::IGNORE_FILE;

/// The code and the help of the remark about directories or links that are exchanged again and again.
const CODE: &str = "still-written";
const HELP: &str = "exchange less often, or reload once it is over";

impl Tree {
    /// Checks each directory and link that was exchanged. Costs a question to the disk for each of them.
    pub(in super::super) fn check_places(&mut self, scan: &ScanContext<'_>) {
        if self.missing.is_some() || !self.ensure_root(scan) {
            return;
        }
        let directories = self.directory_names.values().flatten();
        let places: BTreeSet<RelativePath> = self.links.keys().chain(directories).cloned().collect();
        for rel in places {
            if !self.is_in_place(scan.disk, &rel) {
                self.check(scan, &rel, ScanReason::Found);
            }
        }
    }

    /// Returns the path of the first directory or link on the way to a name that was exchanged. Skips those in `asked`, and adds those
    /// that it compared.
    pub(in super::super) fn out_of_place(
        &self,
        disk: &dyn Disk,
        rel: &str,
        asked: &mut BTreeSet<RelativePath>,
    ) -> Option<PathBuf> {
        if self.missing.is_some() {
            return None;
        }
        let ends = rel.match_indices('/').map(|(end, _)| end).chain([rel.len()]);
        let on_the_way = [""].into_iter().chain(ends.map(|end| &rel[..end]));
        for each in on_the_way {
            let is_place = self.links.contains_key(each) || self.directory(each).is_some();
            if is_place && !asked.contains(each) {
                asked.insert(each.into());
                if !self.is_in_place(disk, each) {
                    return self.path_of(each);
                }
            }
        }
        None
    }

    /// Returns true if a directory is the known one, or a link leads to what it led to.
    fn is_in_place(&self, disk: &dyn Disk, rel: &str) -> bool {
        let Some(path) = self.path_of(rel) else { return true };
        let link = self.links.get(rel);
        if link.is_some_and(|link| resolve(disk, &path, self.limits.hops) != link.resolved) {
            return false;
        }
        let known = match (link, self.nodes.get(rel)) {
            (Some(link), _) if !rel.is_empty() => link.target_found.map(|(id, _)| id),
            (_, Some(TreeNode::Directory(directory))) => Some(directory.id),
            _ => return true,
        };
        match disk.follow(&path) {
            Ok(stat) => Some(stat.id) == known,
            Err(error) => known.is_none() || !is_gone(&error),
        }
    }

    /// Returns the path of a name, with a link at its end.
    pub(super) fn path_of(&self, rel: &str) -> Option<PathBuf> {
        let (parent, name) = split(rel);
        match rel {
            "" => Some(self.root.clone()),
            _ => Some(self.directory(parent)?.real.join(name)),
        }
    }

    /// Returns true if a path is that of a directory, or of a link that names lead through.
    pub(in super::super) fn is_place(&self, path: &Path) -> bool {
        let through = self.resolved_through.get(path);
        self.directory_names.contains_key(path)
            || through.is_some_and(|rels| rels.iter().any(|rel| !self.ends_at(rel, path)))
    }

    // --- awaited names ------------------------------------------------------------------------------------------------------

    /// Notes that a name was found whose state is not known yet: the file may still be written, or may come back.
    pub(super) fn wait_for(&mut self, scan: &ScanContext<'_>, rel: &str, reason: ScanReason) {
        if reason == ScanReason::Found {
            self.unsettled.entry(rel.into()).or_insert(scan.now);
        }
    }

    /// Notes the directories that disappeared a moment ago. One that is found elsewhere was renamed.
    pub(in super::super) fn note_leaving<'p>(&mut self, gone: impl Iterator<Item = &'p Path>) {
        self.leaving.clear();
        for path in gone {
            for rel in self.directory_names.get(path).into_iter().flatten() {
                let id = self.directory(rel).map(|directory| directory.id);
                self.leaving.extend(id.map(|id| (id, RelativePath::clone(rel))));
            }
        }
    }

    /// Makes the names of a directory that was renamed wait until its former name has had its grace period, so that both are one batch.
    pub(super) fn wait_for_former_name(&mut self, scan: &ScanContext<'_>, id: FileId) {
        if let Some(former) = self.leaving.get(&id) {
            self.unsettled.entry(RelativePath::clone(former)).or_insert(scan.now);
        }
    }

    /// Returns true while the state of a name is awaited.
    pub(in super::super) fn is_unsettled(&self) -> bool {
        self.missing.is_none() && !self.unsettled.is_empty()
    }

    /// Checks the awaited names, and takes them as they are.
    pub(in super::super) fn check_unsettled(&mut self, scan: &ScanContext<'_>) {
        for (rel, since) in std::mem::take(&mut self.unsettled) {
            match split(&rel) {
                (parent, IGNORE_FILE) => self.check(scan, parent, ScanReason::Quiet),
                _ => self.check_one_unsettled(scan, &rel, since),
            }
        }
    }

    fn check_one_unsettled(&mut self, scan: &ScanContext<'_>, rel: &str, since: Instant) {
        let path = self.path_of(rel);
        let is_absent = path.is_some_and(|path| scan.disk.follow(&path).is_err_and(|error| is_gone(&error)));
        let has_had_its_grace = scan.now.saturating_duration_since(since) >= scan.grace;
        match (is_absent, has_had_its_grace) {
            (false, _) => self.check(scan, rel, ScanReason::Quiet),
            (true, true) => self.check(scan, rel, ScanReason::Lost),
            (true, false) => drop(self.unsettled.insert(rel.into(), since)),
        }
    }

    /// Notes the remark that directories or links were exchanged during each check, or forgets it.
    pub(in super::super) fn remark_exchanged(&mut self, is_exchanged: bool) {
        let place = self.root.display().to_string();
        if !is_exchanged {
            return self.remarks.forget(&place, CODE);
        }
        self.still_written += 1;
        let message =
            "directories or links are exchanged again and again, so files of two versions may be served together";
        self.remark(place, "", CODE, message.to_owned(), HELP);
    }
}
