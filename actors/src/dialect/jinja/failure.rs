//! [`Failure`]: the reason why an operation failed, before its position in a text is known.

use std::fmt::Display;

use crate::budget::Exceeded;
use crate::dialect::body::Full;
use crate::dialect::{FormatterError, RenderError, RenderFault};

/// The result of an operation. The error is one pointer, so that a result is not larger than a value.
pub(super) type Outcome<T> = Result<T, Box<Failure>>;

/// A failure of one operation. Its position is added by the executor, which knows the expression.
#[derive(Debug)]
pub(super) enum Failure {
    /// A limit or the caller ended the render.
    Exceeded(Exceeded),
    /// An undefined value was used, with the expression that is undefined as far as it is known.
    Undefined(Box<str>),
    /// An operation does not support its operands.
    Invalid {
        fault: RenderFault,
        code: &'static str,
        message: String,
        help: Option<String>,
    },
    /// A formatter rejected its value.
    Formatter(FormatterError),
    /// A template that was rendered inside this one failed, which is explained already.
    Rendered(RenderError),
}

impl Failure {
    /// Returns the failure of an operation that does not support its operands.
    #[cold]
    pub(super) fn invalid(message: impl Display) -> Box<Self> {
        Self::coded("invalid-operation", message)
    }

    /// Returns such a failure with a code of its own.
    #[cold]
    pub(super) fn coded(code: &'static str, message: impl Display) -> Box<Self> {
        Box::new(Self::Invalid {
            fault: RenderFault::Operation,
            code,
            message: message.to_string(),
            help: None,
        })
    }

    /// Returns a failure with a reason for programs.
    #[cold]
    pub(super) fn of(fault: RenderFault, code: &'static str, message: impl Display) -> Box<Self> {
        Box::new(Self::Invalid {
            fault,
            code,
            message: message.to_string(),
            help: None,
        })
    }

    /// Adds advice.
    #[cold]
    pub(super) fn help(mut self: Box<Self>, advice: impl Into<String>) -> Box<Self> {
        if let Self::Invalid { help, .. } = &mut *self {
            *help = Some(advice.into());
        }
        self
    }
}

impl From<Exceeded> for Box<Failure> {
    #[cold]
    fn from(exceeded: Exceeded) -> Self {
        Self::new(Failure::Exceeded(exceeded))
    }
}

impl From<Full> for Box<Failure> {
    #[cold]
    fn from(full: Full) -> Self {
        Exceeded::from(full).into()
    }
}
