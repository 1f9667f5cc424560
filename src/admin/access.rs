//! [`Access`]: decides which requests are admitted: by the token, by a session of the dashboard, and by the host and origin.
//!
//! Secrets are compared as BLAKE3 hashes, whose comparison takes constant time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap};
use actix_web::{HttpRequest, rt};
use tokio::sync::watch;

use super::problem::Problem;
use super::subjects::{self, Caller, Subject};
use crate::hosts::{ForeignRequest, HostGuard};

/// The name of the session cookie of the dashboard.
const SESSION: &str = "hotplate_session";

/// The paths to which a browser sends the cookie: the dashboard, and what its links lead to. A site of the same host gets no cookie.
const PATHS: [&str; 2] = ["/_hotplate", "/admin/v1"];

/// The sessions by the hash of their cookies, so that the time of a look-up reveals nothing about a cookie. They are kept only in memory
/// and end with the process, so a new token ends all sessions.
#[derive(Debug)]
struct Sessions {
    known: HashMap<blake3::Hash, Session>,
    most: usize,
}

#[derive(Debug)]
struct Session {
    ends_ms: u64,
    caller: Caller,
    /// Dropped with the session, which notifies the streams that were opened in it.
    ended: watch::Sender<()>,
}

/// The time for which an admitted client may read a stream.
#[derive(Debug)]
pub(super) struct Admission {
    /// The end of a session: a notification of its end, and the longest remaining time.
    session: Option<(watch::Receiver<()>, Duration)>,
}

impl Admission {
    /// The admission by the token, or by a listener that needs none. It lasts as long as the listener runs.
    pub(super) const LASTING: Self = Self { session: None };

    /// Waits for the end of the session: when its user signs out, a later session replaces it, or its time is over.
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
    fn begin(&mut self, id: blake3::Hash, caller: Caller, ends_ms: u64, now_ms: u64) {
        self.known.retain(|_, session| now_ms < session.ends_ms);
        if self.known.len() >= self.most {
            let oldest = self.known.iter().min_by_key(|(_, session)| session.ends_ms);
            let oldest = oldest.map(|(id, _)| *id);
            oldest.and_then(|oldest| self.known.remove(&oldest));
        }
        let ended = watch::Sender::new(());
        self.known.insert(id, Session { ends_ms, caller, ended });
    }
}

/// Returns true if a text can be a token: 1 to 1024 visible ASCII characters.
pub(crate) fn is_usable(token: &str) -> bool {
    (1..=1024).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Decides which requests are admitted.
pub(crate) struct Access {
    token: Option<blake3::Hash>,
    subjects: Vec<Arc<Subject>>,
    hosts: HostGuard,
    sessions: Mutex<Sessions>,
}

impl Access {
    pub(crate) fn new(token: Option<&str>, address: SocketAddr, names: &[String], sessions: usize) -> Self {
        // On other addresses a token is required, which a page of another site does not have.
        let hosts = match address.ip().is_loopback() {
            true => HostGuard::machine(names),
            false => HostGuard::token_holders(),
        };
        Self::guarded(token, hosts, sessions)
    }

    /// Creates the access to a Unix socket, which no browser can reach, so any host is known.
    #[cfg(all(unix, feature = "sidecar"))]
    pub(crate) fn of_socket(token: Option<&str>) -> Self {
        Self::guarded(token, HostGuard::token_holders(), 0)
    }

    fn guarded(token: Option<&str>, hosts: HostGuard, sessions: usize) -> Self {
        Self {
            token: token.map(|token| blake3::hash(token.as_bytes())),
            subjects: Vec::new(),
            hosts,
            sessions: Mutex::new(Sessions {
                known: HashMap::new(),
                most: sessions.max(1),
            }),
        }
    }

    /// Sets the people and programs with tokens of their own.
    pub(super) fn subjects(mut self, subjects: Vec<Subject>) -> Self {
        self.subjects = subjects.into_iter().map(Arc::new).collect();
        self
    }

    /// Returns true if callers need a token.
    pub(super) fn needs_token(&self) -> bool {
        self.token.is_some() || !self.subjects.is_empty()
    }

    /// Returns the holder of a token. Where no token is needed, anybody is.
    pub(super) fn holder(&self, text: &str) -> Option<Caller> {
        if !self.needs_token() {
            return Some(Caller::EVERYTHING);
        }
        let subject = subjects::holder(&self.subjects, text).map(Caller::of);
        let is_token = self.token.is_some_and(|token| token == blake3::hash(text.as_bytes()));
        is_token.then_some(Caller::EVERYTHING).or(subject)
    }

    /// Admits programs, by their token.
    pub(crate) fn program(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if !self.needs_token() {
            return Ok(Caller::EVERYTHING);
        }
        match bearer(headers) {
            Some(sent) => self
                .holder(sent)
                .ok_or_else(|| Problem::unauthorized("the token is not the right one")),
            None => Err(Problem::unauthorized(
                "send `Authorization: Bearer` and the token of this listener",
            )),
        }
    }

    /// Admits programs by the token, and requests that only read also by a session of the dashboard, so that its links to the API and to
    /// the metrics work. A session changes nothing through the API, so a form of another site cannot either.
    pub(super) fn reader(&self, method: &Method, headers: &HeaderMap, now_ms: u64) -> Result<Admission, Problem> {
        let refused = match self.program(headers) {
            Ok(_) => return Ok(Admission::LASTING),
            Err(problem) => problem,
        };
        let session = matches!(*method, Method::GET | Method::HEAD)
            .then(|| self.session(headers, now_ms))
            .flatten();
        session.map(|(_, admission)| admission).ok_or(refused)
    }

    /// Returns true if a request is admitted to the dashboard, by a session or by the token.
    pub(super) fn is_known(&self, headers: &HeaderMap, now_ms: u64) -> bool {
        self.admission(headers, now_ms).is_some()
    }

    /// Returns the sender of a request that is admitted, by the token or by a session.
    pub(super) fn caller(&self, headers: &HeaderMap, now_ms: u64) -> Option<Caller> {
        match self.program(headers) {
            Ok(caller) => Some(caller),
            Err(_) => self.session(headers, now_ms).map(|(caller, _)| caller),
        }
    }

    /// Admits a request to the dashboard like [`is_known`](Self::is_known), for a limited time.
    pub(super) fn admission(&self, headers: &HeaderMap, now_ms: u64) -> Option<Admission> {
        match self.program(headers) {
            Ok(_) => Some(Admission::LASTING),
            Err(_) => self.session(headers, now_ms).map(|(_, admission)| admission),
        }
    }

    /// Begins a session of a caller that ends at a time. Returns the values of the `Set-Cookie` headers.
    ///
    /// # Errors
    /// The system provides no random numbers.
    pub(super) fn begin_session(&self, caller: Caller, ends_ms: u64, now_ms: u64) -> Result<[String; 2], Problem> {
        let secret = random_name()?;
        self.sessions()
            .begin(blake3::hash(secret.as_bytes()), caller, ends_ms, now_ms);
        let seconds = ends_ms.saturating_sub(now_ms) / 1000;
        Ok(cookies(&secret, seconds))
    }

    /// Ends the session of a request. Its cookie is no longer accepted.
    pub(super) fn end_session(&self, headers: &HeaderMap) {
        let mut sessions = self.sessions();
        for value in session_cookies(headers) {
            sessions.known.remove(&blake3::hash(value.as_bytes()));
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the values of the `Set-Cookie` headers that remove the cookie.
    pub(super) fn no_session() -> [String; 2] {
        cookies("", 0)
    }

    fn session(&self, headers: &HeaderMap, now_ms: u64) -> Option<(Caller, Admission)> {
        let mut cookies = session_cookies(headers).peekable();
        cookies.peek()?;
        let sessions = self.sessions();
        cookies.find_map(|value| {
            let session = sessions.known.get(&blake3::hash(value.as_bytes()))?;
            let left_ms = session.ends_ms.checked_sub(now_ms).filter(|left_ms| *left_ms > 0)?;
            let admission = Admission {
                session: Some((session.ended.subscribe(), Duration::from_millis(left_ms))),
            };
            Some((session.caller.clone(), admission))
        })
    }

    /// Refuses requests that a page of another site could make a browser send. Requests that only read may come from another site, so that
    /// links to the dashboard work; the browser does not let that site read the answer.
    pub(crate) fn same_site(&self, request: &HttpRequest) -> Result<(), Problem> {
        let checked = match request.method().is_safe() {
            true => self.hosts.check_host(request),
            false => self.hosts.check(request),
        };
        checked.map_err(|foreign| match foreign {
            ForeignRequest::Host(host) => Problem::host_not_known(&host),
            ForeignRequest::Origin => Problem::another_site(),
        })
    }
}

/// Returns the session cookie for each path.
fn cookies(secret: &str, seconds: u64) -> [String; 2] {
    PATHS.map(|path| format!("{SESSION}={secret}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict"))
}

/// Returns the session cookies of a request.
fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let pairs = cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == SESSION).map(|(_, value)| value)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns a name of 64 hexadecimal digits that nobody can guess.
///
/// # Errors
/// The system provides no random numbers.
pub(super) fn random_name() -> Result<String, Problem> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(blake3::Hash::from_bytes(random).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn access(token: Option<&str>, address: &str) -> Access {
        let address = address.parse().expect("an address");
        Access::new(token, address, &["Admin.example".into()], 2)
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_are_answered() {
        let is_answered = |access: &Access, host: &str| {
            let request = TestRequest::default().insert_header(("host", host));
            access.same_site(&request.to_http_request()).is_ok()
        };
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
            assert!(is_answered(&local, good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:9901",
            "10.0.0.1",
            "[::2]:1",
        ] {
            assert!(!is_answered(&local, bad), "{bad}");
        }
        assert!(is_answered(&access(Some("t"), "0.0.0.0:9901"), "anything.example"));
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
        // Behind a proxy that speaks TLS, the scheme differs in the other direction.
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
            let [cookie, _] = far
                .begin_session(Caller::EVERYTHING, ends_ms, 1_000)
                .expect("randomness");
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Max-Age="));
            headers("cookie", &format!("a=b; {}", cookie.split(';').next().expect("a pair")))
        };
        let first = begin(2_000);
        assert!(far.is_known(&first, 1_999));
        assert!(!far.is_known(&first, 2_000), "it has ended");
        for (method, now_ms, admitted) in [
            (Method::GET, 1_999, true),
            (Method::HEAD, 1_999, true),
            (Method::GET, 2_000, false),
            (Method::POST, 1_999, false),
            (Method::PUT, 1_999, false),
            (Method::DELETE, 1_999, false),
        ] {
            assert_eq!(
                far.reader(&method, &first, now_ms).is_ok(),
                admitted,
                "{method} {now_ms}"
            );
        }
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
