//! [`ETag`]: what a page is recognised by, and whether a browser has it already.

use actix_web::HttpRequest;
use actix_web::http::header::{EntityTag, Header, HeaderValue, IF_NONE_MATCH, IfNoneMatch};
use hotplate_actors::Digest;

/// Of one page. Weak, for whoever stands between here and the browser may compress it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ETag(String);

impl ETag {
    /// Of what is sent. XXH3 runs at the speed of memory, and its 128 bits tell the bodies of one address apart.
    pub(super) fn of_body(body: &[u8]) -> Self {
        Self(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(body)))
    }

    /// Of the texts of an entry, and of a word that says which data they show.
    pub(super) fn of_closure(digest: &Digest, tag: &str) -> Self {
        let both = Digest::over([digest.as_bytes().as_slice(), tag.as_bytes()]);
        Self(format!("{both}"))
    }

    /// As a header.
    pub(super) fn value(&self) -> HeaderValue {
        let shown = format!("W/\"{}\"", self.0);
        // Hexadecimal digits are good in a header.
        HeaderValue::from_str(&shown).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
    }
}

/// Whether a request says that its sender has the page already: one of the tags in `If-None-Match` is the same, weakly compared
/// (RFC 9110, 13.1.2), or it is `*`.
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
