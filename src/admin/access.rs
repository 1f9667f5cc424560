//! [`Access`]: who may ask, and by which name.
//!
//! Everything that came from outside is compared in constant time: as BLAKE3 hashes, whose equality is that.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::{HttpRequest, rt};
use tokio::sync::watch;

use super::problem::Problem;

/// The cookie of somebody who signed in to the dashboard.
const SESSION: &str = "hotplate_session";

/// Sessions, by the digest of what their cookies say: so the time that a look-up takes tells nothing of it. They end with the program, and
/// so with its token.
#[derive(Debug)]
struct Sessions {
    known: HashMap<blake3::Hash, Session>,
    most: usize,
}

#[derive(Debug)]
struct Session {
    ends_ms: u64,
    /// Dropped with the session: whoever listens to it knows then.
    ended: watch::Sender<()>,
}

/// For how long somebody may go on that was let in.
#[derive(Debug)]
pub(super) struct Admission {
    /// The end of the session, if it is one: when it is ended by somebody, and after which time at the latest.
    session: Option<(watch::Receiver<()>, Duration)>,
}

impl Admission {
    /// With the token, or where none is needed: as long as the listener.
    pub(super) const LASTING: Self = Self { session: None };

    /// Waits until it is over. For a session that is when its user signs out, a later one takes its place, or its time is over.
    pub(super) async fn over(self) {
        match self.session {
            Some((mut ended, left)) => tokio::select! {
                _ = ended.changed() => {}
                () = rt::time::sleep(left) => {}
            },
            None => std::future::pending().await,
        }
    }
}

impl Sessions {
    fn begin(&mut self, id: blake3::Hash, ends_ms: u64, now_ms: u64) {
        self.known.retain(|_, session| now_ms < session.ends_ms);
        if self.known.len() >= self.most {
            let oldest = self.known.iter().min_by_key(|(_, session)| session.ends_ms);
            let oldest = oldest.map(|(id, _)| *id);
            oldest.and_then(|oldest| self.known.remove(&oldest));
        }
        let ended = watch::Sender::new(());
        self.known.insert(id, Session { ends_ms, ended });
    }
}

/// Who may ask, and by which name.
pub(super) struct Access {
    token: Option<blake3::Hash>,
    /// Names that a listener on a loopback address goes by, besides those that always mean this machine. Beyond loopback there
    /// is a token, which a page of another site does not have.
    names: Option<Vec<String>>,
    /// Those who signed in to the dashboard.
    sessions: Mutex<Sessions>,
}

impl Access {
    pub(super) fn new(token: Option<&str>, address: SocketAddr, names: Vec<String>, sessions: usize) -> Self {
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Self {
            token: token.map(|token| blake3::hash(token.as_bytes())),
            names: address.ip().is_loopback().then_some(names),
            sessions: Mutex::new(Sessions {
                known: HashMap::new(),
                most: sessions.max(1),
            }),
        }
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
        self.admission(headers, now_ms).is_some()
    }

    /// As [`is_known`](Self::is_known), and for how long.
    pub(super) fn admission(&self, headers: &HeaderMap, now_ms: u64) -> Option<Admission> {
        match self.token.is_none() || self.program(headers).is_ok() {
            true => Some(Admission::LASTING),
            false => self.session(headers, now_ms),
        }
    }

    /// Begins a session that ends at a time; returns the value of a `Set-Cookie` header.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(super) fn begin_session(&self, ends_ms: u64, now_ms: u64) -> Result<String, Problem> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| Problem::internal(error.to_string()))?;
        let secret = blake3::Hash::from_bytes(secret).to_hex();
        self.sessions().begin(blake3::hash(secret.as_bytes()), ends_ms, now_ms);
        let seconds = ends_ms.saturating_sub(now_ms) / 1000;
        Ok(format!(
            "{SESSION}={secret}; Path=/_hotplate; Max-Age={seconds}; HttpOnly; SameSite=Strict"
        ))
    }

    /// Ends the session of a request: its cookie is of no use any more, whoever has it.
    pub(super) fn end_session(&self, headers: &HeaderMap) {
        let mut sessions = self.sessions();
        for value in session_cookies(headers) {
            sessions.known.remove(&blake3::hash(value.as_bytes()));
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of a session, as the value of a `Set-Cookie` header.
    pub(super) fn no_session() -> String {
        format!("{SESSION}=; Path=/_hotplate; Max-Age=0; HttpOnly; SameSite=Strict")
    }

    fn session(&self, headers: &HeaderMap, now_ms: u64) -> Option<Admission> {
        let mut cookies = session_cookies(headers).peekable();
        cookies.peek()?;
        let sessions = self.sessions();
        cookies.find_map(|value| {
            let session = sessions.known.get(&blake3::hash(value.as_bytes()))?;
            let left_ms = session.ends_ms.checked_sub(now_ms).filter(|left_ms| *left_ms > 0)?;
            Some(Admission {
                session: Some((session.ended.subscribe(), Duration::from_millis(left_ms))),
            })
        })
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
        // An origin is a scheme, `://` and a host; `null` is one that does not say. The scheme is that of the proxy in front, if
        // there is one and it says so: a page of another site cannot add such a header.
        let here = format!("{}://{host}", request.connection_info().scheme());
        if elsewhere || header(headers, ORIGIN).is_some_and(|origin| origin != here) {
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

/// What a request says of its session.
fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let pairs = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == SESSION).map(|(_, value)| value)
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
        Access::new(token, address, vec!["Admin.example".into()], 2)
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
        for bad in [
            "http://evil.example",
            "http://localhost:9902",
            "https://localhost:9901",
            "null",
        ] {
            assert!(!ask(Method::POST, &[("origin", bad)]), "{bad}");
        }
        // Behind a proxy that speaks TLS it is the other way round.
        let secure = ("x-forwarded-proto", "https");
        assert!(ask(Method::POST, &[("origin", "https://localhost:9901"), secure]));
        assert!(!ask(Method::POST, &[("origin", "http://localhost:9901"), secure]));
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
        let begin = |ends_ms| {
            let cookie = far.begin_session(ends_ms, 1_000).expect("randomness");
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Max-Age="));
            headers("cookie", &format!("a=b; {}", cookie.split(';').next().expect("a pair")))
        };
        let first = begin(2_000);
        assert!(far.is_known(&first, 1_999));
        assert!(!far.is_known(&first, 2_000), "it has ended");
        assert!(!far.is_known(&headers("cookie", "hotplate_session=2000"), 1_999));
        let restarted = access(Some("another"), "10.0.0.1:9901");
        assert!(!restarted.is_known(&first, 1_999), "another token is another program");
        let second = begin(3_000);
        far.end_session(&first);
        assert!(
            !far.is_known(&first, 1_999) && far.is_known(&second, 1_999),
            "one is signed out"
        );
        let (third, fourth) = (begin(4_000), begin(5_000));
        assert!(!far.is_known(&second, 1_999), "there is room for two");
        assert!(far.is_known(&third, 1_999) && far.is_known(&fourth, 1_999));
    }
}
