//! [`Remarks`]: warnings about names below a root that are no templates, such as names that are not UTF-8, for as long as they apply.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::{RelativePath, Tree, join, split};
use crate::diagnostic::Diagnostic;

/// The code of a remark about two names that are the same name on other systems.
pub(super) const CLASH: &str = "name-clash";

/// The remarks by place, each logged once.
pub(super) struct Remarks {
    noted: BTreeMap<String, Remark>,
    most: usize,
    /// Set once there were more remarks than are kept.
    overflowed: bool,
}

struct Remark {
    directory: RelativePath,
    /// The name in that directory.
    name: OsString,
    /// The name that it clashes with.
    other: Option<OsString>,
    diagnostic: Diagnostic,
}

impl Remarks {
    /// Keeps `most` remarks.
    pub(super) fn new(most: usize) -> Self {
        Self {
            noted: BTreeMap::new(),
            most,
            overflowed: false,
        }
    }

    /// Notes a remark about a name in a directory, unless there is one about the same place.
    pub(super) fn note(
        &mut self,
        place: String,
        directory: RelativePath,
        name: OsString,
        code: &'static str,
        message: String,
        help: &str,
    ) {
        if self.noted.contains_key(&place) || self.most == 0 {
            return;
        }
        if self.noted.len() >= self.most {
            if !std::mem::replace(&mut self.overflowed, true) {
                tracing::warn!("{}", self.more());
                crate::without_subscriber::warn_without_subscriber(self.more());
            }
            return;
        }
        tracing::warn!(path = place, code, "{message}; {help}");
        crate::without_subscriber::warn_without_subscriber(format_args!("{place}: {message}; {help}"));
        let diagnostic = Diagnostic::warning(code, format!("{message}: {place}")).help(help);
        let remark = Remark {
            directory,
            name,
            other: None,
            diagnostic,
        };
        self.noted.insert(place, remark);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.noted.is_empty()
    }

    /// Returns true if there is a remark with this code.
    pub(super) fn has(&self, code: &str) -> bool {
        self.noted.values().any(|remark| remark.diagnostic.code == code)
    }

    /// Forgets the remark about a place, if it has this code.
    pub(super) fn forget(&mut self, place: &str, code: &str) {
        if self
            .noted
            .get(place)
            .is_some_and(|remark| remark.diagnostic.code == code)
        {
            self.forget_if(|found, _| found == place);
        }
    }

    /// Forgets remarks about names in a directory that do not exist any more.
    pub(super) fn keep_in(&mut self, directory: &str, is_there: impl Fn(&OsStr) -> bool) {
        self.forget_if(|_, remark| {
            *remark.directory == *directory && !remark.name.is_empty() && !is_there(&remark.name)
        });
    }

    /// Forgets the clashes of names in a directory, apart from these.
    pub(super) fn keep_clashes(&mut self, directory: &str, clashes: &[(&str, &str)]) {
        self.forget_if(|place, remark| {
            let is_other = |one: &str| remark.other.as_deref() == Some(OsStr::new(one));
            let clashes = || {
                let mut clashes = clashes.iter();
                clashes.any(|(one, name)| is_other(one) && join(directory, name) == place)
            };
            *remark.directory == *directory && remark.diagnostic.code == CLASH && !clashes()
        });
    }

    /// Notes the name with which the one at a place clashes.
    pub(super) fn note_clash(&mut self, place: &str, other: &str) {
        if let Some(remark) = self
            .noted
            .get_mut(place)
            .filter(|remark| remark.diagnostic.code == CLASH)
        {
            remark.other = Some(other.into());
        }
    }

    /// Forgets the clashes of a name in a directory.
    pub(super) fn forget_clashes(&mut self, directory: &str, name: &str) {
        let name = OsStr::new(name);
        self.forget_if(|_, remark| {
            let is_of = *remark.name == *name || remark.other.as_deref() == Some(name);
            *remark.directory == *directory && remark.diagnostic.code == CLASH && is_of
        });
    }

    /// Forgets remarks about names in a directory and below it.
    pub(super) fn forget_below(&mut self, directory: &str) {
        self.forget_if(|_, remark| {
            let rest = remark.directory.strip_prefix(directory);
            !directory.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
    }

    fn forget_if(&mut self, is_past: impl Fn(&str, &Remark) -> bool) {
        if !self.noted.is_empty() {
            self.noted.retain(|place, remark| !is_past(place, remark));
            self.overflowed &= self.noted.len() >= self.most;
        }
    }

    /// Returns all remarks.
    pub(super) fn all(&self) -> impl Iterator<Item = Diagnostic> {
        let more = self
            .overflowed
            .then(|| Diagnostic::warning("more-remarks", self.more()));
        self.noted.values().map(|remark| remark.diagnostic.clone()).chain(more)
    }

    fn more(&self) -> String {
        let most = self.most;
        format!("there are more than {most} remarks about files, the most that are kept (limit `remarks`)")
    }
}

impl Tree {
    /// Notes a remark about a name in a directory, once.
    pub(super) fn remark(&mut self, place: String, rel: &str, code: &'static str, message: String, help: &str) {
        let (directory, name) = split(rel);
        self.remarks
            .note(place, directory.into(), name.into(), code, message, help);
    }

    /// Forgets the remark that a link is left out.
    pub(super) fn forget_link_remark(&mut self, path: &Path) {
        if !self.remarks.is_empty() {
            self.remarks.forget(&path.display().to_string(), "link");
        }
    }

    pub(super) fn remark_not_utf8(&mut self, directory: &str, path: &Path) {
        let help = "rename it, for example to plain ASCII";
        let name = path.file_name().unwrap_or_default().to_owned();
        let message = "a name that is not UTF-8 is left out".to_owned();
        let place = path.display().to_string();
        self.remarks
            .note(place, directory.into(), name, "name-not-utf8", message, help);
    }

    /// Returns all remarks, and the diagnostics of directories that cannot be read.
    pub(in super::super) fn remarks(&self) -> impl Iterator<Item = Diagnostic> {
        let closed = self
            .polled
            .iter()
            .filter_map(|rel| self.directory(rel)?.unreadable.clone());
        self.remarks.all().chain(closed)
    }

    /// Notes a remark while the rules exclude every file.
    pub(in super::super) fn remark_no_match(&mut self) {
        let no_match = self.files == 0 && self.missing.is_none() && self.excluded_example.is_some();
        if std::mem::replace(&mut self.no_match, no_match) == no_match {
            return;
        }
        let place = self.root.display().to_string();
        match &self.excluded_example {
            Some(example) if no_match => {
                let message = format!("the rules exclude every file, such as `{example}`");
                let help = format!(
                    "{}; see `extensions`, `include` and `exclude` (`[files]` of hotplate.toml)",
                    self.rules.extensions_in_words()
                );
                self.remarks
                    .note(place, "".into(), "".into(), "no-match", message, &help);
            }
            _ => self.remarks.forget(&place, "no-match"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(remarks: &mut Remarks, directory: &str, name: &str, code: &'static str) {
        let place = join(directory, name);
        remarks.note(
            place,
            directory.into(),
            name.into(),
            code,
            "it is remarkable".into(),
            "rename it",
        );
    }

    fn codes(remarks: &Remarks) -> Vec<&'static str> {
        remarks.all().map(|remark| remark.code).collect()
    }

    #[test]
    fn the_limit_is_remarked_while_it_is_exceeded() {
        let mut remarks = Remarks::new(2);
        for name in ["a", "b", "a"] {
            note(&mut remarks, "x", name, "name");
        }
        assert_eq!(codes(&remarks), ["name"; 2]);
        note(&mut remarks, "x", "c", "name");
        assert_eq!(codes(&remarks), ["name", "name", "more-remarks"]);
        remarks.keep_in("x", |name| name != "a");
        assert_eq!(codes(&remarks), ["name"]);
    }

    #[test]
    fn only_ended_remarks_are_forgotten() {
        let mut remarks = Remarks::new(100);
        for (directory, name, code) in [
            ("", "a", "name"),
            ("x", "b", "name-clash"),
            ("x", "c", "name-clash"),
            ("x", "f", "name-clash"),
            ("x", "g", "name-clash"),
            ("x/y", "d", "directory"),
            ("xy", "e", "name"),
        ] {
            note(&mut remarks, directory, name, code);
        }
        for (place, other) in [("x/b", "B"), ("x/c", "C"), ("x/f", "F"), ("x/g", "G")] {
            remarks.note_clash(place, other);
        }
        remarks.keep_clashes("x", &[("B", "b"), ("Else", "c"), ("F", "f"), ("G", "g")]);
        remarks.forget_clashes("x", "f");
        remarks.forget_clashes("x", "G");
        remarks.forget_clashes("", "b");
        remarks.forget("x/y/d", "name");
        assert_eq!(codes(&remarks), ["name", "name-clash", "directory", "name"]);
        remarks.forget("x/y/d", "directory");
        remarks.forget_below("x");
        assert_eq!(codes(&remarks), ["name", "name"]);
        remarks.forget_below("");
        assert!(remarks.has("name"));
    }
}
