//! [`ETag`]: the validator of a page, and its comparison with `If-None-Match`.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::{EntityTag, Header, HeaderValue, IF_NONE_MATCH, IfNoneMatch};
use hotplate_actors::Digest;
use hotplate_actors::template::Scope;

use crate::scope::scoped_tag;

/// The entity tag of a page. It is weak because a proxy between the server and the browser may compress the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ETag(String);

impl ETag {
    /// Computes a tag from the body. XXH3 runs at memory speed, and 128 bits suffice to distinguish the bodies of one address.
    pub(super) fn of_body(body: &[u8]) -> Self {
        Self(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(body)))
    }

    /// Computes a tag from the digest of an entry's templates and a cache key that the caller chose for the data.
    pub(super) fn of_closure(digest: &Digest, tag: &str) -> Self {
        let both = Digest::over([digest.as_bytes().as_slice(), tag.as_bytes()]);
        Self(format!("{both}"))
    }

    /// Returns the tag for a scope, so that no scope has the tags of another one.
    pub(super) fn in_scope(self, scope: &Scope) -> Self {
        match scoped_tag(scope, &self.0) {
            Cow::Borrowed(_) => self,
            Cow::Owned(tag) => Self(tag),
        }
    }

    /// Returns the header value.
    pub(super) fn value(&self) -> HeaderValue {
        let value = format!("W/\"{}\"", self.0);
        // Hexadecimal digits are always valid in a header.
        HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
    }
}

/// Returns true if the client already has the page: `If-None-Match` contains an equal tag by weak comparison (RFC 9110, 13.1.2),
/// or is `*`.
pub(super) fn is_known(request: &HttpRequest, etag: &ETag) -> bool {
    if !request.headers().contains_key(IF_NONE_MATCH) {
        return false;
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => {
            let etag = EntityTag::new_weak(etag.0.clone());
            known.iter().any(|known| known.weak_eq(&etag))
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn lists_stars_and_weak_tags_are_known() {
        let etag = ETag::of_body(b"body");
        let tag = &etag.0;
        for (header, expected) in [
            (format!("\"{tag}\""), true),
            (format!("W/\"{tag}\""), true),
            (format!("\"other\", W/\"{tag}\" , \"third\""), true),
            (format!("nonsense, \"{tag}\""), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
            (tag.clone(), false),
            (String::new(), false),
        ] {
            let request = TestRequest::get().insert_header((IF_NONE_MATCH, header.as_str()));
            assert_eq!(is_known(&request.to_http_request(), &etag), expected, "{header}");
        }
        assert!(!is_known(&TestRequest::get().to_http_request(), &etag));
    }

    #[test]
    fn a_tag_follows_what_it_is_made_of() {
        assert_eq!(ETag::of_body(b"a"), ETag::of_body(b"a"));
        assert_ne!(ETag::of_body(b"a"), ETag::of_body(b"b"));
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        assert_eq!(ETag::of_closure(&one, "x"), ETag::of_closure(&one, "x"));
        assert_ne!(ETag::of_closure(&one, "x"), ETag::of_closure(&one, "y"));
        assert_ne!(ETag::of_closure(&one, "x"), ETag::of_closure(&two, "x"));
        assert!(
            ETag::of_body(b"a")
                .value()
                .to_str()
                .is_ok_and(|value| value.starts_with("W/\"") && value.len() == 36)
        );
    }
}
