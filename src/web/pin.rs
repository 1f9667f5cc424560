//! [`VersionPin`]: keeps the pages of one visitor on one version, by a signed cookie.

use actix_web::HttpRequest;
use actix_web::http::header::COOKIE;
use hotplate_actors::{Hotplate, Pinned, Version};

/// The name of the cookie.
const NAME: &str = "hotplate_version";
/// The shortest key, in bytes.
pub const PIN_KEY_BYTES_MIN: usize = 32;

/// Pins the pages of a flow, such as a form of several steps, to the version in which a visitor began it. So a visitor never sees a version
/// go backwards or a form change under their hands, whatever is published meanwhile.
///
/// The version is in a cookie that is signed (a keyed BLAKE3 hash over the start of the engine and the version), so a visitor can neither
/// choose a version nor reuse the cookie of another engine. A version stays available while it is in the history (the limit
/// `history_versions`); after that, and in another process, the visitor continues with the version that is served.
///
/// ```
/// use actix_web::http::header::SET_COOKIE;
/// use actix_web::{HttpRequest, HttpResponse};
/// use hotplate::Hotplate;
/// use hotplate::web::VersionPin;
///
/// async fn step(request: HttpRequest, hotplate: Hotplate, pin: VersionPin) -> HttpResponse {
///     let pinned = pin.snapshot(&request, &hotplate);
///     match pinned.render("step.html", &serde_json::json!({ "step": 2 })) {
///         Ok(page) => HttpResponse::Ok()
///             .insert_header((SET_COOKIE, pin.cookie(&hotplate, pinned.version())))
///             .content_type("text/html; charset=utf-8")
///             .body(page.body),
///         Err(_) => HttpResponse::ServiceUnavailable().finish(),
///     }
/// }
/// # let pin = VersionPin::new(&[7; 32])?;
/// # Ok::<(), hotplate::web::WeakPinKey>(())
/// ```
#[derive(Clone)]
pub struct VersionPin {
    key: [u8; 32],
    seconds: u32,
}

/// The error for a key that is too short to sign cookies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeakPinKey {
    bytes: usize,
}

impl std::fmt::Display for WeakPinKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.bytes;
        write!(
            f,
            "the key that signs version cookies has {bytes} bytes and needs {PIN_KEY_BYTES_MIN} random ones, such as those of `head -c 32 /dev/urandom`"
        )
    }
}

impl std::error::Error for WeakPinKey {}

impl VersionPin {
    /// Creates a pin with a secret key from your configuration. All processes of a service may share it.
    ///
    /// # Errors
    /// [`WeakPinKey`] if the key has fewer than [`PIN_KEY_BYTES_MIN`] bytes.
    pub fn new(key: &[u8]) -> Result<Self, WeakPinKey> {
        match key.len() < PIN_KEY_BYTES_MIN {
            true => Err(WeakPinKey { bytes: key.len() }),
            false => Ok(Self {
                key: blake3::derive_key("hotplate 2026-11-30 version cookie", key),
                seconds: 3_600,
            }),
        }
    }

    /// Sets how long a browser keeps the cookie, in seconds; by default an hour.
    #[must_use]
    pub fn seconds(mut self, seconds: u32) -> Self {
        self.seconds = seconds;
        self
    }

    /// Returns the version of the visitor, pinned; the one that is served if the request has no valid cookie, or its version is no longer
    /// kept.
    #[must_use]
    pub fn snapshot(&self, request: &HttpRequest, hotplate: &Hotplate) -> Pinned {
        let kept = self.version(request, hotplate);
        let kept = kept.and_then(|version| hotplate.snapshot_at(version).ok());
        kept.unwrap_or_else(|| hotplate.snapshot())
    }

    /// Returns the version in the cookie of a request, if the cookie is valid for this engine. The version may no longer be kept.
    #[must_use]
    pub fn version(&self, request: &HttpRequest, hotplate: &Hotplate) -> Option<Version> {
        let cookies = request
            .headers()
            .get_all(COOKIE)
            .filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|value| value.split(';'));
        let values = pairs.filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='));
        let mut versions = values.filter_map(|value| {
            let (number, signature) = value.split_once('.')?;
            let version = Version::from_number(number.parse().ok()?);
            let sent = blake3::Hash::from_hex(signature).ok()?;
            // The comparison of hashes takes constant time.
            (sent == self.sign(hotplate, version)).then_some(version)
        });
        versions.next()
    }

    /// Returns the value of a `Set-Cookie` header that pins a visitor to a version. The cookie is sent to this host only, not to scripts, and not by pages of other sites.
    #[must_use]
    pub fn cookie(&self, hotplate: &Hotplate, version: Version) -> String {
        let (signature, seconds) = (self.sign(hotplate, version).to_hex(), self.seconds);
        format!("{NAME}={version}.{signature}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax")
    }

    fn sign(&self, hotplate: &Hotplate, version: Version) -> blake3::Hash {
        // Another process counts its versions by itself, so a version belongs to one start of an engine.
        let started = hotplate.started_ms();
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher
            .update(&started.to_le_bytes())
            .update(&version.number().to_le_bytes());
        hasher.finalize()
    }
}

impl std::fmt::Debug for VersionPin {
    /// Formats the pin without its key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VersionPin")
            .field("seconds", &self.seconds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use hotplate_actors::{Limits, MemoryLoader, TemplateName};

    use super::*;

    #[test]
    fn a_flow_sees_one_version_while_it_is_kept() {
        let (loader, memory) = MemoryLoader::new();
        let name = || TemplateName::new("step.txt").expect("a name");
        memory.set(name(), "1");
        let limits = Limits {
            history_versions: 2,
            ..Limits::default()
        };
        let hotplate = Hotplate::builder()
            .loader(loader)
            .limits(limits)
            .watch(false)
            .start()
            .expect("starts");
        let pin = VersionPin::new(&[7; PIN_KEY_BYTES_MIN]).expect("long enough");
        let began = hotplate.snapshot().version();
        let pair = |pin: &VersionPin| {
            let cookie = pin.cookie(&hotplate, began);
            cookie.split(';').next().expect("a pair").to_owned()
        };
        let cookie = pair(&pin);
        let ask = |cookie: &str| {
            let request = TestRequest::default()
                .insert_header(("cookie", format!("a=b; {cookie}; c")))
                .to_http_request();
            pin.snapshot(&request, &hotplate)
                .render("step.txt", &())
                .expect("renders")
                .body
        };
        let edit = |text: &str| {
            memory.set(name(), text);
            actix_web::rt::System::new()
                .block_on(hotplate.reload())
                .expect("reloads");
        };
        edit("2");
        edit("3");
        assert_eq!((ask(&cookie).as_str(), ask("").as_str()), ("1", "3"));
        // A cookie that was changed, or signed by another key, pins nothing.
        let other = VersionPin::new(&[8; PIN_KEY_BYTES_MIN]).expect("long enough");
        let forged = pair(&other);
        for bad in [
            forged.as_str(),
            &cookie.replacen("=1.", "=2.", 1),
            &cookie[..cookie.len() - 1],
            "hotplate_version=1",
            "hotplate_version=.",
        ] {
            assert_eq!(ask(bad), "3", "{bad}");
        }
        // The version is no longer kept: the visitor goes on with the newest one.
        edit("4");
        assert_eq!(ask(&cookie), "4");
        assert_eq!(
            VersionPin::new(&[7; 31]).expect_err("too short"),
            WeakPinKey { bytes: 31 }
        );
    }
}
