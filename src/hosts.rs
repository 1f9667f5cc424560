//! [`HostGuard`]: refuses requests that a page of another site could make a browser send.
//!
//! Two attacks threaten a server on the machine of its user. With *DNS rebinding* a page lets its own name resolve to this machine, and so
//! becomes a page of the same origin; the browser then still sends that name as the host. With *cross-site request forgery* a page sends a
//! request to the real name; the browser then sends the page's origin and `Sec-Fetch-Site` (Fetch Metadata). The guard compares both. It
//! reads no forwarded host, because a page can add such a header to a request of its own origin.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

/// The reason why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ForeignRequest {
    /// The request names this host, which is not known.
    Host(String),
    /// A page of another origin sent the request.
    Origin,
}

/// The host names and addresses by which a server may be called.
#[derive(Debug, Clone)]
pub(crate) struct HostGuard {
    /// Names besides `localhost`, in lower case.
    names: Vec<String>,
    callers: Callers,
}

/// The part of the network whose clients may use a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callers {
    /// This machine: the only addresses are loopback addresses, and each request names a host.
    Machine,
    /// Other machines as well: any address is known, because an address cannot be made to point elsewhere as a name can. A request
    /// without a host is answered, because every browser sends one.
    Network,
    /// Other machines, which have to send a token that a page of another site does not have: any host is known.
    TokenHolders,
}

impl HostGuard {
    /// Creates the guard of a server that only this machine can reach.
    #[cfg_attr(
        not(any(test, feature = "admin")),
        expect(dead_code, reason = "the admin listener uses it")
    )]
    pub(crate) fn machine(names: &[String]) -> Self {
        Self::new(names, Callers::Machine)
    }

    /// Creates the guard of a server that other machines may reach.
    #[cfg_attr(not(any(test, feature = "web")), expect(dead_code, reason = "live pages use it"))]
    pub(crate) fn network(names: &[String]) -> Self {
        Self::new(names, Callers::Network)
    }

    /// Creates the guard of a server whose callers send a token.
    #[cfg_attr(
        not(any(test, feature = "admin")),
        expect(dead_code, reason = "the admin listener uses it")
    )]
    pub(crate) fn token_holders() -> Self {
        Self::new(&[], Callers::TokenHolders)
    }

    fn new(names: &[String], callers: Callers) -> Self {
        Self {
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            callers,
        }
    }

    /// Checks every host that a request names: its target, if that is a whole address, and each of its headers `Host`.
    pub(crate) fn check_host(&self, request: &HttpRequest) -> Result<(), ForeignRequest> {
        if self.callers == Callers::TokenHolders {
            return Ok(());
        }
        let mut hosts = hosts(request).peekable();
        if hosts.peek().is_none() && self.callers == Callers::Machine {
            return Err(ForeignRequest::Host(String::new()));
        }
        match hosts.find(|host| !self.is_known(host)) {
            None => Ok(()),
            Some(host) => Err(ForeignRequest::Host(host.to_owned())),
        }
    }

    /// Checks the hosts, and that no page of another origin sent the request.
    pub(crate) fn check(&self, request: &HttpRequest) -> Result<(), ForeignRequest> {
        self.check_host(request)?;
        // An origin is a scheme, `://` and a host, or `null`. The scheme is the one that a proxy in front names, if there is a proxy,
        // because a page of another site cannot add such a header.
        let here = hosts(request)
            .next()
            .map(|host| format!("{}://{host}", request.connection_info().scheme()));
        let is_same_origin = values(request.headers(), ORIGIN).all(|origin| Some(origin) == here.as_deref());
        let site = HeaderName::from_static("sec-fetch-site");
        let is_same_site = values(request.headers(), site).all(|site| matches!(site, "same-origin" | "none"));
        match is_same_origin && is_same_site {
            true => Ok(()),
            false => Err(ForeignRequest::Origin),
        }
    }

    fn is_known(&self, host: &str) -> bool {
        let Some(host) = Host::parse(host) else { return false };
        match host {
            Host::Address(address) => self.callers == Callers::Network || address.is_loopback(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name),
        }
    }
}

/// A host without its port.
enum Host {
    Address(IpAddr),
    /// A name in lower case, without the dot that a whole name may end with.
    Name(String),
}

impl Host {
    fn parse(host: &str) -> Option<Self> {
        let (is_bracketed, (name, port)) = match host.strip_prefix('[') {
            Some(rest) => (true, rest.split_once(']')?),
            None => (false, host.split_at(host.find(':').unwrap_or(host.len()))),
        };
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return None;
        }
        if is_bracketed {
            return name
                .parse::<Ipv6Addr>()
                .ok()
                .map(|address| Self::Address(address.into()));
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        match name.parse::<IpAddr>() {
            Ok(address) => Some(Self::Address(address)),
            Err(_) if name.is_empty() => None,
            Err(_) => Some(Self::Name(name.to_ascii_lowercase())),
        }
    }
}

/// Returns the hosts that a request names. The host of the target comes first, because it takes precedence (RFC 9112, section 3.2.2).
fn hosts(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let target = request.uri().authority().map(|authority| authority.as_str());
    target.into_iter().chain(values(request.headers(), HOST))
}

/// Returns the values of a header. A value that is not text becomes empty, so that it equals no expected value.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(target: &str, headers: &[(&str, &str)]) -> HttpRequest {
        let request = TestRequest::post().uri(target);
        let request = headers
            .iter()
            .fold(request, |request, header| request.append_header(*header));
        request.to_http_request()
    }

    #[test]
    fn foreign_hosts_are_refused() {
        let names = ["Shop.test".to_owned()];
        let (machine, network) = (HostGuard::machine(&names), HostGuard::network(&names));
        for (host, on_machine, on_network) in [
            ("127.0.0.1", true, true),
            ("127.0.0.1:7878", true, true),
            ("[::1]:7878", true, true),
            ("localhost", true, true),
            ("localhost.", true, true),
            ("LocalHost.:7878", true, true),
            ("a.localhost:1", true, true),
            ("shop.test", true, true),
            ("Shop.test:80", true, true),
            ("10.0.0.1", false, true),
            ("192.168.1.7:7878", false, true),
            ("[::2]:1", false, true),
            ("", false, false),
            (":7878", false, false),
            (".", false, false),
            ("[::1", false, false),
            ("[localhost]", false, false),
            ("[::1]evil.example", false, false),
            ("::1", false, false),
            ("localhost:evil.example", false, false),
            ("localhost@evil.example", false, false),
            ("evil.example", false, false),
            ("evil.example:7878", false, false),
            ("127.0.0.1.evil.example", false, false),
            ("localhost.evil.example:9901", false, false),
            ("evil-localhost", false, false),
        ] {
            let request = request("/", &[("host", host)]);
            assert_eq!(machine.check(&request).is_ok(), on_machine, "{host}");
            assert_eq!(network.check(&request).is_ok(), on_network, "{host}");
            assert!(HostGuard::token_holders().check(&request).is_ok(), "{host}");
        }
    }

    #[test]
    fn every_host_of_a_request_counts() {
        for (target, headers, on_machine, on_network) in [
            ("/", &[][..], false, true),
            ("/", &[("host", "localhost"), ("host", "evil.example")], false, false),
            ("http://evil.example/", &[("host", "localhost")], false, false),
            ("http://localhost/", &[("host", "localhost")], true, true),
            ("http://localhost/", &[], true, true),
            ("http://evil.example/", &[], false, false),
        ] {
            let request = request(target, headers);
            let names = &[];
            assert_eq!(
                HostGuard::machine(names).check(&request).is_ok(),
                on_machine,
                "{target} {headers:?}"
            );
            assert_eq!(
                HostGuard::network(names).check(&request).is_ok(),
                on_network,
                "{target} {headers:?}"
            );
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let guards = [
            HostGuard::machine(&[]),
            HostGuard::network(&[]),
            HostGuard::token_holders(),
        ];
        for (headers, is_same) in [
            (&[][..], true),
            (&[("origin", "http://localhost:1")], true),
            (
                &[("origin", "http://localhost:1"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "new-site")], false),
            (&[("origin", "http://localhost:2")], false),
            (&[("origin", "https://localhost:1")], false),
            (&[("origin", "http://evil.example")], false),
            (
                &[("origin", "http://localhost:1"), ("origin", "http://evil.example")],
                false,
            ),
            (&[("origin", "null")], false),
            (&[("origin", "")], false),
            (&[("origin", "é")], false),
            // Behind a proxy that speaks TLS.
            (
                &[("origin", "https://localhost:1"), ("x-forwarded-proto", "https")],
                true,
            ),
            (
                &[("origin", "http://localhost:1"), ("x-forwarded-proto", "https")],
                false,
            ),
            // A forwarded host does not count.
            (
                &[("origin", "http://evil.example"), ("x-forwarded-host", "evil.example")],
                false,
            ),
        ] {
            let headers = [&[("host", "localhost:1")], headers].concat();
            for guard in &guards {
                assert_eq!(guard.check(&request("/", &headers)).is_ok(), is_same, "{headers:?}");
            }
        }
        let without_host = request("/", &[("origin", "http://localhost:1")]);
        assert_eq!(
            HostGuard::network(&[]).check(&without_host),
            Err(ForeignRequest::Origin)
        );
    }
}
