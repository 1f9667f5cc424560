//! [`FileChunks`]: a body that sends a file chunk by chunk; each chunk is read in a thread of the blocking pool.

use std::convert::Infallible;
use std::fs::File;
use std::future::{Future, ready};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::{self, Bytes};

/// Bytes per read, and the most that is buffered per client. A larger chunk is hardly faster and costs memory for each client.
const CHUNK_BYTES: u64 = 64 * 1024;

/// Reads up to `most` bytes from offset `at`, at most one chunk, and fewer at the end of the file.
///
/// # Errors
/// Returns the errors of seeking and reading.
pub(super) fn read(file: &mut File, at: u64, most: u64) -> io::Result<Bytes> {
    let most = most.min(CHUNK_BYTES);
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    file.seek(SeekFrom::Start(at))?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// A chunk that is being read.
type PendingChunk = Pin<Box<dyn Future<Output = io::Result<(File, Bytes)>>>>;

/// A body of bytes from a file. At most one chunk is read ahead of the client.
pub(super) struct FileChunks {
    reading: PendingChunk,
    at: u64,
    left: u64,
}

impl FileChunks {
    /// Creates a body of `length` bytes from offset `at`, whose first bytes, `first`, were read already.
    pub(super) fn new(file: File, first: Bytes, at: u64, length: u64) -> Self {
        Self {
            reading: Box::pin(ready(Ok((file, first)))),
            at,
            left: length,
        }
    }

    fn read_on(mut file: File, at: u64, left: u64) -> PendingChunk {
        let read = web::block(move || read(&mut file, at, left).map(|bytes| (file, bytes)));
        Box::pin(async move { read.await.map_err(io::Error::other).flatten() })
    }

    fn arrived(&mut self, (file, bytes): (File, Bytes)) -> io::Result<Bytes> {
        if bytes.is_empty() {
            // The announced length can no longer be met. Closing the connection early tells the client.
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "the file became shorter while it was sent",
            ));
        }
        self.at += bytes.len() as u64;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left > 0 {
            self.reading = Self::read_on(file, self.at, self.left);
        }
        Ok(bytes)
    }
}

impl MessageBody for FileChunks {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.left)
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let read = ready!(self.reading.as_mut().poll(context));
        let chunk = read.and_then(|read| self.arrived(read));
        if chunk.is_err() {
            self.left = 0;
        }
        Poll::Ready(Some(chunk))
    }
}

/// The body of an answer to `HEAD`: it has a length but no bytes.
pub(super) struct HeadBody(pub(super) u64);

impl MessageBody for HeadBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
