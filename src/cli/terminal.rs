//! [`Terminal`]: stdout or stderr, in colour if it is a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use hotplate::config::Finding;
use hotplate::diagnostic::Diagnostic;

use super::output::{Output, Stream};

/// The outcome of a change, which decides on its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Neither good nor bad.
    Plain,
    /// An error is gone.
    Good,
    /// The last good version is still served.
    Stale,
    /// There is no good version.
    Broken,
}

/// A stream for people. Each call writes whole lines and flushes them.
pub(crate) struct Terminal {
    out: Output,
    colours: bool,
}

impl Terminal {
    /// Opens stdout, for results.
    pub(crate) fn stdout() -> Self {
        Self::new(Stream::Stdout, io::stdout().is_terminal())
    }

    /// Opens stderr, for messages about results.
    pub(crate) fn stderr() -> Self {
        Self::new(Stream::Stderr, io::stderr().is_terminal())
    }

    fn new(stream: Stream, terminal: bool) -> Self {
        Self {
            out: Output::of(stream),
            colours: colours(terminal, |name| std::env::var(name).ok()),
        }
    }

    /// Returns true if text is written in colour.
    pub(crate) fn colours(&self) -> bool {
        self.colours
    }

    /// Writes one line or several.
    pub(crate) fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// Writes a line that begins with the time of day.
    pub(crate) fn headline(&mut self, time: &str, line: &str) -> io::Result<()> {
        match self.colours {
            true => self.line(format_args!("\x1b[2m{time}\x1b[0m {line}")),
            false => self.line(format_args!("{time} {line}")),
        }
    }

    /// Returns a text in the colour of an outcome.
    pub(crate) fn outcome(&self, outcome: Outcome, text: &str) -> String {
        let colour = match outcome {
            _ if !self.colours => return text.to_owned(),
            Outcome::Plain => "1",
            Outcome::Good => "1;32",
            Outcome::Stale => "1;33",
            Outcome::Broken => "1;31",
        };
        format!("\x1b[{colour}m{text}\x1b[0m")
    }

    /// Writes an error in one sentence.
    pub(crate) fn error(&mut self, message: &str) -> io::Result<()> {
        match self.colours {
            true => self.line(format_args!("\x1b[1;31merror\x1b[0m: {message}")),
            false => self.line(format_args!("error: {message}")),
        }
    }

    /// Writes a diagnostic with its line and a caret.
    pub(crate) fn diagnostic(&mut self, diagnostic: &Diagnostic) -> io::Result<()> {
        let shown = diagnostic.human(self.colours);
        self.line(shown)
    }

    /// Writes an error of the configuration with its line and a caret.
    pub(crate) fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let shown = finding.human(self.colours);
        self.line(shown)
    }
}

/// Returns true if a stream is to be coloured: as the variables of <https://no-color.org> and <https://bixense.com/clicolors> ask for,
/// otherwise if it is a terminal.
fn colours(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if set("NO_COLOR").is_some() {
        return false;
    }
    if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    let refused = set("CLICOLOR").is_some_and(|value| value == "0") || set("TERM").is_some_and(|value| value == "dumb");
    terminal && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_decide_on_colours() {
        for (terminal, variables, expected) in [
            (true, &[][..], true),
            (false, &[], false),
            (true, &[("NO_COLOR", "1")], false),
            (true, &[("NO_COLOR", "")], true),
            (true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (true, &[("CLICOLOR", "0")], false),
            (true, &[("TERM", "dumb")], false),
        ] {
            let variable = |name: &str| {
                variables
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(colours(terminal, variable), expected, "{variables:?}");
        }
    }
}
