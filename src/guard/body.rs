//! [`GuardedBody`]: the body of an answer, in parts.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use super::budget::{Budget, BudgetHold};
use super::connection::Connection;
use super::{UNCOUNTED_BYTES, WRITE_BYTES};

/// The body of an answer. A body that is in memory as a whole is sent in parts; otherwise actix-http would copy all of it into its write
/// buffer, for a client that may never read it.
pub(super) struct GuardedBody<B> {
    content: Content<B>,
    connection: Option<Rc<Connection>>,
    /// Its share of the budget, if the answer is counted.
    hold: Option<Arc<BudgetHold>>,
    admitted: bool,
}

enum Content<B> {
    Whole {
        length: u64,
        rest: Bytes,
    },
    /// A body that comes in parts and bounds its memory itself.
    Streamed(Pin<Box<B>>),
    Refusal(BoxBody),
}

impl<B: MessageBody> GuardedBody<B> {
    pub(super) fn new(body: B, connection: Option<Rc<Connection>>, budget: &Arc<Budget>) -> Self {
        let (mut hold, mut admitted) = (None, true);
        let content = match body.size() {
            // There is nothing to send in parts.
            BodySize::None => Content::Streamed(Box::pin(body)),
            _ => match body.try_into_bytes() {
                Ok(rest) => {
                    if rest.len() > UNCOUNTED_BYTES {
                        hold = budget.take(rest.len(), Instant::now());
                        admitted = hold.is_some();
                    }
                    let length = rest.len() as u64;
                    Content::Whole { length, rest }
                }
                Err(body) => Content::Streamed(Box::pin(body)),
            },
        };
        if let Some(connection) = &connection {
            connection.set_hold(hold.clone());
        }
        Self {
            content,
            connection,
            hold,
            admitted,
        }
    }

    /// Returns true if the budget has room for the answer.
    pub(super) fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// Replaces the body by another one.
    pub(super) fn replaced_by(mut self, refusal: BoxBody) -> Self {
        self.content = Content::Refusal(refusal);
        self
    }
}

impl<B: MessageBody> MessageBody for GuardedBody<B> {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::Whole { length, .. } => BodySize::Sized(*length),
            Content::Streamed(body) => body.size(),
            Content::Refusal(body) => body.size(),
        }
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match &mut self.get_mut().content {
            Content::Whole { rest, .. } if rest.is_empty() => Poll::Ready(None),
            Content::Whole { rest, .. } => Poll::Ready(Some(Ok(rest.split_to(rest.len().min(WRITE_BYTES))))),
            Content::Streamed(body) => body
                .as_mut()
                .poll_next(context)
                .map(|part| part.map(|part| part.map_err(Into::into))),
            Content::Refusal(body) => Pin::new(body)
                .poll_next(context)
                .map(|part| part.map(|part| part.map_err(|error| error.to_string().into()))),
        }
    }
}

impl<B> Drop for GuardedBody<B> {
    fn drop(&mut self) {
        // The budget is released here and not later, because the connection may continue with another request.
        self.hold = None;
        if let Some(connection) = &self.connection {
            connection.answered(Instant::now());
        }
    }
}
