//! [`Choice`]: the scope of a request with its reasons, and [`Refused`]: the reason why a request gets no page.

use std::fmt;
use std::net::IpAddr;

use hotplate_actors::template::Scope;

use super::why::{TenantWhy, Why};

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
    /// True if the answer is for this visitor only, so no shared cache may keep it ([`private_cache_control`](super::private_cache_control)).
    pub is_private: bool,
    /// The number of bytes at the beginning of the path that named the tenant and the stage.
    pub(super) path_bytes: usize,
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
