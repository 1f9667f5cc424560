//! [`Conditions`]: evaluates conditional and range requests by RFC 9110 (13.2.2, 14.2), without I/O.

use std::time::SystemTime;

use actix_web::HttpRequest;
use actix_web::http::header::{
    ByteRangeSpec, EntityTag, Header, HeaderName, IF_MATCH, IF_NONE_MATCH, IF_RANGE, IfMatch, IfModifiedSince,
    IfNoneMatch, IfRange, IfUnmodifiedSince, RANGE, Range,
};
use actix_web::http::{Method, StatusCode};

use super::validators::Validators;

/// The ranges that a request asks for, and its conditions.
#[derive(Debug)]
pub(super) struct Conditions {
    head: bool,
    if_match: Option<IfMatch>,
    if_unmodified_since: Option<SystemTime>,
    if_none_match: Option<IfNoneMatch>,
    if_modified_since: Option<SystemTime>,
    if_range: IfUnchanged,
    /// The requested byte ranges; other units are ignored.
    ranges: Option<Vec<ByteRangeSpec>>,
}

/// The condition of `If-Range`: a part is sent only if the file is unchanged.
#[derive(Debug)]
enum IfUnchanged {
    /// The header is absent.
    Anyway,
    Tag(EntityTag),
    Date(SystemTime),
    /// The header is invalid, so no file counts as unchanged.
    Never,
}

/// The decision about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestDecision {
    /// 200.
    Whole,
    /// 206: the bytes from `first` to `last`, both included.
    Part { first: u64, last: u64 },
    /// 304: the client has it already.
    Known,
    /// 412: a condition of the client does not hold.
    Failed,
    /// 416: there are no such bytes.
    Beyond,
}

impl RequestDecision {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Whole => StatusCode::OK,
            Self::Part { .. } => StatusCode::PARTIAL_CONTENT,
            Self::Known => StatusCode::NOT_MODIFIED,
            Self::Failed => StatusCode::PRECONDITION_FAILED,
            Self::Beyond => StatusCode::RANGE_NOT_SATISFIABLE,
        }
    }

    /// Returns the offset and the number of the bytes in the answer, if it has any.
    pub(super) fn bytes(self, size: u64) -> Option<(u64, u64)> {
        match self {
            Self::Whole => Some((0, size)),
            Self::Part { first, last } => Some((first, last - first + 1)),
            Self::Known | Self::Failed | Self::Beyond => None,
        }
    }
}

impl Conditions {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let has = |name: HeaderName| request.headers().contains_key(name);
        // If no tag can be parsed, none matches; a date that cannot be parsed is ignored.
        let if_match = || IfMatch::parse(request).unwrap_or_else(|_| IfMatch::Items(Vec::new()));
        let if_none_match = || IfNoneMatch::parse(request).unwrap_or_else(|_| IfNoneMatch::Items(Vec::new()));
        Self {
            head: *request.method() == Method::HEAD,
            if_match: has(IF_MATCH).then(if_match),
            if_unmodified_since: only::<IfUnmodifiedSince>(request).map(|date| date.0.into()),
            if_none_match: has(IF_NONE_MATCH).then(if_none_match),
            if_modified_since: only::<IfModifiedSince>(request).map(|date| date.0.into()),
            if_range: match (has(IF_RANGE), only::<IfRange>(request)) {
                (false, _) => IfUnchanged::Anyway,
                (true, None) => IfUnchanged::Never,
                (true, Some(IfRange::EntityTag(tag))) => IfUnchanged::Tag(tag),
                (true, Some(IfRange::Date(date))) => IfUnchanged::Date(date.into()),
            },
            ranges: ranges(request),
        }
    }

    /// Returns true if bytes are to be sent, where there are any.
    pub(super) fn wants_content(&self) -> bool {
        !self.head
    }

    /// Decides in the order of RFC 9110, 13.2.2.
    pub(super) fn judge(&self, size: u64, validators: &Validators) -> RequestDecision {
        let Validators { etag, modified } = validators;
        let unchanged_since = |date: SystemTime| modified.is_some_and(|modified| modified <= date);
        let strong = |tag: &EntityTag| etag.as_ref().is_some_and(|etag| etag.strong_eq(tag));
        let weak = |tag: &EntityTag| etag.as_ref().is_some_and(|etag| etag.weak_eq(tag));
        let holds = match (&self.if_match, self.if_unmodified_since) {
            (Some(IfMatch::Any), _) | (None, None) => true,
            (Some(IfMatch::Items(tags)), _) => tags.iter().any(strong),
            // If the file has no date, the condition is ignored.
            (None, Some(date)) => modified.is_none() || unchanged_since(date),
        };
        if !holds {
            return RequestDecision::Failed;
        }
        let known = match (&self.if_none_match, self.if_modified_since) {
            (Some(IfNoneMatch::Any), _) => true,
            (Some(IfNoneMatch::Items(tags)), _) => tags.iter().any(weak),
            (None, Some(date)) => unchanged_since(date),
            (None, None) => false,
        };
        if known {
            return RequestDecision::Known;
        }
        let same = match &self.if_range {
            IfUnchanged::Anyway => true,
            IfUnchanged::Tag(tag) => strong(tag),
            IfUnchanged::Date(date) => *modified == Some(*date),
            IfUnchanged::Never => false,
        };
        match &self.ranges {
            // A range is defined for GET only.
            Some(ranges) if same && !self.head => part(ranges, size),
            _ => RequestDecision::Whole,
        }
    }
}

/// Returns a header that may occur only once; `None` if it is absent, repeated or invalid.
fn only<H: Header>(request: &HttpRequest) -> Option<H> {
    let mut lines = request.headers().get_all(H::name());
    lines.next()?;
    match lines.next() {
        None => H::parse(request).ok(),
        Some(_) => None,
    }
}

/// Returns the requested byte ranges. Other units and invalid ranges are ignored, which RFC 9110 permits (14.2).
fn ranges(request: &HttpRequest) -> Option<Vec<ByteRangeSpec>> {
    let Range::Bytes(ranges) = only::<Range>(request)? else {
        return None;
    };
    let written = request.headers().get(RANGE)?.to_str().ok()?;
    let written = written.split(',').filter(|range| !range.trim().is_empty()).count();
    let backwards = |range: &ByteRangeSpec| matches!(range, ByteRangeSpec::FromTo(first, last) if last < first);
    // The parser leaves out ranges that it cannot parse.
    (ranges.len() == written && !ranges.iter().any(backwards)).then_some(ranges)
}

/// Decides about ranges of a file of `size` bytes. Several parts would need a multipart body, which hardly any client asks for and
/// no client may rely on, so they are answered with the whole file.
fn part(ranges: &[ByteRangeSpec], size: u64) -> RequestDecision {
    let parts: Vec<_> = ranges
        .iter()
        .filter_map(|range| range.to_satisfiable_range(size))
        .collect();
    match parts[..] {
        [(first, last)] => RequestDecision::Part { first, last },
        // For an empty file, a range of the last bytes is the whole file.
        [] if size == 0 && ranges.iter().any(|range| matches!(range, ByteRangeSpec::Last(1..))) => {
            RequestDecision::Whole
        }
        [] => RequestDecision::Beyond,
        [_, ..] => RequestDecision::Whole,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use actix_web::test::TestRequest;

    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    /// The time of `DATE` in an obsolete format of RFC 9110 (5.6.7).
    const OBSOLETE: &str = "Sunday, 06-Nov-94 08:49:37 GMT";

    fn judged(method: Method, headers: &[(&str, &str)], size: u64, validators: &Validators) -> RequestDecision {
        let request = headers
            .iter()
            .fold(TestRequest::default().method(method), |request, (name, value)| {
                request.append_header((*name, *value))
            });
        Conditions::of(&request.to_http_request()).judge(size, validators)
    }

    fn both() -> Validators {
        Validators {
            etag: Some(EntityTag::new_strong("t".to_owned())),
            modified: Some(UNIX_EPOCH + Duration::from_secs(784_111_777)),
        }
    }

    const WHOLE: RequestDecision = RequestDecision::Whole;

    const fn bytes(first: u64, last: u64) -> RequestDecision {
        RequestDecision::Part { first, last }
    }

    #[test]
    fn conditions_hold_in_their_order() {
        let (known, failed) = (RequestDecision::Known, RequestDecision::Failed);
        for (headers, expected) in [
            (&[][..], WHOLE),
            // 13.1.1: strongly compared.
            (&[("if-match", "\"t\"")], WHOLE),
            (&[("if-match", "\"x\", \"t\"")], WHOLE),
            (&[("if-match", "\"x\""), ("if-match", "\"t\"")], WHOLE),
            (&[("if-match", "*")], WHOLE),
            (&[("if-match", "\"x\"")], failed),
            (&[("if-match", "W/\"t\"")], failed),
            (&[("if-match", "t")], failed),
            // 13.1.4, only without If-Match.
            (&[("if-unmodified-since", DATE)], WHOLE),
            (&[("if-unmodified-since", AFTER)], WHOLE),
            (&[("if-unmodified-since", BEFORE)], failed),
            (&[("if-unmodified-since", "yesterday")], WHOLE),
            (
                &[("if-unmodified-since", BEFORE), ("if-unmodified-since", BEFORE)],
                WHOLE,
            ),
            (&[("if-match", "\"t\""), ("if-unmodified-since", BEFORE)], WHOLE),
            (&[("if-match", "\"x\""), ("if-unmodified-since", AFTER)], failed),
            // 13.1.2: weakly compared.
            (&[("if-none-match", "\"t\"")], known),
            (&[("if-none-match", "W/\"t\"")], known),
            (&[("if-none-match", "\"x\", W/\"t\"")], known),
            (&[("if-none-match", "*")], known),
            (&[("if-none-match", "\"x\"")], WHOLE),
            (&[("if-none-match", "")], WHOLE),
            // 13.1.3, only without If-None-Match.
            (&[("if-modified-since", DATE)], known),
            (&[("if-modified-since", OBSOLETE)], known),
            (&[("if-modified-since", AFTER)], known),
            (&[("if-modified-since", BEFORE)], WHOLE),
            (&[("if-modified-since", "yesterday")], WHOLE),
            (&[("if-modified-since", DATE), ("if-modified-since", DATE)], WHOLE),
            (&[("if-none-match", "\"x\""), ("if-modified-since", DATE)], WHOLE),
            (&[("if-none-match", "\"t\""), ("if-modified-since", BEFORE)], known),
            // 13.2.2: preconditions that must hold come before `If-None-Match`, and both come before a range.
            (&[("if-match", "\"x\""), ("if-none-match", "\"t\"")], failed),
            (&[("if-match", "\"t\""), ("if-none-match", "\"t\"")], known),
            (&[("if-none-match", "\"t\""), ("range", "bytes=0-1")], known),
            (&[("if-match", "\"x\""), ("range", "bytes=0-1")], failed),
            (&[("if-match", "\"t\""), ("range", "bytes=0-1")], bytes(0, 1)),
            // 13.1.5: only with a range, strongly compared, a date exactly.
            (&[("if-range", "\"t\""), ("range", "bytes=2-")], bytes(2, 9)),
            (&[("if-range", DATE), ("range", "bytes=2-")], bytes(2, 9)),
            (&[("if-range", OBSOLETE), ("range", "bytes=2-")], bytes(2, 9)),
            (&[("if-range", "\"x\""), ("range", "bytes=2-")], WHOLE),
            (&[("if-range", "W/\"t\""), ("range", "bytes=2-")], WHOLE),
            (&[("if-range", AFTER), ("range", "bytes=2-")], WHOLE),
            (&[("if-range", BEFORE), ("range", "bytes=2-")], WHOLE),
            (&[("if-range", "nonsense"), ("range", "bytes=2-")], WHOLE),
            (&[("if-range", "\"x\""), ("range", "bytes=99-")], WHOLE),
            (
                &[("if-range", "\"t\""), ("range", "bytes=99-")],
                RequestDecision::Beyond,
            ),
            (&[("if-range", "\"x\"")], WHOLE),
        ] {
            assert_eq!(judged(Method::GET, headers, 10, &both()), expected, "{headers:?}");
            let of_head = match expected {
                RequestDecision::Part { .. } | RequestDecision::Beyond => WHOLE,
                other => other,
            };
            assert_eq!(judged(Method::HEAD, headers, 10, &both()), of_head, "HEAD {headers:?}");
        }
    }

    #[test]
    fn a_file_without_validators_is_never_known() {
        for (headers, expected) in [
            (&[("if-none-match", "\"t\"")][..], WHOLE),
            (&[("if-none-match", "*")], RequestDecision::Known),
            (&[("if-modified-since", AFTER)], WHOLE),
            (&[("if-match", "\"t\"")], RequestDecision::Failed),
            (&[("if-match", "*")], WHOLE),
            (&[("if-unmodified-since", BEFORE)], WHOLE),
            (&[("if-range", "\"t\""), ("range", "bytes=2-")], WHOLE),
            (&[("if-range", DATE), ("range", "bytes=2-")], WHOLE),
            (&[("range", "bytes=2-")], bytes(2, 9)),
        ] {
            assert_eq!(
                judged(Method::GET, headers, 10, &Validators::default()),
                expected,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn ranges_are_parts_of_any_size() {
        let largest = u64::MAX;
        for (range, size, expected) in [
            ("bytes=0-0", 10, bytes(0, 0)),
            ("bytes=9-", 10, bytes(9, 9)),
            ("bytes=0-", 10, bytes(0, 9)),
            ("bytes=3-99", 10, bytes(3, 9)),
            ("bytes=-3", 10, bytes(7, 9)),
            ("bytes=-99", 10, bytes(0, 9)),
            ("bytes= 1-2", 10, bytes(1, 2)),
            ("bytes=10-", 10, RequestDecision::Beyond),
            ("bytes=10-20", 10, RequestDecision::Beyond),
            ("bytes=-0", 10, RequestDecision::Beyond),
            ("bytes=20-,30-40", 10, RequestDecision::Beyond),
            // Several ranges: the only one that can be satisfied, otherwise the whole file.
            ("bytes=2-3,50-", 10, bytes(2, 3)),
            ("bytes=0-1,8-9", 10, WHOLE),
            ("bytes=0-1,1-2", 10, WHOLE),
            ("bytes=0-0,-1", 10, WHOLE),
            // No range, or an unknown unit.
            ("lines=1-2", 10, WHOLE),
            ("Bytes", 10, WHOLE),
            ("bytes", 10, WHOLE),
            ("bytes=", 10, WHOLE),
            ("bytes=x", 10, WHOLE),
            ("bytes=-", 10, WHOLE),
            ("bytes=3-2", 10, WHOLE),
            ("bytes=1-2,x", 10, WHOLE),
            ("bytes=0-99999999999999999999999", 10, WHOLE),
            ("", 10, WHOLE),
            // Empty files, and ranges beyond the end.
            ("bytes=0-", 0, RequestDecision::Beyond),
            ("bytes=-5", 0, WHOLE),
            ("bytes=-0", 0, RequestDecision::Beyond),
            ("bytes=0-", largest, bytes(0, largest - 1)),
            ("bytes=-1", largest, bytes(largest - 1, largest - 1)),
            (
                "bytes=18446744073709551614-18446744073709551615",
                largest,
                bytes(largest - 1, largest - 1),
            ),
            ("bytes=18446744073709551615-", largest, RequestDecision::Beyond),
        ] {
            let verdict = judged(Method::GET, &[("range", range)], size, &both());
            assert_eq!(verdict, expected, "{range} of {size}");
            assert!(
                verdict
                    .bytes(size)
                    .is_none_or(|(at, length)| at.checked_add(length).is_some_and(|end| end <= size))
            );
            assert_eq!(
                judged(Method::HEAD, &[("range", range)], size, &both()),
                WHOLE,
                "HEAD {range}"
            );
        }
        let twice = [("range", "bytes=0-1"), ("range", "bytes=2-3")];
        assert_eq!(judged(Method::GET, &twice, 10, &both()), WHOLE);
    }
}
