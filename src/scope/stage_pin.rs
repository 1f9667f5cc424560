//! [`StagePin`]: a signed cookie that keeps a visitor at a stage.

use hotplate_actors::template::{Scope, Stage, TENANT_BYTES_MAX};

/// The name of the cookie.
pub(super) const NAME: &str = "hotplate_stage";
/// The longest text that is signed: a tenant, a stage, the end of the time, and what separates them.
const SIGNED_BYTES_MAX: usize = TENANT_BYTES_MAX + 12 + 8 + 2;
/// The hexadecimal digits of a signature.
const SIGNATURE_BYTES: usize = blake3::OUT_LEN;
/// The shortest key, in bytes.
pub const STAGE_PIN_KEY_BYTES_MIN: usize = 32;

/// Signs and checks the cookies that keep a visitor at a stage: a keyed BLAKE3 hash of 128 bits over the tenant, the stage and the end of the time. So a
/// visitor cannot choose a stage, use the cookie of another tenant or make it last longer.
#[derive(Clone)]
pub struct StagePin {
    key: [u8; 32],
    seconds: u32,
}

impl StagePin {
    /// Creates a pin from a secret of at least [`STAGE_PIN_KEY_BYTES_MIN`] bytes, whose cookies are valid for some seconds. Returns `None` for
    /// a shorter secret.
    #[must_use]
    pub fn new(secret: &[u8], seconds: u32) -> Option<Self> {
        (secret.len() >= STAGE_PIN_KEY_BYTES_MIN).then(|| Self {
            key: blake3::derive_key("hotplate 2026-11-30 stage cookie", secret),
            seconds,
        })
    }

    /// Returns the value of a `Set-Cookie` header that keeps a visitor at the stage of a scope, from a time in milliseconds since 1970.
    #[must_use]
    pub fn cookie(&self, scope: &Scope, now_ms: u64) -> String {
        let ends_s = (now_ms / 1000).saturating_add(self.seconds.into());
        let signature = self.sign(scope, ends_s);
        let signature = String::from_utf8_lossy(signature.as_bytes());
        let (stage, seconds) = (scope.stage.as_str(), self.seconds);
        format!("{NAME}={stage}.{ends_s}.{signature}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax")
    }

    /// Returns the value of a `Set-Cookie` header that removes the cookie.
    #[must_use]
    pub fn no_cookie() -> String {
        format!("{NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
    }

    /// Returns the stage in the value of a cookie, if it is valid for the tenant of a scope at a time.
    pub(super) fn stage(&self, value: &[u8], scope: &Scope, now_ms: impl FnOnce() -> u64) -> Option<Stage> {
        let value = std::str::from_utf8(value).ok().filter(|value| value.len() <= 128)?;
        let (stage, rest) = value.split_once('.')?;
        let (ends_s, signature) = rest.split_once('.')?;
        let scope = Scope {
            tenant: scope.tenant.clone(),
            stage: Stage::of(stage)?,
        };
        // One number has one form, so one cookie has one signature.
        let digits = ends_s.bytes().all(|byte| byte.is_ascii_digit());
        let ends_s = ends_s.parse().ok().filter(|_| digits)?;
        let sent: [u8; SIGNATURE_BYTES] = signature.as_bytes().try_into().ok()?;
        let sent = blake3::Hash::from_bytes(sent);
        let is_valid = sent == self.sign(&scope, ends_s) && now_ms() / 1000 < ends_s;
        is_valid.then_some(scope.stage)
    }

    /// Returns the signature in hexadecimal digits: the first 128 bits of the keyed hash. They are as many bytes as a hash has, and the comparison
    /// of hashes takes constant time.
    fn sign(&self, scope: &Scope, ends_s: u64) -> blake3::Hash {
        let tenant = scope.tenant.as_ref().map_or("", |tenant| tenant.as_str());
        let mut text = [0; SIGNED_BYTES_MAX];
        let mut length = 0;
        // No tenant and no stage has a zero byte, which keeps the parts apart.
        for part in [
            tenant.as_bytes(),
            &[0],
            scope.stage.as_str().as_bytes(),
            &[0],
            &ends_s.to_le_bytes(),
        ] {
            if let Some(free) = text.get_mut(length..length + part.len()) {
                free.copy_from_slice(part);
            }
            length += part.len();
        }
        // One call is several times as quick as a hasher with an update for each part.
        let hash = blake3::keyed_hash(&self.key, &text[..length.min(SIGNED_BYTES_MAX)]);
        let digits = hash.to_hex();
        let mut signature = [0; SIGNATURE_BYTES];
        signature
            .iter_mut()
            .zip(digits.bytes())
            .for_each(|(to, digit)| *to = digit);
        blake3::Hash::from_bytes(signature)
    }
}

impl std::fmt::Debug for StagePin {
    /// Formats the pin without its key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StagePin")
            .field("seconds", &self.seconds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use hotplate_actors::template::Tenant;

    use super::*;

    #[test]
    fn only_what_was_signed_is_a_stage() {
        assert!(StagePin::new(&[7; STAGE_PIN_KEY_BYTES_MIN - 1], 60).is_none());
        let pin = StagePin::new(&[7; STAGE_PIN_KEY_BYTES_MIN], 60).expect("long enough");
        let other = StagePin::new(&[8; STAGE_PIN_KEY_BYTES_MIN], 60).expect("long enough");
        let scope = |tenant: &str, stage| Scope {
            tenant: Tenant::new(tenant).ok(),
            stage,
        };
        let value = |pin: &StagePin, scope: &Scope| {
            let cookie = pin.cookie(scope, 5_000);
            let pair = cookie.split(';').next().expect("a pair").to_owned();
            pair.strip_prefix("hotplate_stage=").expect("its name").to_owned()
        };
        let (acme, shared) = (scope("acme", Stage::Canary), scope("", Stage::Experimental));
        let read = |value: &str, scope: &Scope, ms| pin.stage(value.as_bytes(), scope, || ms);
        let cookie = value(&pin, &acme);
        assert_eq!(read(&cookie, &acme, 64_999), Some(Stage::Canary));
        assert_eq!(read(&cookie, &acme, 65_000), None, "its time is over");
        assert_eq!(read(&cookie, &shared, 5_000), None, "it is of another tenant");
        assert_eq!(read(&value(&pin, &shared), &shared, 5_000), Some(Stage::Experimental));
        let forged = [
            value(&other, &acme),
            cookie.replacen("canary", "experimental", 1),
            cookie.replacen(".65.", ".66.", 1),
            cookie.replacen(".65.", ".+65.", 1),
            cookie.replacen(".65.", ".065.", 1),
            cookie.to_uppercase(),
            cookie
                .rsplit_once('.')
                .map(|(rest, signature)| format!("{rest}.{}", signature.to_uppercase()))
                .expect("a signature"),
            cookie[..cookie.len() - 1].to_owned(),
            format!("{cookie}0"),
            "canary".into(),
            "canary..".into(),
            "\0".into(),
            "x".repeat(10_000),
        ];
        for forged in forged {
            let is_same = forged == cookie.replacen(".65.", ".065.", 1);
            // A leading zero is the same number, which was signed.
            assert_eq!(
                read(&forged, &acme, 5_000),
                is_same.then_some(Stage::Canary),
                "{forged}"
            );
        }
    }
}
