//! Webhooks: the secret that their senders share with this listener, and the hint that each of them gives to a loader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header::HeaderMap;
use actix_web::rt;
use hmac::{Hmac, KeyInit, Mac};
use hotplate_actors::{Cause, Hotplate, Reload};
use sha2::Sha256;

use super::problem::Problem;

/// Headers with the HMAC-SHA256 of the body, as `sha256=` and hexadecimal digits: of GitHub, and of any other sender.
const SIGNATURES: [&str; 2] = ["x-hub-signature-256", "x-hotplate-signature"];
/// The header in which GitLab sends the secret itself.
const TOKEN: &str = "x-gitlab-token";

/// The secret that senders of webhooks know.
pub(super) struct HookSecret {
    key: Hmac<Sha256>,
    hash: blake3::Hash,
}

impl HookSecret {
    /// Creates a secret. Returns `None` for an empty text.
    pub(super) fn new(secret: &str) -> Option<Self> {
        let key = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        let hash = blake3::hash(secret.as_bytes());
        (!secret.is_empty()).then_some(Self { key, hash })
    }

    /// Admits a request whose headers prove that its sender knows the secret. Every comparison takes constant time.
    pub(super) fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signed = SIGNATURES.iter().find_map(|name| value(name));
        match (signed, value(TOKEN)) {
            (Some(signature), _) if self.is_signature(signature, body) => Ok(()),
            (None, Some(token)) if blake3::hash(token.as_bytes()) == self.hash => Ok(()),
            (None, None) => Err(Problem::unauthorized(
                "send the HMAC-SHA256 of the body as `X-Hub-Signature-256` or `X-Hotplate-Signature`, or the secret as `X-Gitlab-Token`",
            )),
            _ => Err(Problem::unauthorized(
                "the signature is not the right one: compare the secret of the sender with `admin.hook_secret`",
            )),
        }
    }

    fn is_signature(&self, signature: &str, body: &[u8]) -> bool {
        let digest = signature.strip_prefix("sha256=").and_then(bytes);
        let mut expected = self.key.clone();
        expected.update(body);
        digest.is_some_and(|digest| expected.verify_slice(&digest).is_ok())
    }
}

/// Returns the bytes that hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    bytes.collect()
}

/// The hints of webhooks. However many arrive, at most one reload is in flight and one is to follow, so a webhook that is sent again costs
/// nothing and changes nothing.
#[derive(Debug, Default)]
pub(super) struct HookHints {
    /// True if a hint arrived that no reload has begun after.
    is_due: AtomicBool,
    is_running: AtomicBool,
}

impl HookHints {
    /// Gives a hint. It does not wait for the result, which is in the log, the events and the metrics like that of any other change.
    pub(super) fn hint(self: &Arc<Self>, hotplate: &Hotplate, cause: Cause) {
        self.is_due.store(true, Ordering::SeqCst);
        if self.is_running.swap(true, Ordering::SeqCst) {
            return;
        }
        let (hints, hotplate) = (Arc::clone(self), hotplate.clone());
        rt::spawn(async move {
            loop {
                while hints.is_due.swap(false, Ordering::SeqCst) {
                    let reload = Reload {
                        full: false,
                        cause: cause.clone(),
                    };
                    if let Err(error) = hotplate.reloader().send(reload).await {
                        tracing::warn!(%error, "the reload after a webhook failed; the source is looked at again in its own time");
                    }
                }
                hints.is_running.store(false, Ordering::SeqCst);
                // A hint that arrived between the two is not lost.
                let more = hints.is_due.load(Ordering::SeqCst);
                if !more || hints.is_running.swap(true, Ordering::SeqCst) {
                    return;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn senders_prove_that_they_know_the_secret() {
        let secret = HookSecret::new(SECRET).expect("a secret");
        let check = |name: &'static str, value: &str, body: &[u8]| {
            let request = TestRequest::default().insert_header((name, value)).to_http_request();
            secret.check(request.headers(), body).is_ok()
        };
        let upper = SIGNATURE.to_uppercase().replace("SHA256", "sha256");
        for name in SIGNATURES {
            assert!(check(name, SIGNATURE, BODY) && check(name, &upper, BODY), "{name}");
            assert!(!check(name, SIGNATURE, b"Hello, World"), "another body");
            for wrong in [
                "",
                "sha256=",
                "sha256=7",
                "sha256=75",
                "sha1=757107ea",
                &SIGNATURE[7..],
                &SIGNATURE[..69],
                SECRET,
            ] {
                assert!(!check(name, wrong, BODY), "{wrong}");
            }
            assert!(!check(name, &SIGNATURE.replace("7571", "7572"), BODY));
        }
        assert!(check(TOKEN, SECRET, BODY) && check(TOKEN, SECRET, b""));
        for wrong in ["", "It's a Secret", SIGNATURE] {
            assert!(!check(TOKEN, wrong, BODY), "{wrong}");
        }
        assert!(!check("authorization", SECRET, BODY));
        let both = TestRequest::default()
            .insert_header((SIGNATURES[0], "sha256=00"))
            .insert_header((TOKEN, SECRET))
            .to_http_request();
        assert!(
            secret.check(both.headers(), BODY).is_err(),
            "a wrong signature is wrong"
        );
        assert!(HookSecret::new("").is_none());
    }
}
