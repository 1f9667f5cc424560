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
//!     sticky_by: StickyBy::Header, sticky_name: "x-user".into(), canary_buckets: 9_000, ..ScopeOptions::default()
//! };
//! let chooser = ScopeChooser::new(&options)?;
//! let choice = chooser.choose(&Visitor("alice"))?;
//! assert_eq!(choice.scope.stage, Stage::Canary);
//! assert_eq!(choice.to_string(), "shared pages (the request names no tenant), stage canary: \
//!     the visitor is in bucket 7823, and those below 9000 get canary");
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
mod choice;
mod counters;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hotplate_actors::judge::{BUCKETS, StageSwitch};
use hotplate_actors::template::{Scope, Stage, Tenant};

pub use bucket::bucket_of;
pub use caching::{private_cache_control, scoped_tag};
pub use choice::{Choice, Refused};
pub use client::{ForwardedBy, HOPS_MAX};
pub use counters::ScopeCounters;
pub use options::{Elsewhere, ScopeError, ScopeOptions, StickyBy, TenantFrom};
pub use request::{HeaderKey, RequestHead};
pub use stage_pin::{STAGE_PIN_KEY_BYTES_MIN, StagePin};
pub use tenants::UnknownTenant;
pub use why::{TenantWhy, Why};

use client::{Networks, ProxyTrust};
use counters::{Recorder, count};
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
        self.counters.read()
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
            Sent::One(stage) => Some(std::str::from_utf8(stage).ok().and_then(Stage::of)),
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
            let stage = Stage::of(word);
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

/// Returns true if a text can identify a visitor.
fn is_key(text: &[u8]) -> bool {
    (1..=KEY_BYTES_MAX).contains(&text.len())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
