//! Percent-encoding of paths and values for addresses.

/// Percent-encodes a text for the path or the query of an address (RFC 3986). Slashes stay, so that a path keeps its segments.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_unreserved_characters_and_slashes_is_encoded() {
        for (text, encoded) in [
            ("a/b c&d?ü", "a/b%20c%26d%3F%C3%BC"),
            ("/a b/\"ü", "/a%20b/%22%C3%BC"),
            ("a-b.c_d~e/{0}", "a-b.c_d~e/%7B0%7D"),
        ] {
            assert_eq!(percent_encoded(text), encoded);
        }
    }
}
