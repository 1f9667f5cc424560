//! Choosing the scope of a request: its tenant and its stage.
//!
//! [`ScopeChooser`] decides by the host, the path, headers, cookies and the address of a request ([`RequestHead`]), with any web server. With
//! actix-web, [`Scopes`](crate::web::Scopes) is a middleware that does so. The stage comes from the first of these that names one:
//!
//! 1. the header `X-Template-Stage`, if the connection comes from a trusted proxy;
//! 2. the beginning of the path, such as `/@canary/`;
//! 3. a signed cookie ([`StagePin`]);
//! 4. the bucket of the visitor ([`bucket_of`]), of which a share gets canary;
//! 5. else it is stable.
//!
//! A stage that the judge has stopped is stable for everyone, and experimental pages are only for some networks. `docs/canaries.md` describes
//! the settings.
//!
//! ```
//! use std::net::IpAddr;
//! use hotplate::scope::{HeaderKey, RequestHead, ScopeChooser, ScopeOptions, StickyBy};
//! use hotplate::template::Stage;
//!
//! struct Visitor(&'static str);
//! impl RequestHead for Visitor {
//!     fn host(&self) -> Option<&str> { None }
//!     fn path(&self) -> &str { "/" }
//!     fn peer(&self) -> Option<IpAddr> { None }
//!     fn each_value<'h>(&'h self, name: &HeaderKey, each: &mut dyn FnMut(&'h [u8])) {
//!         if name.as_str() == "x-user" { each(self.0.as_bytes()) }
//!     }
//! }
//!
//! let options = ScopeOptions {
//!     sticky_by: StickyBy::Header, sticky_name: "x-user".into(), canary_buckets: 5_000, ..ScopeOptions::default()
//! };
//! let chooser = ScopeChooser::new(&options)?;
//! let choice = chooser.choose(&Visitor("alice"))?;
//! assert_eq!(choice.scope.stage, Stage::Canary);
//! assert_eq!(choice.to_string(), "shared pages (the request names no tenant), stage canary: \
//!     the visitor is in bucket 1036, and those below 5000 get canary");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod request;
mod options;
mod client;
mod bucket;
mod why;
mod tenants;
mod stage_pin;
mod caching;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hotplate_actors::judge::{BUCKETS, StageSwitch};
use hotplate_actors::template::{Scope, Stage, Tenant};

pub use bucket::bucket_of;
pub use caching::{private_cache_control, scoped_tag};
pub use client::{ForwardedBy, HOPS_MAX};
pub use options::{Elsewhere, ScopeError, ScopeOptions, StickyBy, TenantFrom};
pub use request::{HeaderKey, RequestHead};
pub use stage_pin::{STAGE_PIN_KEY_BYTES_MIN, StagePin};
pub use tenants::UnknownTenant;
pub use why::{TenantWhy, Why};

use client::{Networks, ProxyTrust};
use request::{Sent, cookie, sent};
use tenants::{FoundTenant, TenantLookup, TenantSource};

/// The header by which a trusted proxy asks for a stage.
pub const STAGE_HEADER: &str = "x-template-stage";
/// The longest key of a visitor, in bytes. A longer one counts as none.
pub const KEY_BYTES_MAX: usize = 256;

/// Chooses the scope of each request. All threads share one.
#[derive(Debug)]
pub struct ScopeChooser {
    tenants: TenantSource,
    lookup: Option<Lookup>,
    proxies: ProxyTrust,
    stage_header: HeaderKey,
    stage_path: Option<String>,
    cookies: HeaderKey,
    pin: Option<StagePin>,
    sticky: Sticky,
    salt: String,
    switch: Arc<StageSwitch>,
    experimental: Networks,
    elsewhere: Elsewhere,
    vary: String,
    counters: Recorder,
}

struct Lookup(TenantLookup);

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup(..)")
    }
}

/// The part of a request that identifies a visitor.
#[derive(Debug)]
enum Sticky {
    None,
    Cookie(String),
    Header(HeaderKey),
    Address,
}

/// The scope of a request, and the reasons for it. Its `Display` is the explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// The tenant and the stage.
    pub scope: Scope,
    /// The reason for the tenant.
    pub tenant_why: TenantWhy,
    /// The reason for the stage.
    pub why: Why,
    /// True if the answer is for this visitor only, so no shared cache may keep it ([`private_cache_control`]).
    pub is_private: bool,
    /// The number of bytes at the beginning of the path that named the tenant and the stage.
    path_bytes: usize,
}

impl Choice {
    /// Returns the path of the page: the path of the request without the beginning that named the tenant and the stage.
    #[must_use]
    pub fn page_path<'p>(&self, path: &'p str) -> &'p str {
        match path.get(self.path_bytes..) {
            Some(rest) if rest.starts_with('/') => rest,
            Some("") => "/",
            _ => path,
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope.tenant {
            Some(tenant) => write!(f, "tenant {}", tenant.as_str())?,
            None => f.write_str("shared pages")?,
        }
        write!(
            f,
            " ({}), stage {}: {}",
            self.tenant_why,
            self.scope.stage.as_str(),
            self.why
        )
    }
}

/// A request that gets no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// It names a tenant that does not exist: answer 404.
    UnknownTenant,
    /// It asks for experimental pages from elsewhere: answer 403.
    Forbidden(Option<IpAddr>),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTenant => f.write_str("the request names a tenant that does not exist"),
            Self::Forbidden(address) => Why::Elsewhere(*address).fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

/// The number of requests since the start for which a part of the request did not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ScopeCounters {
    /// They named a tenant that does not exist.
    pub unknown_tenants: u64,
    /// They asked for a stage that does not exist, and got stable.
    pub unknown_stages: u64,
    /// They had a stage cookie that is not valid, or no longer.
    pub invalid_pins: u64,
    /// They asked for a stage or a tenant by a header, and did not come from a trusted proxy.
    pub not_trusted: u64,
    /// They asked for experimental pages from elsewhere.
    pub elsewhere: u64,
}

/// Counts the requests of [`ScopeCounters`], which are rare: others write nothing.
#[derive(Debug, Default)]
struct Recorder {
    unknown_tenants: AtomicU64,
    unknown_stages: AtomicU64,
    invalid_pins: AtomicU64,
    not_trusted: AtomicU64,
    elsewhere: AtomicU64,
}

impl ScopeChooser {
    /// Creates a chooser.
    ///
    /// # Errors
    /// [`ScopeError`] names the setting by which no scope can be chosen, and says what to write.
    pub fn new(options: &ScopeOptions) -> Result<Self, ScopeError> {
        let networks = |field, texts: &[String]| {
            let help = "write networks such as \"10.0.0.0/8\" or \"fd00::/8\", or single addresses";
            let wrong =
                |text: String| ScopeError::new(field, format!("`{}` is not a network", text.escape_debug()), help);
            Networks::parse(texts).map_err(wrong)
        };
        let header = |field, name: &str| {
            let problem = format!("`{}` is not the name of a header", name.escape_debug());
            HeaderKey::new(name).ok_or_else(|| ScopeError::new(field, problem, "write for example \"x-user\""))
        };
        let tenants = TenantSource::new(options)?;
        let proxies = networks("trusted_proxies", &options.trusted_proxies)?;
        let stage_path = match options.stage_path.as_str() {
            "" => None,
            path => Some(tenants::prefix("stage_path", path, "write for example \"/@\"")?),
        };
        let pin = match options.pin_key.as_str() {
            "" => None,
            key => Some(StagePin::new(key.as_bytes(), options.pin_seconds).ok_or_else(|| {
                let problem = format!(
                    "a key needs {STAGE_PIN_KEY_BYTES_MIN} bytes, and this has {}",
                    key.len()
                );
                ScopeError::new(
                    "pin_key",
                    problem,
                    "write random ones, such as those of `openssl rand -hex 32`",
                )
            })?),
        };
        let sticky = match options.sticky_by {
            StickyBy::None => Sticky::None,
            StickyBy::Cookie => Sticky::Cookie(header("sticky_name", &options.sticky_name)?.as_str().to_owned()),
            StickyBy::Header => Sticky::Header(header("sticky_name", &options.sticky_name)?),
            StickyBy::Address => Sticky::Address,
        };
        if options.canary_buckets > BUCKETS {
            let problem = format!("there are {BUCKETS} buckets");
            return Err(ScopeError::new(
                "canary_buckets",
                problem,
                "write a number from 0 to 10000",
            ));
        }
        let proxies = ProxyTrust::new(proxies, options.forwarded_by);
        let proxies = proxies.ok_or_else(|| ScopeError::new("forwarded_by", "there is no such header", "remove it"))?;
        let has_proxies = !proxies.is_empty();
        let stage_header = header("stage_header", STAGE_HEADER)?;
        let cookies = header("cookie", "cookie")?;
        let uses_cookies = pin.is_some() || matches!(sticky, Sticky::Cookie(_));
        let vary = [
            has_proxies.then_some(STAGE_HEADER),
            tenants.vary(),
            uses_cookies.then_some("cookie"),
            match &sticky {
                Sticky::Header(header) => Some(header.as_str()),
                _ => None,
            },
        ];
        let vary: Vec<&str> = vary.into_iter().flatten().collect();
        Ok(Self {
            vary: vary.join(", "),
            tenants,
            lookup: None,
            proxies,
            stage_header,
            stage_path,
            cookies,
            pin,
            sticky,
            salt: options.sticky_salt.clone(),
            switch: Arc::new(StageSwitch::new(options.canary_buckets)),
            experimental: networks("experimental_networks", &options.experimental_networks)?,
            elsewhere: options.experimental_elsewhere,
            counters: Recorder::default(),
        })
    }

    /// Sets the function that finds a tenant by its id. A request for a tenant that it does not find is refused, and costs no memory. Without
    /// it each valid id is a tenant.
    #[must_use]
    pub fn tenants(mut self, find: impl Fn(&str) -> Option<Tenant> + Send + Sync + 'static) -> Self {
        self.lookup = Some(Lookup(Arc::new(find)));
        self
    }

    /// Sets the function that names the tenant of a request, in place of `tenant_from`. Answers are then private, because only the function
    /// knows by which parts of a request they vary.
    #[must_use]
    pub fn tenant_by(
        mut self,
        name: impl Fn(&dyn RequestHead) -> Result<Option<Tenant>, UnknownTenant> + Send + Sync + 'static,
    ) -> Self {
        self.tenants = TenantSource::Program(Arc::new(name));
        self
    }

    /// Sets the switch that the judge and promotions share.
    #[must_use]
    pub fn switch(mut self, switch: Arc<StageSwitch>) -> Self {
        self.switch = switch;
        self
    }

    /// Returns the switch: the share of canary, and the stages that are stopped.
    #[must_use]
    pub fn stage_switch(&self) -> &Arc<StageSwitch> {
        &self.switch
    }

    /// Returns the signer of cookies that keep a visitor at a stage, if there is a key for it.
    #[must_use]
    pub fn stage_pin(&self) -> Option<&StagePin> {
        self.pin.as_ref()
    }

    /// Returns the value of the header `Vary` for all answers whose scope was chosen: the headers that can matter. It is empty if there are
    /// none.
    #[must_use]
    pub fn vary(&self) -> &str {
        &self.vary
    }

    /// Returns the name of the cookie that identifies a visitor, if visitors are identified by a cookie and some of them get canary. A
    /// visitor without it needs one, with any unpredictable value, before a choice by chance.
    #[must_use]
    pub fn visitor_cookie(&self) -> Option<&str> {
        match &self.sticky {
            Sticky::Cookie(name) if self.switch.canary() > 0 => Some(name),
            _ => None,
        }
    }

    /// Chooses the scope of a request. It allocates nothing, except for the id of a tenant without [`tenants`](Self::tenants).
    ///
    /// # Errors
    /// [`Refused`] if the request gets no page.
    pub fn choose(&self, head: &dyn RequestHead) -> Result<Choice, Refused> {
        self.choose_at(head, None, &now_ms)
    }

    /// Returns true if a request has the cookie of [`visitor_cookie`](Self::visitor_cookie).
    #[must_use]
    pub fn has_visitor_key(&self, head: &dyn RequestHead) -> bool {
        let Sticky::Cookie(name) = &self.sticky else {
            return false;
        };
        cookie(head, &self.cookies, name).is_some_and(is_key)
    }

    /// Chooses like [`choose`](Self::choose), for a visitor without a key who gets one with the answer.
    ///
    /// # Errors
    /// [`Refused`] if the request gets no page.
    pub fn choose_with(&self, head: &dyn RequestHead, new_key: Option<&str>) -> Result<Choice, Refused> {
        self.choose_at(head, new_key, &now_ms)
    }

    /// Chooses at a time, in milliseconds since 1970, which is read only if it matters.
    fn choose_at(
        &self,
        head: &dyn RequestHead,
        new_key: Option<&str>,
        now_ms: &dyn Fn() -> u64,
    ) -> Result<Choice, Refused> {
        let is_trusted = self.proxies.is_proxy(head);
        let lookup = self.lookup.as_ref().map(|lookup| &lookup.0);
        let FoundTenant {
            tenant,
            why: tenant_why,
            path_bytes,
        } = self.tenants.find(head, is_trusted, lookup).map_err(|UnknownTenant| {
            count(&self.counters.unknown_tenants);
            Refused::UnknownTenant
        })?;
        if tenant_why == TenantWhy::NotTrusted {
            count(&self.counters.not_trusted);
        }
        let mut choice = Choice {
            scope: Scope {
                tenant,
                stage: Stage::Stable,
            },
            tenant_why,
            why: Why::Default,
            is_private: tenant_why == TenantWhy::Program,
            path_bytes,
        };
        self.wish(&mut choice, head, is_trusted, new_key, now_ms);
        self.permit(&mut choice, head)?;
        Ok(choice)
    }

    /// Returns the numbers of requests for which a part did not count.
    #[must_use]
    pub fn counters(&self) -> ScopeCounters {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ScopeCounters {
            unknown_tenants: read(&self.counters.unknown_tenants),
            unknown_stages: read(&self.counters.unknown_stages),
            invalid_pins: read(&self.counters.invalid_pins),
            not_trusted: read(&self.counters.not_trusted),
            elsewhere: read(&self.counters.elsewhere),
        }
    }

    /// Finds the stage that a request asks for.
    fn wish(
        &self,
        choice: &mut Choice,
        head: &dyn RequestHead,
        is_trusted: bool,
        new_key: Option<&str>,
        now_ms: &dyn Fn() -> u64,
    ) {
        let by_header = match sent(head, &self.stage_header) {
            Sent::Nothing => None,
            _ if !is_trusted => {
                count(&self.counters.not_trusted);
                None
            }
            Sent::One(stage) => Some(stage_of(stage)),
            Sent::Several => Some(None),
        };
        if let Some(stage) = by_header {
            return self.asked(choice, stage, Why::Header);
        }
        if let Some(prefix) = &self.stage_path
            && let Some(rest) = head.path().get(choice.path_bytes..)
            && let Some(rest) = rest.strip_prefix(prefix.as_str())
        {
            let word = rest.split('/').next().unwrap_or_default();
            let stage = stage_of(word.as_bytes());
            if stage.is_some() {
                choice.path_bytes += prefix.len() + word.len();
            }
            return self.asked(choice, stage, Why::Path);
        }
        if let Some(pin) = &self.pin
            && let Some(value) = cookie(head, &self.cookies, stage_pin::NAME)
        {
            choice.is_private = true;
            if let Some(stage) = pin.stage(value, &choice.scope, now_ms) {
                return self.asked(choice, Some(stage), Why::Pin);
            }
            count(&self.counters.invalid_pins);
        }
        self.by_chance(choice, head, new_key);
    }

    fn asked(&self, choice: &mut Choice, stage: Option<Stage>, why: Why) {
        match stage {
            Some(stage) => {
                choice.scope.stage = stage;
                choice.why = why;
            }
            None => {
                count(&self.counters.unknown_stages);
                choice.why = Why::UnknownStage;
            }
        }
    }

    /// Chooses canary for the visitors in the lowest buckets.
    fn by_chance(&self, choice: &mut Choice, head: &dyn RequestHead, new_key: Option<&str>) {
        let share = self.switch.canary();
        if share == 0 || matches!(self.sticky, Sticky::None) {
            return;
        }
        choice.is_private = true;
        let bucket_of = |key: &[u8]| is_key(key).then(|| bucket_of(&self.salt, key));
        let bucket = match &self.sticky {
            Sticky::None => None,
            Sticky::Cookie(name) => cookie(head, &self.cookies, name)
                .and_then(bucket_of)
                .or_else(|| bucket_of(new_key?.as_bytes())),
            Sticky::Header(header) => match sent(head, header) {
                Sent::One(key) => bucket_of(key),
                Sent::Nothing | Sent::Several => None,
            },
            Sticky::Address => self.proxies.client(head).and_then(|address| match address {
                IpAddr::V4(address) => bucket_of(&address.octets()),
                // A network of 64 bits is one household, in which an address changes every day (RFC 8981).
                IpAddr::V6(address) => bucket_of(&address.octets()[..8]),
            }),
        };
        match bucket {
            Some(bucket) => {
                choice.why = Why::Bucket { bucket, share };
                if bucket < share {
                    choice.scope.stage = Stage::Canary;
                }
            }
            None => choice.why = Why::NoKey,
        }
    }

    /// Replaces a stage that is stopped, or that the client may not see, by stable.
    fn permit(&self, choice: &mut Choice, head: &dyn RequestHead) -> Result<(), Refused> {
        if choice.scope.stage == Stage::Experimental {
            choice.is_private = true;
            let client = match self.experimental.is_empty() {
                true => None,
                false => self.proxies.client(head),
            };
            if !client.is_some_and(|client| self.experimental.contain(client)) {
                count(&self.counters.elsewhere);
                if self.elsewhere == Elsewhere::Forbidden {
                    return Err(Refused::Forbidden(client));
                }
                choice.scope.stage = Stage::Stable;
                choice.why = Why::Elsewhere(client);
            }
        }
        let stage = choice.scope.stage;
        if !self.switch.is_on(stage) {
            choice.scope.stage = Stage::Stable;
            choice.why = Why::Stopped(stage);
        }
        Ok(())
    }
}

/// Returns the stage of a name.
fn stage_of(name: &[u8]) -> Option<Stage> {
    let stages = [Stage::Stable, Stage::Canary, Stage::Experimental];
    stages.into_iter().find(|stage| stage.as_str().as_bytes() == name)
}

/// Returns true if a text can identify a visitor.
fn is_key(text: &[u8]) -> bool {
    (1..=KEY_BYTES_MAX).contains(&text.len())
}

fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::request::tests::TestHead;
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn options() -> ScopeOptions {
        ScopeOptions {
            trusted_proxies: vec!["10.0.0.0/8".into()],
            stage_path: "/@".into(),
            sticky_by: StickyBy::Cookie,
            canary_buckets: 500,
            experimental_networks: vec!["192.0.2.0/24".into(), "2001:db8::/32".into()],
            pin_key: KEY.into(),
            ..ScopeOptions::default()
        }
    }

    fn chooser() -> ScopeChooser {
        ScopeChooser::new(&options()).expect("valid")
    }

    /// Returns the key of a visitor in a bucket below, or not below, a share.
    fn visitor(share: u32, is_inside: bool) -> String {
        let mut keys = (0..).map(|number| format!("v{number}"));
        let found = keys.find(|key| (bucket_of("hotplate", key.as_bytes()) < share) == is_inside);
        found.expect("there are enough")
    }

    fn pinned(stage: Stage) -> String {
        let pin = StagePin::new(KEY.as_bytes(), 60).expect("long enough");
        let cookie = pin.cookie(&Scope { tenant: None, stage }, 0);
        cookie.split(';').next().expect("a pair").to_owned()
    }

    fn stage(chooser: &ScopeChooser, head: &TestHead) -> (Stage, Why) {
        let choice = chooser.choose_at(head, None, &|| 1_000).expect("a page");
        (choice.scope.stage, choice.why)
    }

    #[test]
    fn the_first_part_that_names_a_stage_decides() {
        let chooser = chooser();
        let inside = format!("hotplate_visitor={}", visitor(500, true));
        let proxy = |path: &str| TestHead::new(path, "10.0.0.1").header("x-forwarded-for", "192.0.2.7");
        let everything =
            |path: &str| proxy(path).header("cookie", &format!("{}; {inside}", pinned(Stage::Experimental)));
        let bucket = bucket_of("hotplate", visitor(500, true).as_bytes());
        for (head, expected) in [
            (
                everything("/@canary/").header(STAGE_HEADER, "stable"),
                (Stage::Stable, Why::Header),
            ),
            (everything("/@canary/x"), (Stage::Canary, Why::Path)),
            (everything("/x"), (Stage::Experimental, Why::Pin)),
            (
                proxy("/x").header("cookie", &inside),
                (Stage::Canary, Why::Bucket { bucket, share: 500 }),
            ),
            (proxy("/x"), (Stage::Stable, Why::NoKey)),
        ] {
            assert_eq!(stage(&chooser, &head), expected, "{head:?}");
        }
        assert_eq!(chooser.counters(), ScopeCounters::default());
    }

    #[test]
    fn forged_and_unknown_parts_do_not_count() {
        let outside = format!("hotplate_visitor={}", visitor(500, false));
        let bucket = Why::Bucket {
            bucket: bucket_of("hotplate", visitor(500, false).as_bytes()),
            share: 500,
        };
        let from = |peer: &str| TestHead::new("/", peer).header("cookie", &outside);
        let forged_pin = pinned(Stage::Canary).replacen("canary", "experimental", 1);
        let zero = ScopeCounters::default();
        for (head, expected, counted) in [
            (
                from("203.0.113.1").header(STAGE_HEADER, "canary"),
                bucket,
                ScopeCounters { not_trusted: 1, ..zero },
            ),
            (
                from("10.0.0.1").header(STAGE_HEADER, "wombat"),
                Why::UnknownStage,
                ScopeCounters {
                    unknown_stages: 1,
                    ..zero
                },
            ),
            (
                from("10.0.0.1").header(STAGE_HEADER, "Canary"),
                Why::UnknownStage,
                ScopeCounters {
                    unknown_stages: 1,
                    ..zero
                },
            ),
            (
                from("10.0.0.1")
                    .header(STAGE_HEADER, "canary")
                    .header(STAGE_HEADER, "stable"),
                Why::UnknownStage,
                ScopeCounters {
                    unknown_stages: 1,
                    ..zero
                },
            ),
            (
                TestHead::new("/@wombat/", "203.0.113.1"),
                Why::UnknownStage,
                ScopeCounters {
                    unknown_stages: 1,
                    ..zero
                },
            ),
            (
                TestHead::new("/@canary%2f/", "203.0.113.1"),
                Why::UnknownStage,
                ScopeCounters {
                    unknown_stages: 1,
                    ..zero
                },
            ),
            (
                TestHead::new("/", "203.0.113.1").header("cookie", &format!("{forged_pin}; {outside}")),
                bucket,
                ScopeCounters {
                    invalid_pins: 1,
                    ..zero
                },
            ),
            (
                TestHead::new("/", "203.0.113.1").header("cookie", &format!("hotplate_visitor={}", "v".repeat(10_000))),
                Why::NoKey,
                zero,
            ),
            (
                TestHead::new("/@experimental/", "203.0.113.1").header("x-forwarded-for", "192.0.2.7"),
                Why::Elsewhere("203.0.113.1".parse().ok()),
                ScopeCounters { elsewhere: 1, ..zero },
            ),
            (
                TestHead::new("/@experimental/", "10.0.0.1").header("x-forwarded-for", "192.0.2.7, 203.0.113.1"),
                Why::Elsewhere("203.0.113.1".parse().ok()),
                ScopeCounters { elsewhere: 1, ..zero },
            ),
            (
                TestHead::new("/@experimental/", "10.0.0.1").header("x-forwarded-for", "192.0.2.7, x"),
                Why::Elsewhere(None),
                ScopeCounters { elsewhere: 1, ..zero },
            ),
            (
                TestHead::new("/@experimental/", ""),
                Why::Elsewhere(None),
                ScopeCounters { elsewhere: 1, ..zero },
            ),
        ] {
            let chooser = chooser();
            assert_eq!(stage(&chooser, &head), (Stage::Stable, expected), "{head:?}");
            assert_eq!(chooser.counters(), counted, "{head:?}");
        }
    }

    #[test]
    fn experimental_pages_are_for_some_networks() {
        let chooser = chooser();
        for (peer, forwarded, expected) in [
            ("192.0.2.200", "", Stage::Experimental),
            ("::ffff:192.0.2.200", "", Stage::Experimental),
            ("2001:db8:1::2", "", Stage::Experimental),
            ("10.0.0.1", "192.0.2.1", Stage::Experimental),
            ("192.0.3.1", "", Stage::Stable),
            ("10.0.0.1", "", Stage::Stable),
        ] {
            let head = TestHead::new("/@experimental", peer).header("x-forwarded-for", forwarded);
            assert_eq!(stage(&chooser, &head).0, expected, "{peer} {forwarded}");
        }
        let strict = ScopeOptions {
            experimental_elsewhere: Elsewhere::Forbidden,
            ..options()
        };
        let strict = ScopeChooser::new(&strict).expect("valid");
        let refused = strict.choose(&TestHead::new("/@experimental", "192.0.3.1"));
        assert_eq!(refused, Err(Refused::Forbidden("192.0.3.1".parse().ok())));
        let nobody = ScopeOptions {
            experimental_networks: Vec::new(),
            ..options()
        };
        let nobody = ScopeChooser::new(&nobody).expect("valid");
        assert_eq!(
            stage(&nobody, &TestHead::new("/@experimental", "192.0.2.1")).0,
            Stage::Stable
        );
    }

    #[test]
    fn a_stopped_stage_is_stable_for_everyone() {
        let chooser = chooser();
        let heads = [
            TestHead::new("/@canary/", "203.0.113.1"),
            TestHead::new("/", "203.0.113.1").header("cookie", &pinned(Stage::Canary)),
            TestHead::new("/", "10.0.0.1").header(STAGE_HEADER, "canary"),
            TestHead::new("/", "203.0.113.1").header("cookie", &format!("hotplate_visitor={}", visitor(500, true))),
        ];
        assert!(heads.iter().all(|head| stage(&chooser, head).0 == Stage::Canary));
        chooser.stage_switch().stop(Stage::Canary);
        for head in &heads {
            assert_eq!(
                stage(&chooser, head),
                (Stage::Stable, Why::Stopped(Stage::Canary)),
                "{head:?}"
            );
        }
    }

    #[test]
    fn the_page_is_what_the_path_names_behind_its_scope() {
        let options = ScopeOptions {
            tenant_from: TenantFrom::Path,
            ..options()
        };
        let chooser = ScopeChooser::new(&options).expect("valid");
        for (path, tenant, expected) in [
            ("/", None, (Stage::Stable, "/")),
            ("/a/b", None, (Stage::Stable, "/a/b")),
            ("/@canary/a/b", None, (Stage::Canary, "/a/b")),
            ("/@canary", None, (Stage::Canary, "/")),
            ("/@stable/a", None, (Stage::Stable, "/a")),
            ("/@canaryx/a", None, (Stage::Stable, "/@canaryx/a")),
            ("/t/acme/a", Some("acme"), (Stage::Stable, "/a")),
            ("/t/acme", Some("acme"), (Stage::Stable, "/")),
            ("/t/acme/@canary/a", Some("acme"), (Stage::Canary, "/a")),
        ] {
            let choice = chooser.choose(&TestHead::new(path, "203.0.113.1")).expect("a page");
            assert_eq!(choice.scope.tenant.as_ref().map(Tenant::as_str), tenant, "{path}");
            assert_eq!((choice.scope.stage, choice.page_path(path)), expected, "{path}");
        }
        let unknown = chooser.choose(&TestHead::new("/t/Acme/a", ""));
        assert_eq!(unknown, Err(Refused::UnknownTenant));
        assert_eq!(chooser.counters().unknown_tenants, 1);
        let known = ScopeChooser::new(&options).expect("valid");
        let known = known.tenants(|id| Tenant::new(id).ok().filter(|tenant| tenant.as_str() == "acme"));
        assert!(known.choose(&TestHead::new("/t/acme/", "")).is_ok());
        assert_eq!(
            known.choose(&TestHead::new("/t/globex/", "")),
            Err(Refused::UnknownTenant)
        );
    }

    #[test]
    fn a_program_names_tenants() {
        let chooser = chooser().tenant_by(|head| match head.path() {
            "/" => Ok(None),
            path => Tenant::new(&path[1..]).map(Some).map_err(|_| UnknownTenant),
        });
        let of = |path: &str| chooser.choose(&TestHead::new(path, ""));
        let choice = of("/acme").expect("a tenant");
        assert!(choice.is_private && choice.tenant_why == TenantWhy::Program);
        assert_eq!(choice.scope.tenant.as_ref().map(Tenant::as_str), Some("acme"));
        assert!(of("/").expect("shared").scope.tenant.is_none());
        assert_eq!(of("/.."), Err(Refused::UnknownTenant));
    }

    #[test]
    fn caches_are_told_by_what_an_answer_varies() {
        let none = ScopeChooser::new(&ScopeOptions::default()).expect("valid");
        assert_eq!(none.vary(), "");
        assert!(!none.choose(&TestHead::new("/", "")).expect("a page").is_private);
        let chooser = chooser();
        assert_eq!(chooser.vary(), "x-template-stage, cookie");
        let by_user = ScopeOptions {
            tenant_from: TenantFrom::Header,
            sticky_by: StickyBy::Header,
            sticky_name: "X-User".into(),
            pin_key: String::new(),
            ..options()
        };
        let by_user = ScopeChooser::new(&by_user).expect("valid");
        assert_eq!(by_user.vary(), "x-template-stage, x-tenant, x-user");
        let is_private = |head: &TestHead| chooser.choose(head).map(|choice| choice.is_private);
        for (path, expected) in [
            ("/", true),
            ("/@canary/", false),
            ("/@stable/", false),
            ("/@experimental/", true),
        ] {
            assert_eq!(is_private(&TestHead::new(path, "")), Ok(expected), "{path}");
        }
        chooser.stage_switch().set_canary(0);
        assert_eq!(is_private(&TestHead::new("/", "")), Ok(false));
        assert_eq!(chooser.visitor_cookie(), None);
    }

    #[test]
    fn settings_by_which_nothing_can_be_chosen_are_named() {
        type Change = fn(&mut ScopeOptions);
        let changes: [(&str, Change); 6] = [
            ("trusted_proxies", |options| {
                options.trusted_proxies = vec!["proxy".into()]
            }),
            ("experimental_networks", |options| {
                options.experimental_networks = vec!["1.2.3.4/33".into()]
            }),
            ("stage_path", |options| options.stage_path = "canary".into()),
            ("pin_key", |options| options.pin_key = "short".into()),
            ("sticky_name", |options| options.sticky_name = "a b".into()),
            ("canary_buckets", |options| options.canary_buckets = BUCKETS + 1),
        ];
        for (field, change) in changes {
            let mut options = options();
            change(&mut options);
            let error = ScopeChooser::new(&options).expect_err(field);
            assert_eq!(error.field, field);
            assert!(error.to_string().contains(": write "), "{error}");
        }
    }

    proptest! {
        #[test]
        fn widening_keeps_the_visitors_of_canary(key in "[!-:<-~]{1,40}", one in 0..=BUCKETS, other in 0..=BUCKETS) {
            let chooser = chooser();
            let head = TestHead::new("/", "203.0.113.1").header("cookie", &format!("hotplate_visitor={key}"));
            let at = |share| {
                chooser.stage_switch().set_canary(share);
                stage(&chooser, &head).0 == Stage::Canary
            };
            let (narrow, wide) = (at(one.min(other)), at(one.max(other)));
            prop_assert!(wide || !narrow);
            prop_assert!(!at(0) && at(BUCKETS));
        }

        #[test]
        fn no_request_panics(
            path in "\\PC{0,40}", peer in "[0-9a-f:.]{0,20}",
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 6),
        ) {
            let mut head = TestHead::new(&path, &peer);
            let names = [STAGE_HEADER, "cookie", "x-forwarded-for", "x-tenant", "cookie", "forwarded"];
            head.headers = names.into_iter().zip(values).collect();
            let choice = chooser().choose(&head);
            prop_assert!(choice.is_ok_and(|choice| choice.scope.tenant.is_none() && path.ends_with(choice.page_path(&path))
                || choice.page_path(&path) == "/"));
        }
    }
}
