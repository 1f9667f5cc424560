//! Decides if a page gets the script and at which position, and builds its tag.
//!
//! The script goes before the last `</body>`. That tag may also occur as text in comments, scripts and attributes. Mostly nothing but
//! `</html>` follows the last one, and then it is the real end of the body; only otherwise the page is scanned from its start,
//! skipping comments, quoted attribute values and raw text elements like the tokenizer of the HTML Standard (13.2.5).

use std::borrow::Cow;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderMap};
use actix_web::{HttpMessage, HttpRequest};

use crate::web::escaped::escaped;

/// The nonce of the answer's content security policy. The middleware that creates the policy puts it into the extensions of the
/// request, so that the script of live reload is allowed.
///
/// It is not needed for a policy that is set by [`Page::header`](crate::web::Page::header), whose nonce is found there, nor for a
/// policy that allows scripts of its own origin (`'self'`).
///
/// ```
/// use actix_web::HttpMessage;
/// use hotplate::web::Nonce;
///
/// # let request = actix_web::test::TestRequest::get().to_http_request();
/// request.extensions_mut().insert(Nonce("bm9uY2U".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(pub String);

/// The kind of content that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// A document to display, or the script's request for its own page.
    Document,
    /// A fragment for a script.
    Fragment,
    /// Unknown: browsers send `Sec-Fetch-Dest` only over TLS and to local servers.
    Unknown,
}

/// Returns the kind of content that the headers of a request ask for.
pub(super) fn requested_kind(headers: &HeaderMap) -> RequestKind {
    if headers.contains_key("x-hotplate-live") {
        return RequestKind::Document;
    }
    match headers.get("sec-fetch-dest").map(|value| value.as_bytes()) {
        None => RequestKind::Unknown,
        Some(b"document" | b"iframe" | b"frame" | b"object" | b"embed") => RequestKind::Document,
        Some(_) => RequestKind::Fragment,
    }
}

/// Returns the nonce that the policy of this answer requires, if there is one.
pub(super) fn nonce(request: &HttpRequest, headers: &HeaderMap) -> Option<String> {
    let given = request.extensions().get::<Nonce>().map(|nonce| nonce.0.clone());
    let policies = headers.get_all(CONTENT_SECURITY_POLICY);
    given.or_else(|| policies.filter_map(|policy| nonce_in(policy.to_str().ok()?)).next())
}

/// Returns the nonce for scripts in a policy.
fn nonce_in(policy: &str) -> Option<String> {
    let directive = |name: &str| {
        policy.split(';').find_map(|directive| {
            let (found, values) = directive.trim().split_once(char::is_whitespace)?;
            found.eq_ignore_ascii_case(name).then_some(values)
        })
    };
    let values = ["script-src-elem", "script-src", "default-src"]
        .into_iter()
        .find_map(directive)?;
    let quoted = values
        .split_whitespace()
        .find_map(|value| value.strip_prefix("'nonce-"))?;
    quoted.strip_suffix('\'').map(str::to_owned)
}

/// Builds the tag of the script.
pub(super) fn tag(address: &str, state: &str, nonce: Option<&str>) -> String {
    let nonce = nonce
        .map(|nonce| format!(" nonce=\"{}\"", escaped(nonce)))
        .unwrap_or_default();
    format!(
        "<script src=\"{}\" data-hotplate='{}'{nonce} async></script>",
        escaped(address),
        in_single_quotes(state)
    )
}

/// Escapes JSON for an attribute in single quotes, in which its many double quotes stay as they are.
fn in_single_quotes(json: &str) -> Cow<'_, str> {
    match json.contains(['&', '<', '>', '\'']) {
        true => escaped(json).into(),
        false => json.into(),
    }
}

/// Returns the position of the script: before the last real `</body>`, or at the end of a page without one; `None` for a fragment.
pub(super) fn place(html: &str, requested_kind: RequestKind) -> Option<usize> {
    if requested_kind == RequestKind::Fragment {
        return None;
    }
    let whole = requested_kind == RequestKind::Document || begins_a_document(html);
    last_body_end(html).or_else(|| whole.then_some(html.len()))
}

/// Inserts a text at a position.
pub(super) fn insert(mut html: String, at: usize, what: &str) -> String {
    html.insert_str(at, what);
    html
}

/// Returns true if a page may contain `<base>`. One in a comment counts as well, because an absolute address is always correct.
pub(super) fn has_base(html: &str) -> bool {
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        if opens(&rest[at..], "base") {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

fn begins_a_document(html: &str) -> bool {
    let start = html.trim_start_matches('\u{feff}').trim_start();
    starts_with(start, "<!doctype") || starts_with(start, "<html")
}

fn starts_with(text: &str, lower: &str) -> bool {
    let start = text.as_bytes().get(..lower.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(lower.as_bytes()))
}

/// Returns the position of the last `</body>` that a browser parses as a tag.
fn last_body_end(html: &str) -> Option<usize> {
    let last = last_text(html)?;
    // Usually only `</html>` follows. Then the tag is not inside of a comment or a script, unless the page is truncated.
    let after = html[last..].find('>').map_or("", |end| &html[last + end + 1..]).trim();
    if after.is_empty() || (starts_with(after, "</html") && after.find('>') == Some(after.len() - 1)) {
        return Some(last);
    }
    last_tag(html)
}

/// Returns the position of the last text `</body`, even where it is not a tag.
fn last_text(html: &str) -> Option<usize> {
    let mut end = html.len();
    while let Some(at) = html.as_bytes()[..end].iter().rposition(|byte| *byte == b'<') {
        if is_body_end(&html[at..]) {
            return Some(at);
        }
        end = at;
    }
    None
}

fn is_body_end(text: &str) -> bool {
    let follows = text.as_bytes().get("</body".len());
    starts_with(text, "</body") && follows.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-')
}

/// Raw text elements: a browser parses no tags in their content.
const RAW: [&str; 8] = [
    "script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes",
];

/// Returns the position of the last `</body>` outside of comments, attributes and raw text elements.
fn last_tag(html: &str) -> Option<usize> {
    let mut last = None;
    let mut at = 0;
    while let Some(next) = html[at..].find('<') {
        let start = at + next;
        let rest = &html[start..];
        if rest.starts_with("<!--") {
            at = start + 4;
            at += html[at..].find("-->").map_or(html.len() - at, |end| end + 3);
        } else if let Some(raw) = RAW.iter().find(|raw| opens(rest, raw)) {
            at = start + tag_length(rest);
            at += end_of_raw(&html[at..], raw);
        } else {
            if is_body_end(rest) {
                last = Some(start);
            }
            let is_tag = rest[1..].starts_with(|next: char| next.is_ascii_alphabetic() || next == '/' || next == '!');
            at = start + if is_tag { tag_length(rest) } else { 1 };
        }
    }
    last
}

fn opens(text: &str, element: &str) -> bool {
    let follows = text.as_bytes().get(1 + element.len());
    text.get(1..).is_some_and(|name| starts_with(name, element))
        && follows.is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
}

/// Returns the length of a tag; a `>` inside of quotes does not end it.
fn tag_length(tag: &str) -> usize {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            // Only the value of an attribute is quoted.
            (None, b'"' | b'\'') if tag[..at].trim_end().ends_with('=') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    tag.len()
}

/// Returns the number of bytes before the end tag of a raw text element.
fn end_of_raw(text: &str, element: &str) -> usize {
    let mut at = 0;
    while let Some(next) = text[at..].find("</") {
        at += next;
        let name = &text[at + 2..];
        if starts_with(name, element) && !name[element.len()..].starts_with(|next: char| next.is_ascii_alphanumeric()) {
            return at;
        }
        at += 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_goes_before_the_last_body_end() {
        // `¦` marks the position.
        for page in [
            "<html><body>a¦</body></html>",
            "<BODY>a¦</BODY >\n</HTML>\n",
            "<body>a¦</body>",
            "<body><script>var s = '</body>';</script>b¦</body></html>",
            "<body>a¦</body><script>var s = '</body>';</script></html>",
            "<body>a¦</body></html><!-- </body> -->",
            "<body><title></body></title><textarea></body></textarea>¦</body><p title='</body>'>",
            "<body>1 < 2 ¦</body><style>p::after { content: \"</body>\" }</style>",
            "<body></bodyguard>¦</body></html>",
            "<!doctype html><title>a</title><p>b¦",
            "\u{feff} <html><body>no end¦",
            "<body><script>'</body>'</script>¦</body><script>'</scripty></body>'</script>",
        ] {
            let (before, after) = page.split_once('¦').expect("a place");
            let html = format!("{before}{after}");
            assert_eq!(place(&html, RequestKind::Unknown), Some(before.len()), "{page}");
            assert_eq!(place(&html, RequestKind::Document), Some(before.len()), "{page}");
            assert_eq!(place(&html, RequestKind::Fragment), None, "{page}");
        }
    }

    #[test]
    fn a_fragment_gets_no_script() {
        for fragment in [
            "<li>1</li>",
            "",
            "<p>a</p><script>'</body>'</script>",
            "<!-- </body> --> a",
        ] {
            assert_eq!(place(fragment, RequestKind::Unknown), None, "{fragment}");
            assert_eq!(
                place(fragment, RequestKind::Document),
                Some(fragment.len()),
                "{fragment}"
            );
        }
    }

    #[test]
    fn incomplete_html_does_not_panic() {
        for html in [
            "<",
            "</",
            "</body",
            "<!--",
            "<script",
            "<script>",
            "<a b='",
            "<ü",
            "ü</body",
            "</body>ü",
            "<script>ü</s",
        ] {
            for kind in [RequestKind::Document, RequestKind::Unknown] {
                assert!(place(html, kind).is_none_or(|at| html.is_char_boundary(at)), "{html}");
            }
        }
    }

    #[test]
    fn base_elements_are_found() {
        for (html, expected) in [
            ("<head><base href='https://elsewhere.test/'>", true),
            ("<head><BASE\nhref=/a/>", true),
            ("<base/>", true),
            ("<body>late<Base target=_blank></body>", true),
            ("<head><basefont><p title='base'>base</p>", false),
            ("a < base", false),
            ("<base", false),
            ("<", false),
        ] {
            assert_eq!(has_base(html), expected, "{html}");
        }
    }

    #[test]
    fn policies_contain_a_nonce() {
        for (policy, expected) in [
            ("script-src 'self' 'nonce-abc='", Some("abc=")),
            ("default-src 'nonce-d'; img-src *", Some("d")),
            ("default-src 'nonce-d'; Script-Src  'nonce-s'", Some("s")),
            ("script-src 'self'; style-src 'nonce-x'", None),
            ("", None),
        ] {
            assert_eq!(nonce_in(policy).as_deref(), expected, "{policy}");
        }
    }

    #[test]
    fn attributes_are_escaped() {
        let tag = tag(
            "/a?1",
            r#"{"message":"'\"></script><script>alert(1)</script>&"}"#,
            Some("\" onload=\"x"),
        );
        assert_eq!(tag.matches('<').count(), 2, "{tag}");
        assert_eq!((tag.matches('"').count(), tag.matches('\'').count()), (4, 2), "{tag}");
    }
}
