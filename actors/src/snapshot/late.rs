//! [`LateFault`]: a fault that no compiler sees, and that shows when a template is rendered.
//!
//! All snapshots of an engine share what is remembered of these, so that everybody who says what is served of a template (events,
//! log, terminal, overlay, admin API) says the same. It is written by renders that failed and by the Registry, and read by
//! whoever reports; a render that succeeds does not look at it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::{Seed, Why};
use crate::diagnostic::Diagnostic;
use crate::dialect::TemplateId;
use crate::template::{Digest, TemplateName};
use crate::version::Version;

/// The answer to requests for a template whose newest text is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Serving {
    /// The closure of the entry in this version.
    LastGood(Version),
    /// The fallback page: there is no good version.
    StandIn,
    /// Nothing: the failure is returned to whoever asked for the render.
    Failure,
}

impl Serving {
    /// As it is written in JSON and in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LastGood(_) => "last-good",
            Self::StandIn => "stand-in",
            Self::Failure => "failure",
        }
    }

    /// The version that is served, if an older one is.
    #[must_use]
    pub fn since(self) -> Option<Version> {
        match self {
            Self::LastGood(since) => Some(since),
            Self::StandIn | Self::Failure => None,
        }
    }
}

/// Faults of one template that showed when it was rendered, as it is served now.
#[derive(Debug, Clone)]
pub struct LateFault {
    /// The entry that was rendered.
    pub template: TemplateName,
    /// The first version in which it failed so.
    pub version: Version,
    /// The answer to the last render that failed.
    pub serving: Serving,
    /// Each fault once, in the order in which they showed.
    pub whys: Vec<Arc<Why>>,
    /// The time of the last failure.
    pub last: Instant,
    /// Digest of the closure that failed. With another one served, all of this is over.
    pub(crate) closure: Digest,
}

/// News about a render that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// This template was not known to fail so.
    pub(crate) for_template: bool,
    /// No other template was either: a fault in a partial shows in each page that calls it.
    pub(crate) for_all: bool,
}

/// Every late fault that is remembered.
#[derive(Debug, Default)]
pub(crate) struct LateFaults {
    known: Mutex<HashMap<TemplateId, LateFault, Seed>>,
    /// Their number, so that a publish need not take the lock when there are none.
    len: AtomicUsize,
}

/// Bounds of what is remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// The limit `late_faults`.
    pub(crate) templates: usize,
    /// The limit `source_diagnostics`.
    pub(crate) each: usize,
    /// The limit `late_faults_bytes`.
    pub(crate) bytes: usize,
}

impl LateFaults {
    /// Remembers that a template failed in a render. Where there is no room for it, the one that failed longest ago is forgotten; further
    /// faults of one that alone takes all room are not remembered.
    pub(crate) fn add(&self, id: TemplateId, fault: LateFault, room: Room) -> News {
        let mut known = self.lock();
        let elsewhere = |known: &HashMap<TemplateId, LateFault, Seed>, why: &Why| {
            let mut others = known.iter().filter(|(other, _)| **other != id);
            others.any(|(_, other)| other.has(why))
        };
        let news = match known.get_mut(&id) {
            Some(before) if before.closure == fault.closure => {
                before.serving = fault.serving;
                before.last = fault.last;
                let whys = fault.whys.into_iter().filter(|why| !before.has(why));
                let mut bytes = before.bytes();
                let fits = |why: &Arc<Why>| {
                    bytes = bytes.saturating_add(bytes_of(why));
                    bytes <= room.bytes
                };
                let more = room.each.saturating_sub(before.whys.len());
                let whys: Vec<_> = whys.take(more).take_while(fits).collect();
                before.whys.extend(whys.iter().cloned());
                News {
                    for_template: !whys.is_empty(),
                    for_all: !whys.is_empty() && whys.iter().all(|why| !elsewhere(&known, why)),
                }
            }
            _ => {
                let for_all = fault.whys.iter().all(|why| !elsewhere(&known, why));
                known.insert(id, fault);
                News {
                    for_template: true,
                    for_all,
                }
            }
        };
        if news.for_template {
            let mut bytes: usize = known.values().map(LateFault::bytes).sum();
            while known.len() > room.templates || (known.len() > 1 && bytes > room.bytes) {
                let oldest = known.iter().min_by_key(|(_, fault)| fault.last).map(|(id, _)| *id);
                let Some(oldest) = oldest else { break };
                bytes -= known.remove(&oldest).map_or(0, |fault| fault.bytes());
            }
        }
        self.len.store(known.len(), Ordering::Release);
        news
    }

    /// Returns the fault of one template, if it is about this closure.
    pub(crate) fn of(&self, id: TemplateId, closure: impl FnOnce() -> Option<Digest>) -> Option<LateFault> {
        // Whoever publishes asks for each template that goes on as it was.
        if self.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        let known = self.lock().get(&id).cloned()?;
        closure().filter(|closure| *closure == known.closure).map(|_| known)
    }

    /// Returns everything, sorted by name.
    pub(crate) fn all(&self) -> Vec<(TemplateId, LateFault)> {
        if self.len.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut all: Vec<_> = self.lock().iter().map(|(id, fault)| (*id, fault.clone())).collect();
        all.sort_unstable_by(|(_, a), (_, b)| a.template.cmp(&b.template));
        all
    }

    /// Forgets those of templates of which another closure is served by now, and answers them, sorted by name.
    pub(crate) fn settle(&self, closure: impl Fn(TemplateId) -> Option<Digest>) -> Vec<LateFault> {
        // Digests are made outside of the lock.
        let over = self.all().into_iter();
        let over = over.filter(|(id, fault)| closure(*id) != Some(fault.closure));
        let over: Vec<_> = over.collect();
        if !over.is_empty() {
            let mut known = self.lock();
            for (id, fault) in &over {
                if known.get(id).is_some_and(|now| now.closure == fault.closure) {
                    known.remove(id);
                }
            }
            self.len.store(known.len(), Ordering::Release);
        }
        over.into_iter().map(|(_, fault)| fault).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TemplateId, LateFault, Seed>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what a fault takes in memory, about.
fn bytes_of(why: &Arc<Why>) -> usize {
    why.diagnostics.iter().map(Diagnostic::bytes).sum()
}

impl LateFault {
    fn bytes(&self) -> usize {
        self.whys.iter().map(bytes_of).sum()
    }

    /// All findings.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.whys.iter().flat_map(|why| why.diagnostics.iter())
    }

    /// Returns true if the first finding of this fault is the first of one that is known.
    fn has(&self, why: &Why) -> bool {
        let mut known = self.whys.iter().map(|known| known.diagnostics.first());
        known.any(|known| match (known, why.diagnostics.first()) {
            (Some(known), Some(wanted)) => known.is_same_fault(wanted),
            (known, wanted) => known.is_none() && wanted.is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    fn fault(template: &str, closure: &str, code: &'static str, last: Instant) -> LateFault {
        let why = Why {
            diagnostics: Arc::new([Diagnostic::error(code, "m")]),
            cause: name("part.html"),
        };
        LateFault {
            template: name(template),
            version: Version::NONE,
            serving: Serving::Failure,
            whys: vec![Arc::new(why)],
            last,
            closure: Digest::over([closure.as_bytes()]),
        }
    }

    const ROOM: Room = Room {
        templates: 2,
        each: 2,
        bytes: usize::MAX,
    };

    #[test]
    fn a_fault_is_news_once_for_each_template_and_once_for_all() {
        let (faults, now) = (LateFaults::default(), Instant::now());
        for (id, template, code, for_template, for_all) in [
            (1, "a.html", "x", true, true),
            (1, "a.html", "x", false, false),
            (1, "a.html", "y", true, true),
            (2, "b.html", "x", true, false),
            (2, "b.html", "x", false, false),
            // As many of each template as there is room for.
            (1, "a.html", "z", false, false),
        ] {
            let news = faults.add(TemplateId::new(id), fault(template, "1", code, now), ROOM);
            assert_eq!(news, News { for_template, for_all }, "{template} {code}");
        }
        assert_eq!(faults.of(TemplateId::new(1), || None).map(|_| ()), None);
        let known = faults.of(TemplateId::new(1), || Some(Digest::over([&b"1"[..]])));
        assert_eq!(known.expect("is known").whys.len(), 2);
    }

    #[test]
    fn what_is_said_of_faults_is_bounded_by_its_bytes() {
        let (faults, now) = (LateFaults::default(), Instant::now());
        let one = fault("a.html", "1", "x", now).bytes();
        let room = Room {
            templates: 100,
            each: 100,
            bytes: 3 * one,
        };
        let add = |id: u32, template: &str, code: &'static str| {
            let last = now + std::time::Duration::from_secs(u64::from(id));
            faults.add(TemplateId::new(id), fault(template, "1", code, last), room)
        };
        let known = || {
            let all = faults.all().into_iter();
            all.map(|(_, fault)| (fault.template.to_string(), fault.whys.len()))
                .collect::<Vec<_>>()
        };
        let of = |template: &str, whys: usize| (template.to_owned(), whys);
        add(1, "a.html", "x");
        add(2, "b.html", "x");
        add(2, "b.html", "y");
        assert_eq!(
            known(),
            [of("a.html", 1), of("b.html", 2)],
            "just as much as there is room for"
        );
        add(3, "c.html", "x");
        assert_eq!(known(), [of("b.html", 2), of("c.html", 1)]);
        for code in ["y", "z", "one too many"] {
            add(3, "c.html", code);
        }
        assert_eq!(known(), [of("c.html", 3)]);
    }

    #[test]
    fn with_another_closure_it_is_over_and_with_too_many_the_oldest_is_forgotten() {
        let (faults, now) = (LateFaults::default(), Instant::now());
        for (number, template) in ["a.html", "b.html", "c.html"].into_iter().enumerate() {
            let last = now + std::time::Duration::from_secs(number as u64);
            faults.add(TemplateId::new(number as u32), fault(template, "1", "x", last), ROOM);
        }
        let known = |faults: &LateFaults| {
            let all = faults.all();
            all.iter()
                .map(|(_, fault)| fault.template.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(known(&faults), ["b.html", "c.html"]);
        let digest = |text: &str| Some(Digest::over([text.as_bytes()]));
        let over = faults.settle(|id| digest(if id == TemplateId::new(1) { "2" } else { "1" }));
        assert_eq!((over.len(), known(&faults)), (1, vec!["c.html".to_owned()]));
        assert!(faults.settle(|_| digest("1")).is_empty());
    }
}
