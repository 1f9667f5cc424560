//! [`Terminal`]: stdout or stderr, in colour where a person looks at it.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use hotplate::diagnostic::Diagnostic;

/// Where text for people goes. Each call writes whole lines and flushes them.
pub(crate) struct Terminal {
    out: Box<dyn Write + Send>,
    colours: bool,
}

impl Terminal {
    /// Results.
    pub(crate) fn stdout() -> Self {
        Self::new(io::stdout(), io::stdout().is_terminal())
    }

    /// Everything about them.
    pub(crate) fn stderr() -> Self {
        Self::new(io::stderr(), io::stderr().is_terminal())
    }

    /// Colours need a terminal and somebody who has not said NO_COLOR (<https://no-color.org>).
    fn new(out: impl Write + Send + 'static, terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            out: Box::new(out),
            colours: terminal && !refused,
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
}
