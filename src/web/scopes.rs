//! [`Scopes`]: the middleware that chooses the scope of each request.

use std::future::{Ready, ready};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HOST, HeaderMap, HeaderValue, LOCATION, SET_COOKIE, VARY};
use actix_web::http::uri::{PathAndQuery, Uri};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use hotplate_actors::template::Scope;

use super::response;
use crate::scope::{Choice, HeaderKey, Refused, RequestHead, ScopeChooser, private_cache_control};

/// The seconds for which a browser keeps the cookie that identifies a visitor: a year.
const VISITOR_SECONDS: u32 = 31_536_000;

/// A middleware that chooses the scope of each request and puts it into the request's extensions, as a [`Scope`] and as the [`Choice`] with its
/// reasons.
///
/// It answers 404 for tenants that do not exist and 403 for experimental pages that are not permitted. From the path of other requests it
/// removes the beginning that names the scope, so it has to wrap the whole app. To each answer it adds `Vary`, and `Cache-Control: private`
/// where the answer is for one visitor. It identifies new visitors by a cookie, if [`ScopeOptions`](crate::scope::ScopeOptions) says so.
///
/// ```
/// use std::sync::Arc;
/// use actix_web::{App, HttpMessage, HttpRequest, HttpResponse, web};
/// use hotplate::scope::{ScopeChooser, ScopeOptions};
/// use hotplate::template::Scope;
/// use hotplate::web::Scopes;
///
/// let options = ScopeOptions { stage_path: "/@".into(), ..ScopeOptions::default() };
/// let scopes = Scopes::new(Arc::new(ScopeChooser::new(&options)?));
/// let app = App::new().wrap(scopes).route("/", web::get().to(|request: HttpRequest| async move {
///     let scope = request.extensions().get::<Scope>().cloned().unwrap_or_default();
///     HttpResponse::Ok().body(scope.stage.as_str())
/// }));
/// # let _ = app;
/// # Ok::<(), hotplate::scope::ScopeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scopes(Arc<ScopeChooser>);

impl Scopes {
    /// Creates the middleware. All workers share one chooser.
    #[must_use]
    pub fn new(chooser: Arc<ScopeChooser>) -> Self {
        Self(chooser)
    }
}

/// Returns the scope that was chosen for a request, or the shared stable one if nothing was chosen.
pub(super) fn scope_of(request: &HttpRequest) -> Scope {
    request.extensions().get::<Scope>().cloned().unwrap_or_default()
}

impl RequestHead for HttpRequest {
    fn host(&self) -> Option<&str> {
        let named = || self.headers().get(HOST).and_then(|host| host.to_str().ok());
        self.uri().authority().map(|target| target.as_str()).or_else(named)
    }

    fn path(&self) -> &str {
        self.uri().path()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer_addr().map(|address| address.ip())
    }

    fn each_value<'h>(&'h self, name: &HeaderKey, each: &mut dyn FnMut(&'h [u8])) {
        let values = self.headers().get_all(name.name());
        values.for_each(|value| each(value.as_bytes()));
    }
}

impl<S, B> Transform<S, ServiceRequest> for Scopes
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = ScopesService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(ScopesService {
            chooser: Arc::clone(&self.0),
            service: Rc::new(service),
        }))
    }
}

/// The service of the middleware.
#[derive(Debug)]
pub struct ScopesService<S> {
    chooser: Arc<ScopeChooser>,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for ScopesService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    actix_web::dev::forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let chooser = Arc::clone(&self.chooser);
        let (service, visitor) = (Rc::clone(&self.service), new_visitor(&chooser, request.request()));
        let new_key = visitor.as_ref().map(|new| new.key.as_str());
        let choice = chooser.choose_with(request.request(), new_key);
        Box::pin(async move {
            let choice = match choice {
                Ok(choice) => choice,
                Err(refused) => {
                    let mut answer = request.into_response(answer_refused(refused));
                    add_headers(answer.headers_mut(), &chooser, true, None);
                    return Ok(answer.map_into_right_body());
                }
            };
            if let Some(whole) = without_slash(&request, &choice) {
                let mut answer = request.into_response(redirect(&whole));
                add_headers(answer.headers_mut(), &chooser, choice.is_private, visitor);
                return Ok(answer.map_into_right_body());
            }
            remove_prefix(&mut request, &choice);
            let is_private = choice.is_private;
            request.extensions_mut().insert(choice.scope.clone());
            request.extensions_mut().insert(choice);
            let mut answer = service.call(request).await?;
            add_headers(answer.headers_mut(), &chooser, is_private, visitor);
            Ok(answer.map_into_left_body())
        })
    }
}

/// A visitor without a cookie, who gets one with the answer.
struct NewVisitor {
    key: String,
    cookie: String,
}

/// Returns a new key for a visitor who has none and needs one.
fn new_visitor(chooser: &ScopeChooser, request: &HttpRequest) -> Option<NewVisitor> {
    let name = chooser.visitor_cookie()?;
    if chooser.has_visitor_key(request) {
        return None;
    }
    // The system seeds the standard hasher. A visitor who guesses the key of another one gets the same stage, and nothing else.
    let [high, low] = [0, 1].map(|half| RandomState::new().hash_one(half));
    let key = format!("{high:016x}{low:016x}");
    let cookie = format!("{name}={key}; Path=/; Max-Age={VISITOR_SECONDS}; HttpOnly; SameSite=Lax");
    Some(NewVisitor { key, cookie })
}

fn answer_refused(refused: Refused) -> HttpResponse {
    match refused {
        Refused::UnknownTenant => response::plain(StatusCode::NOT_FOUND),
        _ => response::plain(StatusCode::FORBIDDEN),
    }
}

/// Returns the address with a slash at the end of its path, if the path names a scope and nothing else. Without the slash, relative links of the
/// first page would lead out of the scope.
fn without_slash(request: &ServiceRequest, choice: &Choice) -> Option<String> {
    let uri = request.uri();
    let is_bare = !uri.path().ends_with('/') && choice.page_path(uri.path()) == "/";
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    is_bare.then(|| format!("{}/{query}", uri.path()))
}

fn redirect(to: &str) -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, to))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static(response::NO_CACHE)))
        .finish()
}

/// Removes the beginning of the path that names the scope, before the routes of the app are matched.
fn remove_prefix(request: &mut ServiceRequest, choice: &Choice) {
    let uri = request.uri();
    let path = choice.page_path(uri.path());
    if path.len() == uri.path().len() {
        return;
    }
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}").parse::<PathAndQuery>(),
        None => path.parse(),
    };
    let removed = PathPrefix(uri.path().strip_suffix(path).unwrap_or_else(|| uri.path()).to_owned());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = target.ok();
    // The end of a valid path is a valid path, so both conversions succeed.
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
        request.extensions_mut().insert(removed);
    }
}

/// The beginning of the path that was removed from a request.
struct PathPrefix(String);

/// Returns a path of the app as the browser has to ask for it: behind the beginning that named the scope of this request.
pub(super) fn with_prefix(request: &HttpRequest, path: &str) -> String {
    let extensions = request.extensions();
    let prefix = extensions.get::<PathPrefix>().map_or("", |prefix| prefix.0.as_str());
    format!("{prefix}{path}")
}

/// Adds the headers for caches, and the cookie of a new visitor.
fn add_headers(headers: &mut HeaderMap, chooser: &ScopeChooser, is_private: bool, visitor: Option<NewVisitor>) {
    let value = |text: &str| HeaderValue::from_str(text).ok();
    if let Some(vary) = value(chooser.vary()).filter(|vary| !vary.is_empty()) {
        headers.append(VARY, vary);
    }
    if is_private {
        let given = headers.get_all(CACHE_CONTROL).filter_map(|given| given.to_str().ok());
        let given = given.collect::<Vec<_>>().join(", ");
        if let Some(private) = value(&private_cache_control(&given)) {
            headers.insert(CACHE_CONTROL, private);
        }
    }
    if let Some(cookie) = visitor.and_then(|new| value(&new.cookie)) {
        headers.append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, web};
    use hotplate_actors::judge::BUCKETS;

    use super::*;
    use crate::scope::{Elsewhere, ScopeOptions, StickyBy, TenantFrom};

    /// Answers with the scope and the path that the app sees.
    async fn seen(request: HttpRequest) -> HttpResponse {
        let scope = scope_of(&request);
        let tenant = scope.tenant.as_ref().map_or("shared", |tenant| tenant.as_str());
        let back = with_prefix(&request, request.path());
        let text = format!("{tenant} {} {} at {back}", scope.stage.as_str(), request.uri());
        HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "public, max-age=60"))
            .body(text)
    }

    /// Returns the status, the body, `Vary`, `Cache-Control` and `Set-Cookie` of an answer.
    async fn ask(options: &ScopeOptions, request: TestRequest) -> (StatusCode, String, [String; 3]) {
        let chooser = Arc::new(ScopeChooser::new(options).expect("valid"));
        let app = App::new()
            .wrap(Scopes::new(chooser))
            .route("/page", web::get().to(seen))
            .default_service(web::to(|| async { HttpResponse::NotFound().body("no route") }));
        let answer = call_service(&init_service(app).await, request.to_request()).await;
        let header = |name| {
            let values = answer.headers().get_all(name).filter_map(|value| value.to_str().ok());
            values.collect::<Vec<_>>().join(" | ")
        };
        let (status, headers) = (answer.status(), [VARY, CACHE_CONTROL, SET_COOKIE].map(header));
        let body = read_body(answer).await;
        (status, String::from_utf8_lossy(&body).into_owned(), headers)
    }

    #[actix_web::test]
    async fn the_app_sees_the_scope_and_the_page() {
        let options = ScopeOptions {
            tenant_from: TenantFrom::Path,
            stage_path: "/@".into(),
            experimental_elsewhere: Elsewhere::Forbidden,
            ..ScopeOptions::default()
        };
        for (path, status, body, cache_control) in [
            (
                "/page?a=b",
                200,
                "shared stable /page?a=b at /page",
                "public, max-age=60",
            ),
            (
                "/@canary/page?a=b",
                200,
                "shared canary /page?a=b at /@canary/page",
                "public, max-age=60",
            ),
            (
                "/t/acme/page",
                200,
                "acme stable /page at /t/acme/page",
                "public, max-age=60",
            ),
            (
                "/t/acme/@canary/page",
                200,
                "acme canary /page at /t/acme/@canary/page",
                "public, max-age=60",
            ),
            ("/t/acme/other", 404, "no route", ""),
            ("/t/acme?a=b", 308, "", "no-cache"),
            ("/@canary", 308, "", "no-cache"),
            ("/@canary/", 404, "no route", ""),
            ("/t/ACME/page", 404, "There is no page here.\n", "private, no-cache"),
            (
                "/@experimental/page",
                403,
                "You may not see this page.\n",
                "private, no-cache",
            ),
        ] {
            let (found, text, headers) = ask(&options, TestRequest::with_uri(path)).await;
            assert_eq!((found.as_u16(), text.as_str()), (status, body), "{path}");
            assert_eq!(headers, ["", cache_control, ""], "{path}");
        }
    }

    #[actix_web::test]
    async fn a_new_visitor_gets_a_cookie_and_keeps_the_stage() {
        let options = ScopeOptions {
            sticky_by: StickyBy::Cookie,
            canary_buckets: BUCKETS / 2,
            ..ScopeOptions::default()
        };
        let mut stages = std::collections::BTreeSet::new();
        for _ in 0..64 {
            let (_, first, [vary, cache_control, cookie]) = ask(&options, TestRequest::with_uri("/page")).await;
            assert_eq!(
                (vary.as_str(), cache_control.as_str()),
                ("cookie", "private, max-age=60")
            );
            assert!(
                cookie.starts_with("hotplate_visitor=") && cookie.contains("HttpOnly"),
                "{cookie}"
            );
            let pair = cookie.split(';').next().expect("a pair").to_owned();
            let again = TestRequest::with_uri("/page").insert_header(("cookie", pair));
            let (_, second, [.., cookie]) = ask(&options, again).await;
            assert_eq!((&second, cookie.as_str()), (&first, ""), "no further cookie");
            stages.insert(first);
        }
        assert_eq!(stages.len(), 2, "half of the visitors get canary");
    }

    #[actix_web::test]
    async fn without_canary_nothing_is_added() {
        let options = ScopeOptions {
            sticky_by: StickyBy::Cookie,
            ..ScopeOptions::default()
        };
        let (_, body, headers) = ask(&options, TestRequest::with_uri("/page")).await;
        assert_eq!(body, "shared stable /page at /page");
        assert_eq!(headers, ["cookie", "public, max-age=60", ""]);
    }
}
