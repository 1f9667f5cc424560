//! The content type of a file: by its extension, or by its first bytes if the extension is unknown.

use std::path::Path;

use mime_guess::mime;

/// Bytes that are examined if the extension is unknown (<https://mimesniff.spec.whatwg.org> examines up to the first 1445).
pub(super) const SNIFFED_BYTES: u64 = 1024;

/// Returns the type of a known extension.
pub(super) fn by_name(path: &Path) -> Option<String> {
    let kind = mime_guess::from_path(path).first()?;
    if kind == mime::APPLICATION_JAVASCRIPT {
        // RFC 9239 made this the name of the type.
        return Some("text/javascript; charset=utf-8".to_owned());
    }
    // An XML file declares its encoding itself, and a header would override that.
    let says_itself = kind.subtype() == mime::XML || kind.suffix() == Some(mime::XML);
    Some(match kind.type_() == mime::TEXT && !says_itself {
        true => format!("{kind}; charset=utf-8"),
        false => kind.to_string(),
    })
}

/// Returns the type of a file that begins with these bytes: plain text, or `application/octet-stream`.
pub(super) fn by_content(first: &[u8]) -> &'static str {
    let text = match std::str::from_utf8(first) {
        Ok(_) => true,
        // The last character is cut off.
        Err(error) => error.error_len().is_none() && first.len() as u64 >= SNIFFED_BYTES,
    };
    match text && !first.iter().any(is_binary) {
        true => "text/plain; charset=utf-8",
        false => "application/octet-stream",
    }
}

/// Returns true for a "binary data byte" of the MIME Sniffing Standard.
fn is_binary(byte: &u8) -> bool {
    matches!(byte, 0x00..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_the_type() {
        for (name, expected) in [
            ("site.css", Some("text/css; charset=utf-8")),
            ("a.js", Some("text/javascript; charset=utf-8")),
            ("a.mjs", Some("text/javascript; charset=utf-8")),
            ("a.HTML", Some("text/html; charset=utf-8")),
            ("a.json", Some("application/json")),
            ("a.pdf", Some("application/pdf")),
            ("site.webmanifest", Some("application/manifest+json")),
            ("a.svg", Some("image/svg+xml")),
            ("a.xml", Some("text/xml")),
            ("a.wasm", Some("application/wasm")),
            ("a.woff2", Some("font/woff2")),
            ("LICENSE", None),
            ("a.nobody-knows", None),
        ] {
            assert_eq!(by_name(Path::new(name)).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn what_has_no_name_is_text_if_it_can_be_read() {
        let mut cut = "x"
            .repeat(usize::try_from(SNIFFED_BYTES).expect("small") - 1)
            .into_bytes();
        cut.push("ä".as_bytes()[0]);
        for (first, text) in [
            (&b"MIT License\r\n\tx"[..], true),
            ("grüß".as_bytes(), true),
            (b"", true),
            (&cut, true),
            (b"\x1b[1mbold", true),
            (b"\x7fELF\x02\x01\x01\0", false),
            (b"caf\xe9", false),
            (b"a\0b", false),
        ] {
            assert_eq!(by_content(first).starts_with("text/plain"), text, "{first:?}");
        }
    }
}
