//! [`IdempotencyStore`]: carries out a request with an `Idempotency-Key` once, however often it is sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::IF_MATCH;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, rt};
use hotplate_actors::idempotency::{AnswerLimits, AnswerStore, PendingAnswer};

use super::limits::AdminLimits;
use super::problem::Problem;

/// The header that names a key.
const HEADER: &str = "idempotency-key";
/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// An answer that can be sent again.
#[derive(Debug, Clone)]
pub(super) struct StoredAnswer {
    pub(super) status: StatusCode,
    pub(super) json: Bytes,
}

/// Stores answers by key, up to a number of keys, a number of bytes, and an age.
#[derive(Debug)]
pub(super) struct IdempotencyStore {
    known: Mutex<AnswerStore<String, StoredKey>>,
    limits: AnswerLimits,
    lifetime: Duration,
}

#[derive(Debug)]
struct StoredKey {
    since: Instant,
    /// Digest of the request: a key belongs to one request.
    asked: blake3::Hash,
    answer: PendingAnswer<StoredAnswer>,
}

impl IdempotencyStore {
    pub(super) fn new(limits: &AdminLimits) -> Self {
        Self {
            known: Mutex::default(),
            limits: AnswerLimits {
                keys: limits.idempotency_keys.max(1),
                bytes: limits.idempotency_bytes,
            },
            lifetime: Duration::from_millis(limits.idempotency_ms),
        }
    }

    /// Runs a command, or returns its first answer if it was sent before with the same key. A failure is not stored. A command that has
    /// begun is finished even if the client disconnects.
    pub(super) async fn answer<F>(&self, request: &HttpRequest, body: &[u8], run: F) -> Result<StoredAnswer, Problem>
    where
        F: Future<Output = Result<StoredAnswer, Problem>> + 'static,
    {
        let Some(key) = request.headers().get(HEADER) else {
            return finish(run).await;
        };
        let key = key
            .to_str()
            .ok()
            .filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
        let key =
            key.ok_or_else(|| Problem::bad_request("an Idempotency-Key has 1 to 255 visible ASCII characters"))?;
        let mut asked = blake3::Hasher::new();
        let expected = request
            .headers()
            .get(IF_MATCH)
            .map_or(&[][..], |value| value.as_bytes());
        for part in [request.method().as_str(), request.path(), request.query_string()] {
            asked.update(part.as_bytes()).update(&[0]);
        }
        let asked = asked.update(expected).update(&[0]).update(body).finalize();
        let answer = self.find(key, asked, Instant::now())?;
        let answered = answer.get_or_try_init(|| finish(run)).await.cloned();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = |known: &StoredKey| known.answer.get().map_or(0, |answer| answer.json.len());
        known.trim(&key.to_owned(), self.limits, bytes);
        answered
    }

    /// Returns the answer of a key, which the first caller prepares.
    fn find(&self, key: &str, asked: blake3::Hash, now: Instant) -> Result<PendingAnswer<StoredAnswer>, Problem> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| now.saturating_duration_since(known.since) < self.lifetime);
        let key = key.to_owned();
        if let Some(known) = known.get(&key) {
            if known.asked != asked {
                return Err(Problem::refused("this Idempotency-Key was used for another request"));
            }
            return Ok(Arc::clone(&known.answer));
        }
        let answer = PendingAnswer::default();
        let stored = StoredKey {
            since: now,
            asked,
            answer: Arc::clone(&answer),
        };
        known.insert(key, stored, self.limits);
        Ok(answer)
    }
}

async fn finish<F>(run: F) -> Result<StoredAnswer, Problem>
where
    F: Future<Output = Result<StoredAnswer, Problem>> + 'static,
{
    rt::spawn(run).await.unwrap_or_else(|_| {
        Err(Problem::internal(
            "the request failed, and it is unknown whether it was carried out",
        ))
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[actix_web::test]
    async fn answers_without_end_are_bounded_by_their_bytes() {
        let limits = AdminLimits {
            idempotency_bytes: 250,
            ..AdminLimits::default()
        };
        let once = IdempotencyStore::new(&limits);
        let ask = async |key: &str, bytes: usize| {
            let request = TestRequest::default().insert_header((HEADER, key)).to_http_request();
            let json = Bytes::from(vec![b'x'; bytes]);
            let status = StatusCode::OK;
            let answer = once.answer(&request, b"", async move { Ok(StoredAnswer { status, json }) });
            answer.await.expect("an answer").json.len()
        };
        for (key, bytes, expected) in [
            ("a", 100, 100),
            ("b", 100, 100),
            // As it was answered the first time.
            ("a", 1, 100),
            ("b", 1, 100),
            ("c", 50, 50),
            ("a", 1, 100),
            // One byte too many: the oldest answer is forgotten, and its request is carried out again.
            ("d", 1, 1),
            ("b", 1, 100),
            ("a", 2, 2),
            // The newest stays, however large it is.
            ("e", 1_000, 1_000),
            ("e", 1, 1_000),
            ("b", 3, 3),
        ] {
            assert_eq!(ask(key, bytes).await, expected, "{key} {bytes}");
        }
    }

    #[test]
    fn keys_without_end_are_bounded_and_a_key_belongs_to_one_request() {
        let limits = AdminLimits {
            idempotency_keys: 3,
            idempotency_ms: 1_000,
            ..AdminLimits::default()
        };
        let once = IdempotencyStore::new(&limits);
        let now = Instant::now();
        let (reload, other) = (blake3::hash(b"reload"), blake3::hash(b"other"));
        let first = once.find("a", reload, now).expect("is new");
        assert!(Arc::ptr_eq(&first, &once.find("a", reload, now).expect("is known")));
        assert!(once.find("a", other, now).is_err());
        for key in ["b", "c", "d", "e"] {
            once.find(key, reload, now + Duration::from_millis(1))
                .expect("there is room");
        }
        assert_eq!(once.known.lock().expect("no panic").len(), 3);
        // The key was forgotten, first as the oldest one and by now because of its age.
        assert!(once.find("a", other, now + Duration::from_secs(2)).is_ok());
    }
}
