//! [`Unavailable`]: the reasons why a message has no answer. Everything that is sent to an actor or a pool fails in one of these ways.

use super::incident::{Fault, FaultKind};

/// A message without an answer, with what to do about it. It is the error of every call that sends messages, or a variant of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The mailbox is full: nothing was done. Try again later.
    #[error("the mailbox `{mailbox}` is full; try again later{}", limit.map(|limit| format!(", or raise {limit}")).unwrap_or_default())]
    Busy {
        /// Name of the mailbox, in health and metrics as well.
        mailbox: &'static str,
        /// The limit to raise, unless it is fixed.
        limit: Option<&'static str>,
    },
    /// The actor is down, or the engine has stopped: nothing was done.
    #[error("{0}")]
    Down(String),
    /// The actor failed meanwhile: it is unknown whether the message was handled. With an idempotency key it can be sent again.
    #[error(
        "{0}; it is unknown whether the message was handled: send it again if that does no harm, or with an idempotency key"
    )]
    Lost(String),
    /// There was no answer in time. The message may still be handled.
    #[error("{0}")]
    Timeout(Timeout),
}

/// The time limit that ended before there was an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Timeout {
    /// The deadline that the caller has set.
    #[error("the deadline of the caller has passed")]
    Deadline,
    /// The caller has cancelled the call, or no longer waits for it.
    #[error("it was cancelled by the caller")]
    Cancelled,
    /// The longest time that an answer may take.
    #[error("there was no answer within {ms} ms ({limit}); it may still be carried out")]
    Waited {
        /// The time in milliseconds.
        ms: u64,
        /// The limit to raise.
        limit: &'static str,
    },
}

impl Unavailable {
    /// Returns the answer to calls of an engine that has stopped.
    pub(crate) fn stopped() -> Self {
        Self::Down("the engine has stopped and accepts no more work; start a new one".into())
    }

    /// Returns the answer to a call that had no answer within a time.
    pub(crate) fn waited(within: std::time::Duration, limit: &'static str) -> Self {
        let ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        Self::Timeout(Timeout::Waited { ms, limit })
    }
}

impl From<Fault> for Unavailable {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::Down => Self::Down(format!("{fault}; nothing was done, and `reset` starts it again")),
            FaultKind::Panicked | FaultKind::NotStarted => Self::Lost(fault.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_says_what_to_do() {
        let fault = |kind| Fault {
            actor: "registry",
            number: 0,
            kind,
            message: "disk full".into(),
        };
        let busy = |limit| Unavailable::Busy {
            mailbox: "renders",
            limit,
        };
        let waited = Unavailable::waited(std::time::Duration::from_millis(50), "the limit `reload_ms`");
        for (unavailable, expected) in [
            (busy(Some("the limit `x`")), "try again later, or raise the limit `x`"),
            (busy(None), "the mailbox `renders` is full; try again later"),
            (
                fault(FaultKind::Down).into(),
                "disk full; nothing was done, and `reset` starts it again",
            ),
            (
                fault(FaultKind::Panicked).into(),
                "send it again if that does no harm, or with an idempotency key",
            ),
            (
                waited,
                "no answer within 50 ms (the limit `reload_ms`); it may still be carried out",
            ),
        ] {
            let text = unavailable.to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
