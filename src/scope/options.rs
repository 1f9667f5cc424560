//! [`ScopeOptions`]: the settings by which the scope of a request is chosen.

use serde::{Deserialize, Serialize};

use super::client::ForwardedBy;

/// The settings by which the scope of a request is chosen. They are the section `[scopes]` of `hotplate.toml`. By default there are no
/// tenants, and everyone gets stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScopeOptions {
    /// The part of a request that names its tenant.
    pub tenant_from: TenantFrom,
    /// The domain whose subdomains are tenants, for `host`: `acme.example.com` is the tenant `acme` of `example.com`.
    pub tenant_domain: String,
    /// The beginning of paths that name a tenant, for `path`: with `/t/` the path `/t/acme/index.html` is `/index.html` of `acme`.
    pub tenant_path: String,
    /// The header that names the tenant, for `header`. It counts from trusted proxies only.
    pub tenant_header: String,
    /// The networks of the proxies whose headers count, such as `10.0.0.0/8`. Empty trusts none.
    pub trusted_proxies: Vec<String>,
    /// The header in which these proxies name their clients.
    pub forwarded_by: ForwardedBy,
    /// The beginning of paths that name a stage: with `/@` the path `/@canary/index.html` is `/index.html` of canary. Empty is none.
    pub stage_path: String,
    /// The part of a request that identifies a visitor, who then gets the same stage each time.
    pub sticky_by: StickyBy,
    /// The name of that cookie or header.
    pub sticky_name: String,
    /// A text that selects which visitors get canary first.
    pub sticky_salt: String,
    /// The number of 10,000 buckets that get canary at the start: 500 is 5 %.
    pub canary_buckets: u32,
    /// The networks whose visitors may see experimental pages. Empty is none.
    pub experimental_networks: Vec<String>,
    /// The answer to requests for experimental pages from elsewhere.
    pub experimental_elsewhere: Elsewhere,
    /// The secret that signs cookies by which a visitor stays at a stage; empty accepts no such cookies.
    pub pin_key: String,
    /// The time for which such a cookie is valid, in seconds.
    pub pin_seconds: u32,
}

impl Default for ScopeOptions {
    fn default() -> Self {
        Self {
            tenant_from: TenantFrom::default(),
            tenant_domain: String::new(),
            tenant_path: "/t/".to_owned(),
            tenant_header: "x-tenant".to_owned(),
            trusted_proxies: Vec::new(),
            forwarded_by: ForwardedBy::default(),
            stage_path: String::new(),
            sticky_by: StickyBy::default(),
            sticky_name: "hotplate_visitor".to_owned(),
            sticky_salt: "hotplate".to_owned(),
            canary_buckets: 0,
            experimental_networks: Vec::new(),
            experimental_elsewhere: Elsewhere::default(),
            pin_key: String::new(),
            pin_seconds: 86_400,
        }
    }
}

/// The part of a request that names its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TenantFrom {
    /// There are no tenants.
    #[default]
    None,
    /// The host name.
    Host,
    /// The beginning of the path.
    Path,
    /// A header of a trusted proxy.
    Header,
}

/// The part of a request that identifies a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StickyBy {
    /// Nothing: no visitor is chosen for canary by chance.
    #[default]
    None,
    /// A cookie.
    Cookie,
    /// A header.
    Header,
    /// The address of the client.
    Address,
}

/// The answer to requests for experimental pages that are not permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Elsewhere {
    /// The stable page.
    #[default]
    Stable,
    /// Status 403.
    Forbidden,
}

/// The error for settings by which no scope can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeError {
    /// The field.
    pub field: &'static str,
    /// The problem.
    pub problem: String,
    /// The text to write instead.
    pub help: &'static str,
}

impl ScopeError {
    pub(super) fn new(field: &'static str, problem: impl Into<String>, help: &'static str) -> Self {
        Self {
            field,
            problem: problem.into(),
            help,
        }
    }
}

impl std::fmt::Display for ScopeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { field, problem, help } = self;
        write!(f, "`scopes.{field}`: {problem}: {help}")
    }
}

impl std::error::Error for ScopeError {}
