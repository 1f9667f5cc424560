//! [`Why`]: the reason for the choice of a stage, for `hotplate explain` and for tests.

use std::fmt;
use std::net::IpAddr;

use hotplate_actors::template::Stage;

/// The reason for the choice of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Nothing asks for another stage.
    Default,
    /// A trusted proxy asks for the stage.
    Header,
    /// The path asks for it.
    Path,
    /// A signed cookie keeps the visitor at it.
    Pin,
    /// The visitor is in one of the buckets of canary, or in none of them.
    Bucket {
        /// The bucket of the visitor.
        bucket: u32,
        /// The number of buckets that get canary.
        share: u32,
    },
    /// The visitor has no key, so no bucket either.
    NoKey,
    /// The request asks for a stage that does not exist.
    UnknownStage,
    /// The stage is stopped.
    Stopped(Stage),
    /// The address of the client is not in a network that may see experimental pages. It is not known if a proxy does not name it.
    Elsewhere(Option<IpAddr>),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("nothing asks for another stage"),
            Self::Header => f.write_str("a trusted proxy asks for it by `X-Template-Stage`"),
            Self::Path => f.write_str("the path asks for it"),
            Self::Pin => f.write_str("a signed cookie asks for it"),
            Self::Bucket { bucket, share } if bucket < share => {
                write!(
                    f,
                    "the visitor is in bucket {bucket}, and those below {share} get canary"
                )
            }
            Self::Bucket { bucket, share } => {
                write!(
                    f,
                    "the visitor is in bucket {bucket}, and only those below {share} get canary"
                )
            }
            Self::NoKey => f.write_str("the visitor has no key, so no bucket either"),
            Self::UnknownStage => f.write_str("the request asks for a stage that does not exist"),
            Self::Stopped(stage) => write!(f, "{} is stopped", stage.as_str()),
            Self::Elsewhere(Some(address)) => {
                write!(
                    f,
                    "experimental pages are not for {address}, which is in none of `experimental_networks`"
                )
            }
            Self::Elsewhere(None) => f.write_str(
                "experimental pages are for `experimental_networks`, and the address of the client is not known",
            ),
        }
    }
}

/// The part of the request that named the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TenantWhy {
    /// No part does.
    Nothing,
    /// The host name.
    Host,
    /// The path.
    Path,
    /// A header of a trusted proxy.
    Header,
    /// The header of somebody who is not trusted, which does not count.
    NotTrusted,
    /// The program.
    Program,
}

impl fmt::Display for TenantWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "the request names no tenant",
            Self::Host => "the host names it",
            Self::Path => "the path names it",
            Self::Header => "a trusted proxy names it",
            Self::NotTrusted => "the header does not come from a trusted proxy",
            Self::Program => "the program names it",
        })
    }
}
