//! [`RequestPayload`]: the body of a request, with a deadline.

use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::{Payload, Request};
use actix_web::HttpMessage;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::rt::time::{Sleep, sleep};
use actix_web::web::Bytes;
use futures_core::Stream;

use super::EndReason;
use super::connection::Connection;

/// Gives the body of a request a deadline, after which it ends with an error.
pub(super) fn bound(request: &mut Request, within: Duration, connection: Option<&Rc<Connection>>) {
    let headers = request.headers();
    let is_sized = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if !headers.contains_key(TRANSFER_ENCODING) && !is_sized {
        return;
    }
    if let Some(connection) = connection {
        connection.set_body_unfinished(true);
    }
    let payload = request.take_payload();
    *request.payload() = Payload::Stream {
        payload: Box::pin(RequestPayload {
            payload,
            sleep: Box::pin(sleep(within)),
            connection: connection.cloned(),
        }),
    };
}

/// The body of a request, with a deadline.
struct RequestPayload {
    payload: Payload,
    sleep: Pin<Box<Sleep>>,
    connection: Option<Rc<Connection>>,
}

impl Stream for RequestPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match Pin::new(&mut self.payload).poll_next(context) {
            Poll::Pending if self.sleep.as_mut().poll(context).is_ready() => {
                if let Some(connection) = &self.connection {
                    connection.count_end(EndReason::SlowBody);
                }
                Poll::Ready(Some(Err(PayloadError::Io(ErrorKind::TimedOut.into()))))
            }
            Poll::Ready(None) => {
                if let Some(connection) = &self.connection {
                    connection.set_body_unfinished(false);
                }
                Poll::Ready(None)
            }
            other => other,
        }
    }
}
