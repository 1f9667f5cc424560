//! [`Terminal`]: stdout or stderr, in colour where a person looks at it.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use hotplate::config::Finding;
use hotplate::diagnostic::Diagnostic;

use super::output::{Output, Stream};

/// Where text for people goes. Each call writes whole lines and flushes them.
pub(crate) struct Terminal {
    out: Output,
    colours: bool,
}

impl Terminal {
    /// Results.
    pub(crate) fn stdout() -> Self {
        Self::new(Stream::Stdout, io::stdout().is_terminal())
    }

    /// Everything about them.
    pub(crate) fn stderr() -> Self {
        Self::new(Stream::Stderr, io::stderr().is_terminal())
    }

    fn new(stream: Stream, terminal: bool) -> Self {
        Self {
            out: Output::of(stream),
            colours: colours(terminal, |name| std::env::var(name).ok()),
        }
    }

    /// Whether it is in colour.
    pub(crate) fn colours(&self) -> bool {
        self.colours
    }

    /// A line, or several.
    pub(crate) fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    /// A line that stands out.
    pub(crate) fn headline(&mut self, line: &str) -> io::Result<()> {
        match self.colours {
            true => self.line(format_args!("\x1b[1m{line}\x1b[0m")),
            false => self.line(line),
        }
    }

    /// One sentence about what is wrong.
    pub(crate) fn error(&mut self, said: &str) -> io::Result<()> {
        match self.colours {
            true => self.line(format_args!("\x1b[1;31merror\x1b[0m: {said}")),
            false => self.line(format_args!("error: {said}")),
        }
    }

    /// A diagnostic with its caret.
    pub(crate) fn diagnostic(&mut self, diagnostic: &Diagnostic) -> io::Result<()> {
        let shown = diagnostic.human(self.colours);
        self.line(shown)
    }

    /// What is wrong with a configuration, with its caret.
    pub(crate) fn finding(&mut self, finding: &Finding) -> io::Result<()> {
        let shown = finding.human(self.colours);
        self.line(shown)
    }
}

/// What people say about colours by <https://no-color.org> and <https://bixense.com/clicolors>; else a terminal has them.
fn colours(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let said = |name| variable(name).filter(|value| !value.is_empty());
    if said("NO_COLOR").is_some() {
        return false;
    }
    if said("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
        return true;
    }
    let refused =
        said("CLICOLOR").is_some_and(|value| value == "0") || said("TERM").is_some_and(|value| value == "dumb");
    terminal && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_colours_gets_them() {
        for (terminal, said, expected) in [
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
                said.iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(colours(terminal, variable), expected, "{said:?}");
        }
    }
}
