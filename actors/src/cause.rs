//! [`Cause`]: who asked for a change of what is served, and why.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// The longest name in a [`Cause`], in bytes.
pub const BY_BYTES_MAX: usize = 256;
/// The longest reason in a [`Cause`], in bytes.
pub const REASON_BYTES_MAX: usize = 1024;
/// The longest trace id in a [`Cause`], in bytes.
pub const TRACE_BYTES_MAX: usize = 128;

/// The cause of a change: a name, a reason and a trace. It appears in reports, events, the history and the log, and costs at most
/// [`BY_BYTES_MAX`], [`REASON_BYTES_MAX`] and [`TRACE_BYTES_MAX`]: a longer text is cut, and each control character becomes a blank, so that
/// a cause is one line wherever it is shown.
///
/// An edit that a loader noticed by itself is caused by that loader. Serialized it is `{by, reason, trace}`, with `null` for what is not
/// known.
///
/// ```
/// use hotplate_actors::Cause;
///
/// let cause = Cause::by("alice").reason("the prices are wrong");
/// assert_eq!(cause.to_string(), "alice: the prices are wrong");
/// assert_eq!(Cause::default().to_string(), "unknown");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Cause {
    by: Option<Arc<str>>,
    reason: Option<Arc<str>>,
    trace: Option<Arc<str>>,
}

impl Cause {
    /// Returns a cause with the name of a person or program. An empty name is none.
    #[must_use]
    pub fn by(name: &str) -> Self {
        Self {
            by: line(name, BY_BYTES_MAX),
            ..Self::default()
        }
    }

    /// Returns the cause of a change that a loader noticed.
    pub(crate) fn of_loader(loader: &str) -> Self {
        Self::by(&format!("loader {loader}"))
    }

    /// Sets the reason. An empty one is none.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = line(reason, REASON_BYTES_MAX);
        self
    }

    /// Sets the trace id of the request that asked for the change. An empty one is none.
    #[must_use]
    pub fn trace(mut self, trace: &str) -> Self {
        self.trace = line(trace, TRACE_BYTES_MAX);
        self
    }

    /// Returns the name of who asked.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.by.as_deref()
    }

    /// Returns the reason.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns the trace id.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// Returns this cause, with the name of another one if it has none.
    pub(crate) fn or_by(mut self, other: impl FnOnce() -> Self) -> Self {
        if self.by.is_none() {
            self.by = other().by;
        }
        self
    }

    /// Returns this cause, with another reason if it has none.
    pub(crate) fn or_reason(self, other: impl FnOnce() -> Option<String>) -> Self {
        match self.reason.is_none().then(other).flatten() {
            Some(reason) => self.reason(&reason),
            None => self,
        }
    }

    /// Returns the cause of a version that several batches make together: the reason of the first, and the names of all.
    pub(crate) fn of_all<'c>(causes: impl IntoIterator<Item = &'c Self>) -> Self {
        let mut causes = causes.into_iter();
        let Some(first) = causes.next() else {
            return Self::default();
        };
        let mut names: Vec<&str> = first.name().into_iter().collect();
        for cause in causes {
            let unseen = cause.name().filter(|name| !names.contains(name));
            names.extend(unseen);
        }
        match names.len() {
            0 | 1 => first.clone(),
            _ => Self {
                by: line(&names.join(", "), BY_BYTES_MAX),
                ..first.clone()
            },
        }
    }

    /// Returns the size in memory in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [&self.by, &self.reason, &self.trace].into_iter().flatten();
        size_of::<Self>() + texts.map(|text| text.len()).sum::<usize>()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or("unknown"))?;
        if let Some(reason) = self.why() {
            write!(f, ": {reason}")?;
        }
        match self.trace_id() {
            Some(trace) => write!(f, " (trace {trace})"),
            None => Ok(()),
        }
    }
}

/// Returns a text as one line of bounded length; `None` if nothing is left.
fn line(text: &str, bytes: usize) -> Option<Arc<str>> {
    let text = text.trim();
    let text = &text[..text.floor_char_boundary(bytes)];
    let line: String = text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_one_bounded_line() {
        for (given, expected) in [
            ("", None),
            (" \n", None),
            ("alice", Some("alice")),
            (" al\nice\u{1b}[31m ", Some("al ice [31m")),
        ] {
            let cause = Cause::by(given).reason(given).trace(given);
            assert_eq!(
                [cause.name(), cause.why(), cause.trace_id()],
                [expected; 3],
                "{given:?}"
            );
        }
        let long = "ü".repeat(REASON_BYTES_MAX);
        let cause = Cause::by(&long).reason(&long).trace(&long);
        let lengths = [cause.name(), cause.why(), cause.trace_id()].map(|text| text.map_or(0, str::len));
        assert_eq!(lengths, [BY_BYTES_MAX, REASON_BYTES_MAX, TRACE_BYTES_MAX]);
    }

    #[test]
    fn batches_that_become_one_version_name_every_loader() {
        let causes = ["a", "b", "a"].map(|name| Cause::by(name).reason(name));
        assert_eq!(Cause::of_all(&causes).to_string(), "a, b: a");
        assert_eq!(Cause::of_all(&causes[..1]), causes[0]);
        assert_eq!(Cause::of_all([]), Cause::default());
    }
}
