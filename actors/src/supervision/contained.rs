//! [`Contained`]: a future whose panics are caught.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::contain;

/// A future whose panics, in `poll` or in `Drop`, become its error.
pub(crate) struct Contained<'f, T>(Option<Pin<Box<dyn Future<Output = T> + 'f>>>);

impl<'f, T> Contained<'f, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'f) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<T> Future for Contained<'_, T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.0.as_mut() else {
            return Poll::Ready(Err("it was polled after its end".into()));
        };
        match contain(|| future.as_mut().poll(task)) {
            Ok(Poll::Pending) => Poll::Pending,
            ended => {
                // The future is dropped here, inside `catch_unwind`, because its `Drop` may panic too.
                let future = self.0.take();
                let dropped = contain(move || drop(future));
                match (ended, dropped) {
                    (Ok(Poll::Ready(ready)), Ok(())) => Poll::Ready(Ok(ready)),
                    (Err(message), _) | (_, Err(message)) => Poll::Ready(Err(message)),
                    (Ok(Poll::Pending), Ok(())) => Poll::Pending,
                }
            }
        }
    }
}

impl<T> Drop for Contained<'_, T> {
    fn drop(&mut self) {
        let future = self.0.take();
        let _ = contain(move || drop(future));
    }
}
