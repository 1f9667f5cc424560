//! Reads from a request who asks for a change, why, and which version the caller has seen.

use actix_web::http::header::IF_MATCH;
use actix_web::{HttpMessage, HttpRequest};
use hotplate_actors::cause::{BY_BYTES_MAX, REASON_BYTES_MAX};
use hotplate_actors::{Cause, Version};

use super::problem::Problem;
use super::subjects::Caller;

/// Returns the cause of a change. `by` and `reason` are what the caller says. A subject with a token of its own is named in any case; of the
/// others, who share one token, a caller that gives no name is `listener`. The trace is that of the W3C header `traceparent`.
///
/// # Errors
/// A problem if one of the texts is too long.
pub(super) fn cause(
    request: &HttpRequest,
    listener: &str,
    by: Option<&str>,
    reason: Option<&str>,
) -> Result<Cause, Problem> {
    for (field, text, max) in [("by", by, BY_BYTES_MAX), ("reason", reason, REASON_BYTES_MAX)] {
        within(field, text.unwrap_or_default(), max)?;
    }
    let by = by.filter(|by| !by.trim().is_empty());
    let extensions = request.extensions();
    let subject = extensions.get::<Caller>().and_then(Caller::name);
    let by = match (subject, by) {
        // What a caller says does not hide whose token it has.
        (Some(subject), Some(by)) => format!("{subject} for {by}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => listener.to_owned(),
    };
    let cause = Cause::by(&by).reason(reason.unwrap_or_default());
    Ok(cause.trace(trace(request).unwrap_or_default()))
}

/// Checks the length of a field.
///
/// # Errors
/// A problem that names the field.
pub(super) fn within(field: &str, text: &str, max: usize) -> Result<(), Problem> {
    match text.len() > max {
        true => Err(Problem::refused(format!("`{field}` may have {max} bytes at most"))),
        false => Ok(()),
    }
}

/// Returns the version that has to be served for the command to be carried out: that of the header `If-Match`, as `/admin/v1/version`
/// sends it in `ETag`.
///
/// # Errors
/// A problem if the header is not the tag of one version.
pub(super) fn expected(request: &HttpRequest) -> Result<Option<Version>, Problem> {
    let mut sent = request.headers().get_all(IF_MATCH);
    let Some(value) = sent.next() else {
        return Ok(None);
    };
    let value = value.to_str().unwrap_or_default().trim();
    if value == "*" {
        return Ok(None);
    }
    // A tag has quotes; a number without them is as clear. The OpenAPI document allows both, and as many digits.
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let is_number = |digits: &&str| digits.len() <= 19 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let digits = Some(unquoted.unwrap_or(value)).filter(is_number);
    match (digits.and_then(|digits| digits.parse().ok()), sent.next()) {
        (Some(number), None) => Ok(Some(Version::from_number(number))),
        _ => Err(Problem::bad_request(
            "`If-Match` has to be the `ETag` of `/admin/v1/version`: the number of a version in quotes, such as \"7\"",
        )),
    }
}

/// Returns the tag of a version, as `If-Match` has it.
pub(super) fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Returns the trace id of a valid `traceparent`: `00-<32 hexadecimal digits>-<16>-<2>`.
fn trace(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = header.split('-').take(5).collect();
    let is_hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match parts[..] {
        [version, trace, parent, flags, ..]
            if is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2) =>
        {
            Some(trace)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn headers_are_read_or_refused() {
        let of = |header: (&'static str, &'static str)| TestRequest::default().insert_header(header).to_http_request();
        for (sent, expected) in [
            ("\"7\"", Ok(Some(7))),
            (" \"0\" ", Ok(Some(0))),
            ("*", Ok(None)),
            ("7", Ok(Some(7))),
            ("\"7", Err(())),
            ("\"\"", Err(())),
            ("\"7\", \"8\"", Err(())),
            ("W/\"7\"", Err(())),
            ("\"-7\"", Err(())),
            ("\"9999999999999999999\"", Ok(Some(9_999_999_999_999_999_999))),
            ("\"10000000000000000000\"", Err(())),
        ] {
            let read = super::expected(&of(("if-match", sent)));
            let read = read.map(|version| version.map(Version::number)).map_err(|_| ());
            assert_eq!(read, expected, "{sent}");
        }
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (sent, expected) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(id)),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", None),
            ("4bf92f3577b34da6a3ce929d0e0e4736", None),
            ("", None),
        ] {
            assert_eq!(trace(&of(("traceparent", sent))), expected, "{sent}");
        }
    }

    #[test]
    fn a_caller_without_a_name_is_the_listener() {
        let request = TestRequest::default().to_http_request();
        let shown = |by, reason| {
            cause(&request, "admin API", by, reason)
                .map(|cause| cause.to_string())
                .ok()
        };
        assert_eq!(shown(None, None).as_deref(), Some("admin API"));
        assert_eq!(shown(Some(" "), Some("x")).as_deref(), Some("admin API: x"));
        assert_eq!(shown(Some("alice"), Some("x")).as_deref(), Some("alice: x"));
        let (by, reason) = ("b".repeat(BY_BYTES_MAX + 1), "r".repeat(REASON_BYTES_MAX + 1));
        assert_eq!(shown(Some(&by), None), None);
        assert_eq!(shown(None, Some(&reason)), None);
        assert!(shown(Some(&by[1..]), Some(&reason[1..])).is_some());
    }
}
