//! Faults of a text, as the lexer, the parser and the compiler report them.

use crate::diagnostic::Diagnostic;

use super::ast::ByteRange;

/// A fault with its position. Boxed, since results that carry one are returned from everywhere.
#[derive(Debug)]
pub(super) struct Fault(Box<Reason>);

#[derive(Debug)]
struct Reason {
    code: &'static str,
    at: ByteRange,
    message: String,
    help: Option<String>,
    ends_parsing: bool,
}

impl Fault {
    #[cold]
    pub(super) fn new(code: &'static str, at: ByteRange, message: impl Into<String>) -> Self {
        Self(Box::new(Reason {
            code,
            at,
            message: message.into(),
            help: None,
            ends_parsing: false,
        }))
    }

    /// Adds advice on how to fix it, in place of earlier advice.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Marks a fault after which the rest of the text is not looked at.
    pub(super) fn ends_parsing(mut self) -> Self {
        self.0.ends_parsing = true;
        self
    }

    pub(super) fn does_end_parsing(&self) -> bool {
        self.0.ends_parsing
    }

    pub(super) fn code(&self) -> &'static str {
        self.0.code
    }

    pub(super) fn at(&self) -> ByteRange {
        self.0.at
    }

    pub(super) fn diagnostic(self, text: &str) -> Diagnostic {
        let Reason {
            code,
            at,
            message,
            help,
            ..
        } = *self.0;
        let diagnostic = Diagnostic::error(code, message).at(text, at.range());
        match help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}
