//! [`Access`]: who may ask, and by which name.
//!
//! Everything that came from outside is compared in constant time: as BLAKE3 hashes, whose equality is that.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN};

use super::problem::Problem;

/// The cookie of somebody who signed in to the dashboard.
const SESSION: &str = "hotplate_session";

/// Who may ask, and by which name.
pub(super) struct Access {
    token: Option<blake3::Hash>,
    /// Names that a listener on a loopback address goes by, besides those that always mean this machine. Beyond loopback there
    /// is a token, which a page of another site does not have.
    names: Option<Vec<String>>,
    /// Signs sessions, until the program ends.
    key: [u8; 32],
}

impl Access {
    pub(super) fn new(token: Option<&str>, address: SocketAddr, names: Vec<String>) -> std::io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Ok(Self {
            token: token.map(|token| blake3::hash(token.as_bytes())),
            names: address.ip().is_loopback().then_some(names),
            key,
        })
    }

    /// Whether anybody needs a token at all.
    pub(super) fn needs_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether this is the token.
    pub(super) fn is_token(&self, said: &str) -> bool {
        self.token.is_none_or(|token| token == blake3::hash(said.as_bytes()))
    }

    /// Lets in programs: by their token.
    pub(super) fn program(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.token.is_none() {
            return Ok(());
        }
        match bearer(headers) {
            Some(said) if self.is_token(said) => Ok(()),
            Some(_) => Err(Problem::unauthorized("the token is not the right one")),
            None => Err(Problem::unauthorized(
                "send `Authorization: Bearer` and the token of this listener",
            )),
        }
    }

    /// Whether somebody may see the dashboard: by a session, or by the token.
    pub(super) fn is_known(&self, headers: &HeaderMap, now_ms: u64) -> bool {
        self.token.is_none() || self.program(headers).is_ok() || self.has_session(headers, now_ms)
    }

    /// A session that ends at a time, as the value of a `Set-Cookie` header.
    pub(super) fn session(&self, ends_ms: u64, now_ms: u64) -> String {
        let signature = blake3::keyed_hash(&self.key, &ends_ms.to_le_bytes());
        let seconds = ends_ms.saturating_sub(now_ms) / 1000;
        format!("{SESSION}={ends_ms}.{signature}; Path=/_hotplate; Max-Age={seconds}; HttpOnly; SameSite=Strict")
    }

    /// The end of a session, as the value of a `Set-Cookie` header.
    pub(super) fn no_session() -> String {
        format!("{SESSION}=; Path=/_hotplate; Max-Age=0; HttpOnly; SameSite=Strict")
    }

    fn has_session(&self, headers: &HeaderMap, now_ms: u64) -> bool {
        let cookies = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
        let mut pairs = cookies
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(name, value)| name == SESSION && self.is_session(value, now_ms))
    }

    fn is_session(&self, value: &str, now_ms: u64) -> bool {
        let Some((ends_ms, signature)) = value.split_once('.') else {
            return false;
        };
        let (Ok(ends_ms), Ok(signature)) = (ends_ms.parse::<u64>(), blake3::Hash::from_hex(signature)) else {
            return false;
        };
        now_ms < ends_ms && blake3::keyed_hash(&self.key, &ends_ms.to_le_bytes()) == signature
    }

    /// Refuses what a page of another site could make a browser ask for.
    pub(super) fn same_site(&self, request: &HttpRequest) -> Result<(), Problem> {
        let headers = request.headers();
        let host = header(headers, HOST).unwrap_or_default();
        if !self.is_name(host) {
            return Err(Problem::host_not_known(host));
        }
        if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(());
        }
        let site = header(headers, HeaderName::from_static("sec-fetch-site"));
        let elsewhere = matches!(site, Some("cross-site" | "same-site"));
        // An origin is a scheme, `://` and a host; `null` is one that does not say.
        let origin = header(headers, ORIGIN).map(|origin| origin.split_once("://").map(|(_, host)| host));
        if elsewhere || origin.is_some_and(|origin| origin != Some(host)) {
            return Err(Problem::another_site());
        }
        Ok(())
    }

    fn is_name(&self, host: &str) -> bool {
        let Some(names) = &self.names else { return true };
        let name = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        // An address cannot be made to point elsewhere, a name can.
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.is_ok_and(|address| address.is_loopback())
            || name == "localhost"
            || name.ends_with(".localhost")
            || names.contains(&name)
    }
}

/// `a:1` is `a`; `[::1]:1` is `[::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header(headers, AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn access(token: Option<&str>, address: &str) -> Access {
        let address = address.parse().expect("an address");
        Access::new(token, address, vec!["Admin.example".into()]).expect("randomness")
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_are_answered() {
        let local = access(None, "127.0.0.1:9901");
        for good in [
            "127.0.0.1:9901",
            "localhost",
            "LOCALHOST:1",
            "a.localhost:9901",
            "[::1]:9901",
            "admin.example",
            "localhost.",
        ] {
            assert!(local.is_name(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:9901",
            "10.0.0.1",
            "[::2]:1",
        ] {
            assert!(!local.is_name(bad), "{bad}");
        }
        assert!(access(Some("t"), "0.0.0.0:9901").is_name("anything.example"));
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let local = access(None, "127.0.0.1:9901");
        let ask = |method: Method, headers: &[(&'static str, &'static str)]| {
            let request = TestRequest::default()
                .method(method)
                .insert_header(("host", "localhost:9901"));
            let request = headers
                .iter()
                .fold(request, |request, header| request.insert_header(*header));
            local.same_site(&request.to_http_request()).is_ok()
        };
        assert!(ask(Method::POST, &[]));
        assert!(ask(
            Method::POST,
            &[("origin", "http://localhost:9901"), ("sec-fetch-site", "same-origin")]
        ));
        assert!(ask(Method::GET, &[("origin", "http://evil.example")]));
        for bad in ["http://evil.example", "http://localhost:9902", "null"] {
            assert!(!ask(Method::POST, &[("origin", bad)]), "{bad}");
        }
        assert!(!ask(Method::POST, &[("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn tokens_and_sessions_are_compared_whole() {
        let far = access(Some("right"), "10.0.0.1:9901");
        let headers = |name: &'static str, value: &str| {
            let request = TestRequest::default().insert_header((name, value)).to_http_request();
            request.headers().clone()
        };
        assert!(far.program(&headers("authorization", "bearer right")).is_ok());
        for wrong in [
            "Bearer wrong",
            "Bearer rightt",
            "Bearer righ",
            "Bearer ",
            "right",
            "Basic right",
        ] {
            assert!(far.program(&headers("authorization", wrong)).is_err(), "{wrong}");
        }
        let cookie = far.session(2_000, 1_000);
        let value = cookie.split(';').next().expect("a pair").to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Max-Age=1;"));
        assert!(far.is_known(&headers("cookie", &format!("a=b; {value}")), 1_999));
        assert!(!far.is_known(&headers("cookie", &value), 2_000), "it has ended");
        assert!(
            !far.is_known(&headers("cookie", &value.replace("2000.", "9000.")), 1_999),
            "another end"
        );
        assert!(
            !access(Some("right"), "10.0.0.1:9901").is_known(&headers("cookie", &value), 1_999),
            "another program"
        );
    }
}
