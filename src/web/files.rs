//! Static files under `static/`. The directory may appear and disappear while the server runs.
//!
//! A thread of the blocking pool opens the file ([`place`]), determines its validators and content type ([`validators`], [`kind`]),
//! evaluates the conditions and ranges of the request by RFC 9110 ([`conditions`]) and reads the first bytes. The rest is read as
//! the client takes it ([`body`]).

mod body;
mod conditions;
mod kind;
mod place;
mod validators;

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use actix_web::body::None as NoBody;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use hotplate_actors::Links;
use hotplate_actors::template::spellings;

use body::{FileChunks, HeadBody};
use conditions::{Conditions, RequestDecision};
use validators::{Stamps, Validators};

/// A directory whose files are served as they are.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) directory: PathBuf,
    /// The rule for symbolic links below the directory.
    pub(super) links: Links,
    /// The value of `Cache-Control`; `None` leaves the header out.
    pub(super) cache_control: Option<HeaderValue>,
}

/// A file, and the decision about a request for it.
struct FoundFile {
    verdict: RequestDecision,
    size: u64,
    validators: Validators,
    kind: String,
    /// The file and the first requested bytes; `None` if the answer has no content.
    content: Option<(File, Bytes)>,
}

impl Files {
    /// Answers a decoded path without a leading slash, such as `static/site.css`; `None` if there is no such file. Hidden files, files
    /// outside the directory and anything but regular files count as absent.
    pub(super) async fn answer(self, request: &HttpRequest, path: &str) -> Option<HttpResponse> {
        let below = place::below(path.strip_prefix("static/")?)?;
        let conditions = Conditions::of(request);
        let cache_control = self.cache_control.clone();
        let found = web::block(move || self.find(&below, &conditions)).await;
        match found.map_err(io::Error::other).flatten() {
            Ok(found) => found.map(|found| found.respond(cache_control)),
            Err(error) if place::is_absence(&error) => None,
            Err(error) => {
                tracing::error!(path, %error, "a static file cannot be read; it is answered with 503");
                let mut answer = HttpResponse::ServiceUnavailable();
                answer.insert_header((RETRY_AFTER, HeaderValue::from_static("1")));
                Some(answer.body("This file cannot be read at the moment.\n"))
            }
        }
    }

    /// Opens a file by its name or, if there is none, by another Unicode spelling of it, by the rule that is used for pages.
    fn open(&self, below: &Path) -> io::Result<Option<(File, Metadata)>> {
        let open = |below: &Path| match place::open(&self.directory, below, self.links) {
            Err(error) if place::is_absence(&error) => Ok(None),
            found => found,
        };
        if let Some(found) = open(below)? {
            return Ok(Some(found));
        }
        let others = spellings(below.to_str().unwrap_or_default()).filter_map(|other| place::below(&other));
        let mut found = others.map(|other| open(&other));
        found.find(|found| !matches!(found, Ok(None))).unwrap_or(Ok(None))
    }

    fn find(&self, below: &Path, conditions: &Conditions) -> io::Result<Option<FoundFile>> {
        let Some((mut file, metadata)) = self.open(below)? else {
            return Ok(None);
        };
        let size = metadata.len();
        let validators = Validators::new(&Stamps::of(&metadata), SystemTime::now());
        let verdict = conditions.judge(size, &validators);
        let kind = match kind::by_name(below) {
            Some(kind) => kind,
            None => kind::by_content(&body::read(&mut file, 0, kind::SNIFFED_BYTES)?).to_owned(),
        };
        let content = match verdict.bytes(size).filter(|_| conditions.wants_content()) {
            Some((at, length)) => {
                let first = body::read(&mut file, at, length)?;
                Some((file, first))
            }
            None => None,
        };
        Ok(Some(FoundFile {
            verdict,
            size,
            validators,
            kind,
            content,
        }))
    }
}

impl FoundFile {
    fn respond(self, cache_control: Option<HeaderValue>) -> HttpResponse {
        let Self {
            verdict,
            size,
            validators,
            kind,
            content,
        } = self;
        let mut answer = HttpResponse::build(verdict.status());
        answer.insert_header((ACCEPT_RANGES, HeaderValue::from_static("bytes")));
        match verdict {
            // These two answers must not be cached, so they get no further headers.
            RequestDecision::Failed => return answer.finish(),
            RequestDecision::Beyond => {
                answer.insert_header((CONTENT_RANGE, format!("bytes */{size}")));
                return answer.finish();
            }
            RequestDecision::Part { first, last } => {
                answer.insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{size}")));
                // Compressing a part would make it unusable, so no middleware may do that.
                answer.insert_header((CONTENT_ENCODING, HeaderValue::from_static("identity")));
            }
            RequestDecision::Whole | RequestDecision::Known => {}
        }
        if let Some(cache_control) = cache_control {
            answer.insert_header((CACHE_CONTROL, cache_control));
        }
        validators.describe(&mut answer);
        match verdict.bytes(size) {
            None => answer.finish().set_body(NoBody::new()).map_into_boxed_body(),
            Some((at, length)) => {
                answer.insert_header((CONTENT_TYPE, kind));
                with_content(answer, at, length, content)
            }
        }
    }
}

fn with_content(mut answer: HttpResponseBuilder, at: u64, length: u64, content: Option<(File, Bytes)>) -> HttpResponse {
    match content {
        None => answer.body(HeadBody(length)),
        Some((_, first)) if first.len() as u64 == length => answer.body(first),
        Some((file, first)) => answer.body(FileChunks::new(file, first, at, length)),
    }
}
