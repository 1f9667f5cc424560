//! [`Shadow`]: a sample of the requests of stable is rendered by canary as well, off their path, and the differences are kept for people.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::normalized::normalized;
use crate::supervision::Pool;
use crate::template::TemplateName;
use crate::version::Version;

/// The lines of each side of a difference that are kept.
const LINES_MAX: usize = 20;
/// The bytes of such a line.
const LINE_BYTES_MAX: usize = 300;

/// The settings of shadow renders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShadowSettings {
    /// One in this many requests of stable is rendered by canary as well; 0 is none. The data of such a request is serialized once more.
    pub one_in: u64,
    /// Shadow renders that wait or run at once. Further ones are left out.
    pub waiting: usize,
    /// Templates whose differences are kept. Those of further ones are only counted.
    pub templates: usize,
}

impl Default for ShadowSettings {
    fn default() -> Self {
        Self {
            one_in: 0,
            waiting: 16,
            templates: 100,
        }
    }
}

/// Shadow renders: which requests they follow, and what they found.
pub(crate) struct Shadow {
    settings: ShadowSettings,
    /// One thread; `None` if there are no shadow renders.
    pool: Option<Pool>,
    requests: AtomicU64,
    in_flight: AtomicUsize,
    dropped: AtomicU64,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    compared: u64,
    differing: u64,
    failed: u64,
    templates: BTreeMap<TemplateName, ShadowDifference>,
}

/// The place of a shadow render that waits or runs.
pub(crate) struct ShadowPlace(Arc<Shadow>);

impl Drop for ShadowPlace {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The result of shadow renders since the texts of canary changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShadowReport {
    /// One in this many requests of stable is rendered by canary as well; 0 is none.
    pub one_in: u64,
    /// Pages that were compared.
    pub compared: u64,
    /// Pages that differ.
    pub differing: u64,
    /// Pages that canary could not render.
    pub failed: u64,
    /// Requests that were left out since the start, because too many shadow renders waited.
    pub dropped: u64,
    /// The differences, by template.
    pub templates: Vec<ShadowDifference>,
}

/// The last difference between stable and canary for one template, after normalization: each tag and each text is a line, white space counts
/// as one blank, and attributes are sorted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ShadowDifference {
    /// The template.
    pub template: TemplateName,
    /// Pages of the template that differed.
    pub count: u64,
    /// The version of the last one.
    pub version: Version,
    /// The number of the first line that differs, from 1.
    pub line: usize,
    /// The lines of stable from the first to the last difference; at most twenty, each cut at 300 bytes.
    pub stable: Vec<String>,
    /// The lines of canary.
    pub canary: Vec<String>,
    /// The error, if canary could not render the page.
    pub error: Option<String>,
}

impl Shadow {
    /// Starts the thread, if there are shadow renders.
    pub(crate) fn start(settings: &ShadowSettings) -> std::io::Result<Arc<Self>> {
        let pool = match settings.one_in {
            0 => None,
            _ => Some(Pool::start("hotplate-shadow", 1, settings.waiting.max(1), None)?),
        };
        Ok(Arc::new(Self {
            settings: settings.clone(),
            pool,
            requests: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            found: Mutex::default(),
        }))
    }

    /// Returns a place if a request, which stands for several, is to be followed and not too many are.
    pub(crate) fn place(self: &Arc<Self>, stands_for: u64) -> Option<ShadowPlace> {
        let one_in = self.settings.one_in;
        if one_in == 0 {
            return None;
        }
        let before = self.requests.fetch_add(stands_for, Ordering::Relaxed);
        if before / one_in == before.wrapping_add(stands_for) / one_in {
            return None;
        }
        if self.in_flight.fetch_add(1, Ordering::AcqRel) >= self.settings.waiting.max(1) {
            self.in_flight.fetch_sub(1, Ordering::AcqRel);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(ShadowPlace(Arc::clone(self)))
    }

    /// Runs a shadow render in its thread.
    pub(crate) fn run(&self, render: impl FnOnce() + Send + 'static) {
        if let Some(pool) = &self.pool {
            pool.submit(
                move || {
                    render();
                    crate::supervision::AfterJob::Continue
                },
                |_| {},
            );
        }
    }

    /// Keeps the result of a shadow render.
    pub(crate) fn compared(
        &self,
        template: &TemplateName,
        version: Version,
        stable: &str,
        canary: Result<&str, String>,
    ) {
        let difference = match canary {
            Ok(canary) => difference(stable, canary).map(|difference| (difference, None)),
            Err(error) => Some(((0, Vec::new(), Vec::new()), Some(cut(&error)))),
        };
        let mut found = self.found();
        found.compared += 1;
        let Some(((line, stable, canary), error)) = difference else {
            return;
        };
        match error {
            None => found.differing += 1,
            Some(_) => found.failed += 1,
        }
        let is_known = found.templates.contains_key(template);
        if !is_known && found.templates.len() >= self.settings.templates {
            return;
        }
        let count = found.templates.get(template).map_or(0, |known| known.count) + 1;
        let difference = ShadowDifference {
            template: template.clone(),
            count,
            version,
            line,
            stable,
            canary,
            error,
        };
        found.templates.insert(template.clone(), difference);
    }

    /// Forgets what was found, because the texts of canary changed.
    pub(crate) fn forget(&self) {
        *self.found() = Found::default();
    }

    pub(crate) fn report(&self) -> ShadowReport {
        let found = self.found();
        ShadowReport {
            one_in: self.settings.one_in,
            compared: found.compared,
            differing: found.differing,
            failed: found.failed,
            dropped: self.dropped.load(Ordering::Relaxed),
            templates: found.templates.values().cloned().collect(),
        }
    }

    /// Locks what was found. Only the thread of shadow renders, publications and queries do.
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the lines from the first to the last difference, with the number of the first.
fn difference(stable: &str, canary: &str) -> Option<(usize, Vec<String>, Vec<String>)> {
    if stable == canary {
        return None;
    }
    let (stable, canary) = (normalized(stable), normalized(canary));
    let same = stable
        .iter()
        .zip(&canary)
        .take_while(|(one, other)| one == other)
        .count();
    let (stable, canary) = (&stable[same..], &canary[same..]);
    let tail = stable.iter().rev().zip(canary.iter().rev());
    let tail = tail.take_while(|(one, other)| one == other).count();
    let (stable, canary) = (&stable[..stable.len() - tail], &canary[..canary.len() - tail]);
    if stable.is_empty() && canary.is_empty() {
        return None;
    }
    let kept = |lines: &[String]| lines.iter().take(LINES_MAX).map(|line| cut(line)).collect();
    Some((same + 1, kept(stable), kept(canary)))
}

fn cut(line: &str) -> String {
    line[..line.floor_char_boundary(LINE_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    #[test]
    fn only_what_a_visitor_sees_differs() {
        for (stable, canary, expected) in [
            ("<p>a</p>", "<p>a</p>", None),
            ("<p>a</p>", "<p>\n  a\n</p>\n", None),
            ("<p id=\"a\" class='b'>x</p>", "<p class=\"b\"  id=a>x</p>", None),
            ("<p>a b</p><i>", "<p>a c</p><i>", Some((2, vec!["a b"], vec!["a c"]))),
            (
                "<p>a</p>",
                "<p>a</p><p>b</p>",
                Some((4, vec![], vec!["<p>", "b", "</p>"])),
            ),
        ] {
            let found = difference(stable, canary);
            let expected = expected.map(|(line, stable, canary): (usize, Vec<&str>, Vec<&str>)| {
                let owned = |lines: Vec<&str>| lines.into_iter().map(str::to_owned).collect::<Vec<_>>();
                (line, owned(stable), owned(canary))
            });
            assert_eq!(found, expected, "{stable} {canary}");
        }
    }

    #[test]
    fn differences_and_renders_are_bounded() {
        let settings = ShadowSettings {
            one_in: 10,
            waiting: 2,
            templates: 1,
        };
        let shadow = Shadow::start(&settings).expect("a thread");
        assert!(shadow.place(9).is_none(), "not yet one in ten");
        let places: Vec<_> = (0..3).map(|_| shadow.place(10)).collect();
        assert_eq!(
            places.iter().map(Option::is_some).collect::<Vec<_>>(),
            [true, true, false]
        );
        drop(places);
        assert!(shadow.place(10).is_some());
        let long = "é".repeat(LINE_BYTES_MAX);
        for page in ["a", "b", "a"] {
            shadow.compared(&name(page), Version::NONE, "one", Ok(&long));
        }
        shadow.compared(&name("c"), Version::NONE, "one", Err("it fails".into()));
        let report = shadow.report();
        assert_eq!(
            (report.compared, report.differing, report.failed, report.dropped),
            (4, 3, 1, 1)
        );
        let [difference] = &report.templates[..] else {
            panic!("{report:?}")
        };
        assert_eq!((difference.count, difference.canary[0].len()), (2, LINE_BYTES_MAX));
        shadow.forget();
        assert_eq!(shadow.report().compared, 0);
    }
}
