//! [`TenantSource`]: finds the tenant that a request names.

use std::sync::Arc;

use hotplate_actors::template::{TENANT_BYTES_MAX, Tenant};

use super::options::{ScopeError, ScopeOptions, TenantFrom};
use super::request::{HeaderKey, RequestHead, Sent, sent};
use super::why::TenantWhy;

/// Finds the tenant of an id, or none if there is no such tenant.
pub(super) type TenantLookup = Arc<dyn Fn(&str) -> Option<Tenant> + Send + Sync>;
/// Names the tenant of a request, or none for the shared pages.
///
/// # Errors
/// [`UnknownTenant`] if the request names a tenant that does not exist.
pub(super) type TenantClosure = Arc<dyn Fn(&dyn RequestHead) -> Result<Option<Tenant>, UnknownTenant> + Send + Sync>;

/// The error for a request that names a tenant that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownTenant;

/// The part of a request that names its tenant.
pub(super) enum TenantSource {
    None,
    /// The domain with a dot before it, in lower case.
    Host(String),
    /// The beginning of the path, with a slash at its end.
    Path(String),
    Header(HeaderKey),
    Program(TenantClosure),
}

/// The tenant that was found, the reason, and how many bytes of the path named it.
pub(super) struct FoundTenant {
    pub(super) tenant: Option<Tenant>,
    pub(super) why: TenantWhy,
    pub(super) path_bytes: usize,
}

impl TenantSource {
    pub(super) fn new(options: &ScopeOptions) -> Result<Self, ScopeError> {
        Ok(match options.tenant_from {
            TenantFrom::None => Self::None,
            TenantFrom::Host => {
                let domain = options.tenant_domain.trim_matches('.').to_ascii_lowercase();
                let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
                if domain.is_empty() || !domain.bytes().all(is_name) {
                    let problem = format!("`{}` is not a domain", options.tenant_domain.escape_debug());
                    return Err(ScopeError::new(
                        "tenant_domain",
                        problem,
                        "write the domain whose subdomains are tenants, such as \"example.com\"",
                    ));
                }
                Self::Host(format!(".{domain}"))
            }
            TenantFrom::Path => {
                let help = "write for example \"/t/\"";
                let path = prefix("tenant_path", &options.tenant_path, help)?;
                if !path.ends_with('/') {
                    let problem = format!("`{path}` does not end with a slash, so other pages could begin with it");
                    return Err(ScopeError::new("tenant_path", problem, help));
                }
                Self::Path(path)
            }
            TenantFrom::Header => {
                let header = HeaderKey::new(&options.tenant_header).ok_or_else(|| {
                    let problem = format!("`{}` is not the name of a header", options.tenant_header.escape_debug());
                    ScopeError::new("tenant_header", problem, "write for example \"x-tenant\"")
                })?;
                if options.trusted_proxies.is_empty() {
                    return Err(ScopeError::new(
                        "tenant_from",
                        "any visitor could send the header that names the tenant",
                        "set `trusted_proxies` to the networks of the proxies that set it",
                    ));
                }
                Self::Header(header)
            }
        })
    }

    /// Returns the header by which answers vary.
    pub(super) fn vary(&self) -> Option<&str> {
        match self {
            Self::Header(header) => Some(header.as_str()),
            _ => None,
        }
    }

    /// Finds the tenant of a request.
    ///
    /// # Errors
    /// The request names a tenant that does not exist, or in a form that no tenant has.
    pub(super) fn find(
        &self,
        head: &dyn RequestHead,
        is_trusted: bool,
        lookup: Option<&TenantLookup>,
    ) -> Result<FoundTenant, UnknownTenant> {
        let of = |id: &str| match lookup {
            Some(lookup) => lookup(id).ok_or(UnknownTenant),
            None => Tenant::new(id).map_err(|_| UnknownTenant),
        };
        let found = |tenant, why, path_bytes| {
            Ok(FoundTenant {
                tenant,
                why,
                path_bytes,
            })
        };
        let nothing = || found(None, TenantWhy::Nothing, 0);
        match self {
            Self::None => nothing(),
            Self::Host(domain) => {
                let Some(label) = head.host().and_then(|host| subdomain(host, domain)) else {
                    return nothing();
                };
                // Names of hosts have no case, ids of tenants are in lower case.
                let mut lower = [0; TENANT_BYTES_MAX];
                let lower = lower.get_mut(..label.len()).ok_or(UnknownTenant)?;
                lower.copy_from_slice(label.as_bytes());
                lower.make_ascii_lowercase();
                let id = std::str::from_utf8(lower).map_err(|_| UnknownTenant)?;
                found(Some(of(id)?), TenantWhy::Host, 0)
            }
            Self::Path(prefix) => {
                let Some(rest) = head.path().strip_prefix(prefix.as_str()) else {
                    return nothing();
                };
                let id = rest.split('/').next().unwrap_or_default();
                let tenant = of(bounded(id)?)?;
                found(Some(tenant), TenantWhy::Path, prefix.len() + id.len())
            }
            Self::Header(header) => match sent(head, header) {
                Sent::Nothing => nothing(),
                _ if !is_trusted => found(None, TenantWhy::NotTrusted, 0),
                Sent::One(id) => {
                    let id = std::str::from_utf8(id).map_err(|_| UnknownTenant)?;
                    found(Some(of(bounded(id)?)?), TenantWhy::Header, 0)
                }
                Sent::Several => Err(UnknownTenant),
            },
            Self::Program(program) => found(program(head)?, TenantWhy::Program, 0),
        }
    }
}

impl std::fmt::Debug for TenantSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Host(_) => "Host",
            Self::Path(_) => "Path",
            Self::Header(_) => "Header",
            Self::Program(_) => "Program",
        })
    }
}

/// Refuses a text that is longer than any id, before anybody looks it up.
fn bounded(id: &str) -> Result<&str, UnknownTenant> {
    match id.len() <= TENANT_BYTES_MAX {
        true => Ok(id),
        false => Err(UnknownTenant),
    }
}

/// Returns the part of a host before a domain, which begins with a dot. A host that is not below the domain has none.
fn subdomain<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    // An IPv6 address has no domain.
    let name = host.split(':').next()?;
    let name = name.strip_suffix('.').unwrap_or(name);
    let (label, end) = name.split_at_checked(name.len().checked_sub(domain.len())?)?;
    end.eq_ignore_ascii_case(domain).then_some(label)
}

/// Checks the beginning of paths.
pub(super) fn prefix(field: &'static str, text: &str, help: &'static str) -> Result<String, ScopeError> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'?' | b'#');
    match text.starts_with('/') && text.len() > 1 && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => {
            let problem = format!("`{}` is not the beginning of a path", text.escape_debug());
            Err(ScopeError::new(field, problem, help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::TestHead;
    use super::*;

    fn source(change: impl FnOnce(&mut ScopeOptions)) -> Result<TenantSource, ScopeError> {
        let mut options = ScopeOptions::default();
        change(&mut options);
        TenantSource::new(&options)
    }

    fn find(source: &TenantSource, head: &TestHead, is_trusted: bool) -> Result<Option<String>, UnknownTenant> {
        let found = source.find(head, is_trusted, None)?;
        Ok(found.tenant.map(|tenant| tenant.as_str().to_owned()))
    }

    /// Texts that are no ids of tenants. Each has to be refused wherever it is sent, and not to mean the shared pages.
    fn no_ids() -> Vec<String> {
        let texts = [
            "..",
            ".",
            "",
            "a/b",
            "..%2facme",
            "a\\b",
            "a\0",
            "\0",
            "Acme",
            "ACME",
            "acme ",
            " acme",
            "acmé",
            "acme\u{301}",
            "ａｃｍｅ",
            "acme@canary",
            "acme.",
            "-acme",
            "_acme",
            "a%63me",
        ];
        let long = ["a".repeat(65), "a".repeat(10_000)];
        texts.into_iter().map(str::to_owned).chain(long).collect()
    }

    #[test]
    fn hosts_name_tenants() {
        let source = source(|options| {
            options.tenant_from = TenantFrom::Host;
            options.tenant_domain = "Example.com".into();
        })
        .expect("valid");
        for (host, expected) in [
            ("acme.example.com", Ok(Some("acme"))),
            ("ACME.Example.COM:8080", Ok(Some("acme"))),
            ("acme.example.com.", Ok(Some("acme"))),
            ("example.com", Ok(None)),
            ("notexample.com", Ok(None)),
            ("acme.example.com.evil.test", Ok(None)),
            ("127.0.0.1:80", Ok(None)),
            ("[::1]:80", Ok(None)),
            ("", Ok(None)),
            (".example.com", Err(UnknownTenant)),
            ("a.b.example.com", Err(UnknownTenant)),
            ("-a.example.com", Err(UnknownTenant)),
            ("é.example.com", Err(UnknownTenant)),
            ("../x.example.com", Err(UnknownTenant)),
        ] {
            let head = TestHead {
                host,
                ..TestHead::default()
            };
            let found = find(&source, &head, false);
            assert_eq!(
                found.as_ref().map(Option::as_deref),
                expected.as_ref().copied(),
                "{host}"
            );
        }
        for id in no_ids().into_iter().filter(|id| !id.eq_ignore_ascii_case("acme")) {
            let host = Box::leak(format!("{id}.example.com").into_boxed_str());
            let head = TestHead {
                host,
                ..TestHead::default()
            };
            assert_eq!(find(&source, &head, false), Err(UnknownTenant), "{id:?}");
        }
    }

    #[test]
    fn paths_name_tenants() {
        let source = source(|options| options.tenant_from = TenantFrom::Path).expect("valid");
        for (path, expected) in [
            ("/t/acme/index.html", Ok(Some(("acme", "/index.html")))),
            ("/t/acme", Ok(Some(("acme", "")))),
            ("/t/acme/", Ok(Some(("acme", "/")))),
            ("/t", Ok(None)),
            ("/tt/acme", Ok(None)),
            ("/T/acme", Ok(None)),
            ("/t//acme", Err(UnknownTenant)),
        ] {
            let head = TestHead::new(path, "");
            let found = source.find(&head, false, None).map(|found| {
                let tenant = found.tenant.map(|tenant| tenant.as_str().to_owned());
                tenant.map(|tenant| (tenant, path[found.path_bytes..].to_owned()))
            });
            let expected = expected
                .map(|found: Option<(&str, &str)>| found.map(|(tenant, rest)| (tenant.to_owned(), rest.to_owned())));
            assert_eq!(found, expected, "{path}");
        }
        for id in no_ids().into_iter().filter(|id| !id.contains('/')) {
            let head = TestHead::new(&format!("/t/{id}/x"), "");
            assert_eq!(find(&source, &head, false), Err(UnknownTenant), "{id:?}");
        }
    }

    #[test]
    fn headers_of_trusted_proxies_name_tenants() {
        let source = source(|options| {
            options.tenant_from = TenantFrom::Header;
            options.trusted_proxies = vec!["10.0.0.0/8".into()];
        })
        .expect("valid");
        let sent = |ids: &[&str]| {
            let head = TestHead::default();
            ids.iter().fold(head, |head, id| head.header("x-tenant", id))
        };
        assert_eq!(find(&source, &sent(&["acme"]), true), Ok(Some("acme".into())));
        assert_eq!(find(&source, &sent(&["acme"]), false), Ok(None), "it is forged");
        assert_eq!(find(&source, &sent(&[]), true), Ok(None));
        assert_eq!(find(&source, &sent(&["acme", "globex"]), true), Err(UnknownTenant));
        for id in no_ids() {
            assert_eq!(find(&source, &sent(&[&id]), true), Err(UnknownTenant), "{id:?}");
        }
    }

    #[test]
    fn settings_that_name_nobody_are_refused() {
        let no_domain = source(|options| options.tenant_from = TenantFrom::Host);
        assert_eq!(no_domain.expect_err("no domain").field, "tenant_domain");
        for path in ["", "/", "t/", "/t%2f", "/t ?"] {
            let refused = source(|options| {
                options.tenant_from = TenantFrom::Path;
                options.tenant_path = path.into();
            });
            assert_eq!(refused.expect_err(path).field, "tenant_path");
        }
        let no_proxy = source(|options| options.tenant_from = TenantFrom::Header);
        assert_eq!(no_proxy.expect_err("no proxy").field, "tenant_from");
        let no_name = source(|options| {
            options.tenant_from = TenantFrom::Header;
            options.tenant_header = "x tenant".into();
        });
        assert_eq!(no_name.expect_err("no header").field, "tenant_header");
    }
}
